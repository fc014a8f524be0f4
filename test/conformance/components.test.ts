/** One contract for every component of the registry. */
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { Context, Edge, Factory, Kind, Payload, Signal } from "../../src/component.ts";
import { decode } from "../../src/config/decode.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblems } from "../../src/config/problems.ts";
import { resolveLoaded } from "../../src/config/service-config.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { TelemetryError } from "../../src/errors.ts";
import { allFactories, registry } from "../../src/registry.ts";
import type { Listener } from "../../src/transport.ts";
import { configKeys, configTable } from "../../tools/config-table.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { bodiesOf, metricNamesOf, requestOf } from "../support/payloads.ts";
import { ProbeService } from "../support/probe-service.ts";
import { ScriptedEdge } from "../support/scripted-edge.ts";
import { type TestSettings, testSettings } from "../support/settings.ts";

const root = join(__dirname, "..", "..");
const kinds: readonly Kind[] = ["receiver", "processor", "exporter", "connector", "extension"];
const context: Context = { receivedMs: 0 };

let factories: readonly Factory[] = [];
const home = process.cwd();

afterAll(() => process.chdir(home));

beforeAll(async () => {
  // The file exporter's example writes beside where it runs.
  process.chdir(mkdtempSync(join(tmpdir(), "rmt-components-")));
  factories = await allFactories();
});

const names = kinds.flatMap((kind) => registry.types(kind).map(({ type }) => `${kind} ${type}`));
const factoryOf = (name: string): Factory => factories.find((f) => `${f.kind} ${f.type}` === name)!;
const folderOf = (factory: Factory) => join(root, `${factory.kind}s`, factory.type);

function decodeExample(factory: Factory): unknown {
  const { value, issues } = decodeBody(factory, factory.example);
  expect(issues).toEqual([]);
  return value;
}

function decodeBody(factory: Factory, body: unknown) {
  const { node } = parseYaml(JSON.stringify(body), "test.yaml");
  return decode(factory.config, node, [`${factory.kind}s`, factory.type]);
}

/** One signal path through a component: a connector may take one signal and give another. */
interface Path {
  readonly from: Signal;
  readonly to: Signal;
}

function pathsOf(factory: Factory): readonly Path[] {
  if (factory.kind === "connector") return factory.pairs;
  if (factory.kind === "extension") return [];
  return (Object.keys(factory.stability) as Signal[]).map((signal) => ({
    from: signal,
    to: signal,
  }));
}

interface Running {
  readonly start?: () => Promise<void>;
  readonly shutdown?: (abort: AbortSignal) => Promise<void>;
  readonly consume?: (payload: Payload, context: Context) => Promise<void>;
}

/** Any component behind one face. */
function create(factory: Factory, next: Edge, settings: TestSettings, path?: Path): Running {
  const config = decodeExample(factory);
  if (factory.kind === "extension") return factory.create({ config, settings });
  if (factory.kind === "exporter") {
    const signals = pathsOf(factory).map(({ from }) => from);
    return factory.create({ config, signals, settings });
  }
  const { from, to } = path ?? pathsOf(factory)[0]!;
  if (factory.kind === "receiver")
    return factory.create({ config, next: { [from]: next }, settings });
  if (factory.kind === "connector") {
    return factory.create({ config, from, to, next: new Map([[`${to}/out`, next]]), settings });
  }
  const instance = factory.create({ config, signal: from, settings });
  if ("stage" in instance) return instance.stage(next);
  return {
    consume: (payload, ctx) => {
      const result = instance.transform(payload, ctx);
      return result === undefined ? Promise.resolve() : next.consume(result, ctx);
    },
  };
}

const soon = () => AbortSignal.timeout(5000);

/** Settings whose listeners and clock are fake; `open` is what was opened and not closed. */
function contractSettings() {
  const open = new Set<object>();
  const clock = new FakeClock();
  const settings = testSettings({
    clock,
    listen: () => {
      const own: Listener = {
        addresses: ["127.0.0.1:0"],
        close: () => Promise.resolve(void open.delete(own)),
      };
      open.add(own);
      return Promise.resolve(own);
    },
  });
  return { open, clock, settings };
}

