/** Many scrapers at once, and scrapers that go away. */
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { Scraper } from "../../../exporters/prometheus/scrape.ts";
import { scrapeHandler } from "../../../exporters/prometheus/scrape-handler.ts";
import type { HttpBodyWriter, HttpExchange } from "../../../src/transport.ts";
import { largeMetric, type Running, request, startExporter } from "./support.ts";

let running: Running;
beforeEach(async () => {
  running = await startExporter();
});
afterEach(() => running.stop());

const fill = (series: number) => running.push(request([largeMetric(series)]));

/** The handler of the running exporter, called without a server between. */
function handlerOf(): (exchange: HttpExchange) => Promise<void> {
  const spec = running.spec();
  if (spec.kind !== "http") throw new Error("no HTTP server");
  const handler = spec.routes.get("/metrics")!;
  return async (exchange) => handler(exchange);
}

interface Asked {
  readonly exchange: HttpExchange;
  readonly gone: AbortController;
  readonly statuses: number[];
  /** Headers and body of a whole answer. */
  readonly whole: unknown[];
}

function ask(headers: Record<string, string> = {}, body?: HttpBodyWriter): Asked {
  const gone = new AbortController();
  const statuses: number[] = [];
  const whole: unknown[] = [];
  const exchange: HttpExchange = {
    method: "GET",
    path: "/metrics",
    query: new URLSearchParams(),
    headers: new Map(Object.entries(headers).map(([name, text]) => [name, [text]])),
    peerAddress: "127.0.0.1",
    receivedMs: 0,
    aborted: gone.signal,
    body: () => Promise.resolve(new Uint8Array()),
    releaseBody() {},
    respond(status, answerHeaders, text) {
      statuses.push(status);
      whole.push(answerHeaders, text);
    },
    stream(status) {
      statuses.push(status);
      return body ?? { write: () => Promise.resolve(), end() {} };
    },
  };
  return { exchange, gone, statuses, whole };
}

describe("exactly", () => {
  test.each([{}, { "accept-encoding": "gzip" }])("the ninth gets 503: %j", async (headers) => {
    await fill(1);
    const handler = handlerOf();
    const asked = Array.from({ length: 9 }, () => ask(headers));
    await Promise.all(asked.map(({ exchange }) => handler(exchange)));
    expect(asked.map(({ statuses }) => statuses[0])).toEqual([...Array(8).fill(200), 503]);
    expect(asked[8]!.whole).toEqual([
      { "content-type": "text/plain; charset=utf-8", "retry-after": "1" },
      "Limit of concurrent requests reached, try again later.\n",
    ]);
  });

  test("a client that is slow to take its page keeps its place until it has gone", async () => {
    await fill(30);
    const handler = handlerOf();
    const slow = Array.from({ length: 8 }, () => {
      const { promise, reject } = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      const write = () => {
        begun.resolve();
        return promise;
      };
      return { ...ask({}, { write, end() {} }), reject, begun: begun.promise };
    });
    const answers = slow.map(({ exchange }) => handler(exchange));
    const ninth = ask();
    await Promise.all(slow.map(({ begun }) => begun));
    await handler(ninth.exchange);
    expect(ninth.statuses).toEqual([503]);
    for (const { gone, reject } of slow) {
      gone.abort();
      reject(new Error("the connection is closed"));
    }
    await Promise.all(answers);
    const next = ask();
    await handler(next.exchange);
    expect(next.statuses).toEqual([200]);
  });

  test("one that goes before its page is written gets none, and frees its place", async () => {
    await fill(1);
    const handler = handlerOf();
    const asked = Array.from({ length: 8 }, () => ask({ "accept-encoding": "gzip" }));
    const answers = asked.map(({ exchange }) => handler(exchange));
    for (const { gone } of asked) gone.abort();
    await Promise.all(answers);
    expect(asked.flatMap(({ statuses }) => statuses)).toEqual([]);
    const next = ask();
    await handler(next.exchange);
    expect(next.statuses).toEqual([200]);
  });

  test("HEAD needs no place", async () => {
    await fill(1);
    const handler = handlerOf();
    const answers = Array.from({ length: 8 }, () => handler(ask().exchange));
    const head = ask();
    await handler({ ...head.exchange, method: "HEAD" });
    expect(head.statuses).toEqual([200]);
    await Promise.all(answers);
  });
});

test("a page that fails for another reason is an error of the exchange", async () => {
  const failing = { write: () => Promise.reject(new Error("broken")) } as unknown as Scraper;
  await expect(scrapeHandler(failing, false)(ask().exchange)).rejects.toThrow("broken");
});
