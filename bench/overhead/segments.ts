/** Two states of a server in turns: segments of so many requests, in ABBA quadruples. */

export interface SegmentOptions {
  readonly quadruples: number;
  /** Not recorded. */
  readonly warmUpQuadruples: number;
  readonly segmentRequests: number;
  /** At the begin of each segment, not measured: the first requests after a switch pay for it. */
  readonly settleRequests: number;
}

/** CPU µs a request in one quadruple; each the mean of two segments. */
export interface Pair {
  readonly off: number;
  readonly on: number;
}

/** What is switched: around each segment, in the state that it is for. */
export interface Switch {
  begin(isOn: boolean): void;
  end(isOn: boolean): void;
}

/** Counts requests by themselves, so that no message from outside disturbs what is measured. */
export class Requests {
  handled = 0;
  #next = 0;
  #resolve: () => void = () => {};

  /** To be called by the handler. */
  count(): void {
    // Not at once: the response belongs to the request.
    if (++this.handled === this.#next) setImmediate(this.#resolve);
  }

  after(requests: number): Promise<void> {
    this.#next = this.handled + requests;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
}

export class Segments {
  readonly #options: SegmentOptions;
  readonly #requests: Requests;
  readonly #cpuMicroseconds: () => number;

  constructor(
    options: SegmentOptions,
    requests: Requests,
    cpuMicroseconds: () => number = processMicroseconds,
  ) {
    this.#options = options;
    this.#requests = requests;
    this.#cpuMicroseconds = cpuMicroseconds;
  }

  /** A quadruple of each switch in turns; the pairs of each. */
  async run(switches: readonly Switch[]): Promise<Pair[][]> {
    const { quadruples, warmUpQuadruples } = this.#options;
    const pairs: Pair[][] = switches.map(() => []);
    for (let i = -warmUpQuadruples; i < quadruples; i++) {
      for (const [j, one] of switches.entries()) {
        const pair = await this.#quadruple(one, i % 2 !== 0);
        if (i >= 0) pairs[j]!.push(pair);
      }
    }
    return pairs;
  }

  /** Every other one is BAAB, so that neither state is always first. */
  async #quadruple(one: Switch, isOnFirst: boolean): Promise<Pair> {
    let [off, on] = [0, 0];
    for (const isOn of [isOnFirst, !isOnFirst, !isOnFirst, isOnFirst]) {
      one.begin(isOn);
      const half = (await this.segment()) / 2;
      one.end(isOn);
      if (isOn) on += half;
      else off += half;
    }
    return { off, on };
  }

  /** CPU µs a request. */
  async segment(): Promise<number> {
    const { settleRequests, segmentRequests } = this.#options;
    await this.#requests.after(settleRequests);
    const before = this.#cpuMicroseconds();
    const handledBefore = this.#requests.handled;
    await this.#requests.after(segmentRequests);
    const used = this.#cpuMicroseconds() - before;
    // A few more than asked for: those that came in the same turn.
    return used / (this.#requests.handled - handledBefore);
  }
}

function processMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