describe.each(names)("%s", (name) => {
  test("is declared as its row and its folder say", () => {
    const factory = factoryOf(name);
    expect(factory.type).toMatch(/^[a-z][a-z0-9_]*$/u);
    expect(existsSync(folderOf(factory))).toBe(true);
    const row = registry.types(factory.kind).find(({ type }) => type === factory.type);
    expect(factory.aliases ?? []).toEqual(row?.aliases);
    expect(factory.summary).toMatch(/\.$/u);
  });

  test("describes or classes every key", () => {
    const undescribed = configKeys(factoryOf(name).config).filter(
      ({ meta }) => (meta.description ?? meta.reason) === undefined,
    );
    expect(undescribed.map(({ path }) => path)).toEqual([]);
  });

  test("refuses an unknown key", () => {
    const factory = factoryOf(name);
    const { issues } = decodeBody(factory, { ...factory.example, no_such_key: 1 });
    expect(issues.map(({ message }) => message).join()).toContain("has invalid keys: no_such_key");
  });

  test("its README table equals its schema", () => {
    const factory = factoryOf(name);
    const readme = readFileSync(join(folderOf(factory), "README.md"), "utf8");
    expect(readme).toContain(
      `<!-- config:begin -->\n${configTable(factory.config)}\n<!-- config:end -->`,
    );
  });

  test("its README has the sections of every README, and its example is a configuration", async () => {
    const readme = readFileSync(join(folderOf(factoryOf(name)), "README.md"), "utf8");
    const headings = [...readme.matchAll(/^## (.+)$/gmu)].map(([, heading]) => heading);
    const sections = ["Example", "Configuration", "Own metrics", "Limits"];
    expect(headings).toEqual(expect.arrayContaining(sections));
    expect(headings.at(-1)).toMatch(/^Differences/u);
    const [, yaml] = /^```yaml\n(.*?)^```$/msu.exec(readme)!;
    const loaded = loadConfig({
      configs: ["README.md"],
      sets: [],
      env: {},
      readFile: () => yaml!,
    });
    const { problems } = await resolveLoaded(loaded, registry);
    expect(formatProblems(problems)).toBe("");
    expect(yaml).toMatch(new RegExp(`^\\s+${factoryOf(name).type}(/\\w+)?:`, "mu"));
  });

  test("stops without having started, and twice", async () => {
    const component = create(factoryOf(name), new ScriptedEdge(), contractSettings().settings);
    const stop = async () => component.shutdown?.(soon());
    await expect(stop()).resolves.toBeUndefined();
    await expect(stop()).resolves.toBeUndefined();
  });

  test("starts, and stops without leaving a listener, a timer or a reservation behind", async () => {
    const { open, clock, settings } = contractSettings();
    const component = create(factoryOf(name), new ScriptedEdge(), settings);
    await component.start?.();
    await component.shutdown?.(soon());
    expect([open.size, clock.pending, settings.budget.usedBytes]).toEqual([0, 0, 0]);
    const again = async () => component.shutdown?.(soon());
    await expect(again()).resolves.toBeUndefined();
  });
});

const forwarders = names.filter(
  (name) => name.startsWith("processor ") || name.startsWith("connector "),
);

/**
 * What by its purpose gives other items than it takes, with the reason; for these only the budget and the errors are
 * held to the contract.
 */
const countChangers = new Map([["processor percentiles", "adds series"]]);
/** What a component forwards of the items it gets. */
const forwarded = (name: string, items: number) => (countChangers.has(name) ? undefined : items);

describe.each(forwarders)("%s, as a part of a pipeline", (name) => {
  test("forwards every item exactly once, in order, for each signal", async () => {
    const factory = factoryOf(name);
    for (const path of pathsOf(factory)) {
      const { clock, settings } = contractSettings();
      const next = new ScriptedEdge(settings.budget);
      const component = create(factory, next, settings, path);
      await component.start?.();
      for (const [from, items] of [
        ["a", 2],
        ["b", 1],
        ["c", 3],
      ] as const)
        await component.consume!(requestOf(path.from, items, from), context);
      await component.shutdown?.(soon());
      await clock.advance(0);
      const items = next.sizes.reduce((sum, size) => sum + size, 0);
      expect([path, items]).toEqual([path, forwarded(name, 6) ?? items]);
      if (path.from === path.to && path.to !== "traces" && !countChangers.has(name)) {
        const namesOf = path.to === "logs" ? bodiesOf : metricNamesOf;
        const order = ["a0", "a1", "b0", "c0", "c1", "c2"];
        expect([path, next.payloads.flatMap(namesOf)]).toEqual([path, order]);
      }
      expect(settings.budget.usedBytes).toBe(0);
      expect(clock.pending).toBe(0);
    }
  });

  test("never writes into a payload", async () => {
    const factory = factoryOf(name);
    for (const path of pathsOf(factory)) {
      const { settings } = contractSettings();
      const component = create(factory, new ScriptedEdge(), settings, path);
      const payload = requestOf(path.from, 3);
      const before = Buffer.concat(payload.parts);
      await component.start?.();
      await component.consume!(payload, context);
      await component.shutdown?.(soon());
      expect(Buffer.concat(payload.parts)).toEqual(before);
    }
  });

  test("what is refused for good reaches the caller or is counted as dropped", async () => {
    const factory = factoryOf(name);
    for (const path of pathsOf(factory)) {
      const { settings } = contractSettings();
      const next = new ScriptedEdge(settings.budget);
      next.refusal = new TelemetryError("BACKEND_REJECTED", "no", { retryable: false });
      const component = create(factory, next, settings, path);
      await component.start?.();
      const error = await component.consume!(requestOf(path.from, 2), context).catch(
        (cause: unknown) => cause,
      );
      await component.shutdown?.(soon());
      const dropped = [...settings.dropped.values()].reduce((sum, items) => sum + items, 0);
      if (error !== undefined) expect(error).toBe(next.refusal);
      else expect(dropped).toBe(forwarded(name, 2) ?? dropped);
      expect(settings.budget.usedBytes).toBe(0);
    }
  });

  test("what is refused retryably reaches the caller as it is, or is kept and handed over again", async () => {
    const factory = factoryOf(name);
    for (const path of pathsOf(factory)) {
      const { clock, settings } = contractSettings();
      const next = new ScriptedEdge(settings.budget);
      next.refusal = new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });
      const component = create(factory, next, settings, path);
      await component.start?.();
      const payload = requestOf(path.from, 2);
      const consume = () => component.consume!(payload, context).catch((cause: unknown) => cause);
      const error = await consume();
      await clock.advance(1000);
      if (error !== undefined) expect(error).toBe(next.refusal);
      next.refusal = undefined;
      if (error !== undefined) expect(await consume()).toBeUndefined();
      await component.shutdown?.(soon());
      const items = next.sizes.reduce((sum, size) => sum + size, 0);
      expect(items).toBe(forwarded(name, 2) ?? items);
      expect(settings.dropped.size).toBe(0);
      expect(settings.budget.usedBytes).toBe(0);
    }
  });
});

