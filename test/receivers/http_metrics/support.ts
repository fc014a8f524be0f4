/** The http_metrics receiver on a real socket before an edge of the test. */
import { factory } from "../../../receivers/http_metrics/factory.ts";
import { type Clock, systemClock } from "../../../src/clock.ts";
import type { Budget, Payload } from "../../../src/component.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import { Listeners } from "../../../src/net/listeners.ts";
import { encodeJson } from "../../../src/pdata/json/encode.ts";
import { verifyAndNormalise } from "../../../src/pdata/verify.ts";
import { ScriptedEdge } from "../../support/scripted-edge.ts";
import { type TestMeter, testBudget, testSettings } from "../../support/settings.ts";

export interface PointJson {
  readonly attributes?: readonly { key: string; value: Record<string, unknown> }[];
  readonly startTimeUnixNano?: string;
  readonly timeUnixNano?: string;
  readonly flags?: number;
  readonly [field: string]: unknown;
}

export interface MetricJson {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  readonly [kind: string]: unknown;
}

export interface ResourceJson {
  readonly resource?: { readonly attributes?: PointJson["attributes"] };
  readonly scopeMetrics: readonly { readonly scope?: unknown; readonly metrics: MetricJson[] }[];
}

interface Options {
  readonly clock?: Clock;
  readonly budgetBytes?: number;
  readonly use?: (id: string) => unknown;
}

export interface TestHttpMetrics {
  readonly url: string;
  readonly port: number;
  readonly edge: ScriptedEdge<"metrics">;
  readonly budget: Budget;
  readonly meter: TestMeter;
  /** Warnings, with the reason they name. */
  readonly said: string[];
  custom(body: unknown, headers?: Record<string, string>): Promise<Response>;
  push(method: string, path: string, body?: string | Uint8Array, type?: string): Promise<Response>;
  /** Waits until the edge was called so often; fetch and sockets have their own turns. */
  edgeCalls(calls: number): Promise<void>;
  close(abort?: AbortSignal): Promise<void>;
}

const running: TestHttpMetrics[] = [];

export async function closeAll(): Promise<void> {
  for (const one of running.splice(0)) await one.close();
}

export async function startHttpMetrics(
  keys: Record<string, unknown> = {},
  options: Options = {},
): Promise<TestHttpMetrics> {
  const { clock = systemClock } = options;
  const budget = testBudget(options.budgetBytes);
  const listeners = new Listeners({ clock, log: silentLogger, budget });
  const said: string[] = [];
  const log: Logger = {
    ...silentLogger,
    warn: (message, fields) =>
      void said.push(`${message} ${String(fields?.["reason"] ?? "")}`.trim()),
  };
  let addresses: readonly string[] = [];
  const settings = {
    ...testSettings({ id: "http_metrics", clock, budget, log }),
    use: options.use ?? (() => undefined),
    listen: async (server: Parameters<Listeners["listen"]>[1]) => {
      const id = { kind: "receiver", type: "http_metrics", text: "http_metrics" } as const;
      const listener = await listeners.listen(id, server);
      ({ addresses } = listener);
      return listener;
    },
  };
  const edge = new ScriptedEdge<"metrics">();
  const receiver = factory.create({
    config: factory.config.parse({ endpoint: "127.0.0.1:0", ...keys }),
    next: { metrics: edge },
    settings,
  });
  await receiver.start?.();
  const url = `http://${addresses[0]}`;
  const started: TestHttpMetrics = {
    url,
    port: Number(addresses[0]!.split(":").at(-1)),
    edge,
    budget,
    meter: settings.meter,
    said,
    custom: (body, headers = {}) =>
      fetch(`${url}/v1/metrics/custom`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: body instanceof Uint8Array || typeof body === "string" ? body : JSON.stringify(body),
      }),
    push: (method, path, body, type) =>
      fetch(`${url}/metrics/${path}`, {
        method,
        ...(type === undefined ? {} : { headers: { "content-type": type } }),
        ...(body === undefined ? {} : { body }),
      }),
    edgeCalls: async (calls) => {
      for (let i = 0; i < 1_000_000 && edge.calls < calls; i++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (edge.calls !== calls) throw new Error(`${edge.calls} calls, not ${calls}`);
    },
    close: async (abort = AbortSignal.abort()) => receiver.shutdown?.(abort),
  };
  running.push(started);
  return started;
}

/** A payload in OTLP/JSON; its bytes and counts are checked as a receiver checks a client's. */
export function resourcesOf(payload: Payload | undefined): readonly ResourceJson[] {
  if (payload === undefined) throw new Error("nothing arrived");
  for (const [i, part] of payload.parts.entries()) {
    const { items } = verifyAndNormalise("metrics", Uint8Array.from(part));
    if (items !== payload.partItems[i])
      throw new Error(`${items} points, not ${payload.partItems[i]}`);
  }
  const parsed = JSON.parse(encodeJson(payload)) as { resourceMetrics: ResourceJson[] };
  return parsed.resourceMetrics;
}

export const metricsOf = (payload: Payload | undefined): MetricJson[] =>
  resourcesOf(payload).flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) => metrics),
  );

const kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

export const pointsOf = (metric: MetricJson): PointJson[] =>
  kinds.flatMap(
    (kind) => (metric[kind] as { dataPoints?: PointJson[] } | undefined)?.dataPoints ?? [],
  );

export const textOf = (attributes: PointJson["attributes"] = []): string =>
  attributes.map(({ key, value }) => `${key}=${String(Object.values(value)[0])}`).join(",");
