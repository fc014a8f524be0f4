import { describe, expect, test } from "@jest/globals";
import { Requests, Segments, type Switch } from "../../../bench/overhead/segments.ts";

const sizes = { quadruples: 2, warmUpQuadruples: 0, settleRequests: 3, segmentRequests: 10 };

/** A load without a server: requests come one a turn, each costs so much CPU. */
class FakeLoad {
  readonly requests = new Requests();
  readonly costs: string[] = [];
  cpu = 0;
  cost: (handled: number) => number = () => 10;
  #isRunning = true;

  begin(): void {
    const turn = () => {
      if (!this.#isRunning) return;
      this.cpu += this.cost(this.requests.handled);
      this.requests.count();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): void {
    this.#isRunning = false;
  }
}

async function withLoad<T>(work: (load: FakeLoad) => Promise<T>): Promise<T> {
  const load = new FakeLoad();
  load.begin();
  try {
    return await work(load);
  } finally {
    load.stop();
  }
}

const recording = (steps: string[]): Switch => ({
  begin: (isOn) => void steps.push(`begin ${isOn}`),
  end: (isOn) => void steps.push(`end ${isOn}`),
});

describe("quadruples", () => {
  test("are ABBA and BAAB in turns, of each switch", async () => {
    const seen: string[] = [];
    let state = "";
    await withLoad(async (load) => {
      const named = (name: string): Switch => ({
        begin: (isOn) => void (state = isOn ? name.toUpperCase() : name),
        end: () => void (state = ""),
      });
      const segments = new Segments(sizes, load.requests, () => {
        seen.push(state);
        return load.cpu;
      });
      await segments.run([named("a"), named("b")]);
    });
    // Each segment reads the CPU twice.
    const states = seen.filter((_state, i) => i % 2 === 0).join("");
    expect(states).toBe("aAAabBBbAaaABbbB");
    expect(seen.filter((_state, i) => i % 2 === 1).join("")).toBe(states);
  });

  test("say what a request costs in both states, without what a switch costs at first", async () => {
    const pairs = await withLoad((load) => {
      let isOn = false;
      let since = 0;
      const one: Switch = {
        begin: (begun) => {
          isOn = begun;
          since = load.requests.handled;
        },
        end: () => {},
      };
      load.cost = (handled) => (handled - since < 2 ? 1000 : isOn ? 12 : 10);
      return new Segments(sizes, load.requests, () => load.cpu).run([one]);
    });
    expect(pairs).toEqual([
      [
        { off: 10, on: 12 },
        { off: 10, on: 12 },
      ],
    ]);
  });

  test("of the warm-up are run, and not recorded", async () => {
    const steps: string[] = [];
    const pairs = await withLoad((load) =>
      new Segments({ ...sizes, quadruples: 1, warmUpQuadruples: 2 }, load.requests, () => 0).run([
        recording(steps),
      ]),
    );
    expect(pairs[0]).toHaveLength(1);
    expect(steps.filter((step) => step === "begin true")).toHaveLength(6);
    expect(steps.filter((step) => step === "begin false")).toHaveLength(6);
    expect(steps.filter((_step, i) => i % 2 === 1)).toEqual(
      steps.filter((_step, i) => i % 2 === 0).map((step) => step.replace("begin", "end")),
    );
  });
});

test("a segment divides by the requests that came", async () => {
  const microseconds = await withLoad((load) => {
    // Two a turn: more come than were asked for.
    load.cost = () => {
      load.requests.count();
      return 10;
    };
    const one = { ...sizes, segmentRequests: 5 };
    return new Segments(one, load.requests, () => load.cpu).segment();
  });
  expect(microseconds).toBeCloseTo(5, 0);
});