const counted = names.filter(
  (name) => !name.startsWith("receiver ") && !name.startsWith("extension "),
);

describe.each(counted)("%s, in a running service", (name) => {
  test("is counted: accepted == sent + dropped, and what crosses its edges", async () => {
    const factory = factoryOf(name);
    for (const path of pathsOf(factory)) {
      const probe = await ProbeService.start(factory, path);
      await probe.send(requestOf(path.from, 3));
      await probe.send(requestOf(path.from, 2));
      await probe.stop();
      expect(probe.count("otelcol_receiver_accepted", path.from)).toBe(5);
      expect(probe.entered).toBe(5);
      const sent = probe.count("otelcol_exporter_sent", path.to);
      if (factory.kind === "exporter") {
        expect(sent + probe.dropped).toBe(5);
        continue;
      }
      expect(probe.arrived).toBe(forwarded(name, 5) ?? probe.arrived);
      expect(sent).toBe(probe.arrived);
      if (factory.kind !== "processor") continue;
      expect(probe.processorItems("incoming")).toBe(5);
      expect(probe.processorItems("outgoing")).toBe(probe.arrived);
    }
  });
});

test("every signal of a factory is one", () => {
  const signals: readonly Signal[] = ["traces", "metrics", "logs"];
  for (const factory of factories) {
    if (factory.kind === "extension" || factory.kind === "connector") continue;
    expect(signals).toEqual(expect.arrayContaining(Object.keys(factory.stability)));
  }
});
