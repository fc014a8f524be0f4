/** One contract for every component of the registry. */
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { z } from "zod";
import type { Context, Edge, Factory, Kind, Payload, Signal } from "../../src/component.ts";
import { decode } from "../../src/config/decode.ts";
import { fieldMeta } from "../../src/config/fields.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { TelemetryError } from "../../src/errors.ts";
import { allFactories, registry } from "../../src/registry.ts";
import type { Listener } from "../../src/transport.ts";
import { configTable } from "../../tools/config-table.ts";
import { bodiesOf, logsPayload } from "../support/payloads.ts";
import { type TestSettings, testSettings } from "../support/settings.ts";

const root = join(__dirname, "..", "..");
const kinds: readonly Kind[] = ["receiver", "processor", "exporter", "connector", "extension"];
const context: Context = { receivedMs: 0 };
const listener: Listener = { addresses: ["127.0.0.1:0"], close: () => Promise.resolve() };

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

/** A sink edge that answers as the test says. */
class TestEdge implements Edge {
  readonly assurance = "held";
  readonly taken: string[] = [];
  error: TelemetryError | undefined;
  ready() {
    return this.error;
  }
  consume(payload: Payload): Promise<void> {
    if (this.error !== undefined) return Promise.reject(this.error);
    this.taken.push(...bodiesOf(payload));
    return Promise.resolve();
  }
}

const settingsFor = (): TestSettings => testSettings({ listen: () => Promise.resolve(listener) });

interface Running {
  readonly start?: () => Promise<void>;
  readonly shutdown?: (abort: AbortSignal) => Promise<void>;
  readonly consume?: (payload: Payload, context: Context) => Promise<void>;
}

/** Any component behind one face. */
function create(factory: Factory, next: TestEdge, settings: TestSettings): Running {
  const config = decodeExample(factory);
  if (factory.kind === "receiver")
    return factory.create({ config, next: { logs: next }, settings });
  if (factory.kind === "extension") return factory.create({ config, settings });
  if (factory.kind === "connector") {
    return factory.create({
      config,
      from: "logs",
      to: "logs",
      next: new Map([["logs", next]]),
      settings,
    });
  }
  if (factory.kind === "exporter") {
    const exporter = factory.create({ config, settings });
    return {
      start: () => exporter.start?.() ?? Promise.resolve(),
      shutdown: (abort) => exporter.shutdown?.(abort) ?? Promise.resolve(),
    };
  }
  const instance = factory.create({ config, signal: "logs", settings });
  if ("stage" in instance) return instance.stage(next);
  return {
    consume: (payload, ctx) => {
      const result = instance.transform(payload, ctx);
      return result === undefined ? Promise.resolve() : next.consume(result);
    },
  };
}

const soon = () => AbortSignal.timeout(5000);

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
    expect(undescribed(factoryOf(name).config, "")).toEqual([]);
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

  test("stops without having started, and twice", async () => {
    const component = create(factoryOf(name), new TestEdge(), settingsFor());
    const stop = async () => component.shutdown?.(soon());
    await expect(stop()).resolves.toBeUndefined();
    await expect(stop()).resolves.toBeUndefined();
  });

  test("starts and stops", async () => {
    const component = create(factoryOf(name), new TestEdge(), settingsFor());
    await component.start?.();
    const stop = async () => component.shutdown?.(soon());
    await expect(stop()).resolves.toBeUndefined();
  });
});

const forwarders = names.filter(
  (name) => name.startsWith("processor ") || name.startsWith("connector "),
);

describe.each(forwarders)("%s, as a part of a pipeline", (name) => {
  test("forwards every item exactly once", async () => {
    const next = new TestEdge();
    const settings = settingsFor();
    const component = create(factoryOf(name), next, settings);
    await component.start?.();
    await component.consume!(logsPayload(["a", "b"]), context);
    await component.consume!(logsPayload(["c"]), context);
    await component.shutdown?.(soon());
    expect(next.taken).toEqual(["a", "b", "c"]);
    expect(settings.budget.usedBytes).toBe(0);
  });

  test("never writes into a payload", async () => {
    const component = create(factoryOf(name), new TestEdge(), settingsFor());
    const payload = logsPayload(["a"]);
    const before = Buffer.concat(payload.parts);
    await component.start?.();
    await component.consume!(payload, context);
    await component.shutdown?.(soon());
    expect(Buffer.concat(payload.parts)).toEqual(before);
  });

  test("what is refused for good reaches the caller or is counted as dropped", async () => {
    const next = new TestEdge();
    const settings = settingsFor();
    next.error = new TelemetryError("BACKEND_REJECTED", "no", { retryable: false });
    const component = create(factoryOf(name), next, settings);
    await component.start?.();
    const refused = await component.consume!(logsPayload(["a"]), context).then(
      () => false,
      () => true,
    );
    await component.shutdown?.(soon());
    const dropped = [...settings.dropped.values()].reduce((sum, items) => sum + items, 0);
    expect(refused ? 1 : dropped).toBe(1);
    expect(settings.budget.usedBytes).toBe(0);
  });
});

/** Keys without a description or a reason, nested ones with dots. */
function undescribed(schema: z.core.$ZodType, prefix: string): string[] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape as Record<string, z.core.$ZodType>).flatMap(([key, field]) => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    const isSaid = chain(field).some(
      (s) => (fieldMeta(s).description ?? fieldMeta(s).reason) !== undefined,
    );
    const isLeaf = chain(field).some((s) => fieldMeta(s).effect !== undefined);
    return [...(isSaid ? [] : [path]), ...(isLeaf ? [] : undescribed(field, path))];
  });
}

function chain(schema: z.core.$ZodType): z.core.$ZodType[] {
  const def = schema._zod.def as {
    innerType?: z.core.$ZodType;
    in?: z.core.$ZodType;
    type: string;
  };
  const inner = def.type === "pipe" ? def.in : def.innerType;
  return inner === undefined ? [schema] : [schema, ...chain(inner)];
}

const unwrap = (schema: z.core.$ZodType) => chain(schema).at(-1)!;

test("every signal of a factory is one", () => {
  const signals: readonly Signal[] = ["traces", "metrics", "logs"];
  for (const factory of factories) {
    if (factory.kind === "extension" || factory.kind === "connector") continue;
    expect(signals).toEqual(expect.arrayContaining(Object.keys(factory.stability)));
  }
});
