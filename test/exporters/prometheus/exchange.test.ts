/** What a scraper and the endpoint say to each other: methods, formats, codings. */
import { describe, expect, test } from "@jest/globals";
import { exporterStarter, gauge, largeMetric, request, sum, value } from "./support.ts";

const start = exporterStarter();

const text = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
const openMetrics =
  "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
const prometheus2 =
  "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const prometheus3 =
  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

describe("formats", () => {
  test.each([
    ["no wish", "*/*", true, text],
    ["a browser", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true, text],
    ["Prometheus 2", prometheus2, true, openMetrics],
    ["Prometheus 2, OpenMetrics off", prometheus2, false, text],
    ["Prometheus 3", prometheus3, true, openMetrics.replace("underscores", "allow-utf-8")],
    [
      "Prometheus 3, OpenMetrics off",
      prometheus3,
      false,
      "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ],
    [
      "OpenMetrics without a version",
      "application/openmetrics-text",
      true,
      openMetrics.replace("1.0.0", "0.0.1"),
    ],
    ["a version that does not exist", "application/openmetrics-text;version=7", true, text],
    ["OpenMetrics refused", "application/openmetrics-text;version=1.0.0;q=0,*/*", true, text],
    ["the dearer first", "application/openmetrics-text;version=1.0.0;q=0.1,text/plain", true, text],
    ["quoted, upper case", 'Application/OpenMetrics-Text; Version="1.0.0"', true, openMetrics],
    ["an unknown escaping", "text/plain;escaping=rot13", true, text],
    ["protobuf only", "application/vnd.google.protobuf;encoding=delimited", true, text],
  ])("%s", async (_, wish, enabled, type) => {
    const r = await start({ enable_open_metrics: enabled });
    await r.push(request([gauge("g", [value(1)])]));
    const page = await r.scrape({ accept: wish });
    expect(page.headers.get("content-type")).toBe(type);
    expect(page.headers.get("vary")).toBe("accept, accept-encoding");
    expect(page.text).toBe(
      type.startsWith("text") ? "# TYPE g gauge\ng 1\n" : "# TYPE g gauge\ng 1.0\n# EOF\n",
    );
  });

  test("an exporter that has nothing yet", async () => {
    const r = await start({ enable_open_metrics: true });
    expect(await r.scrape()).toMatchObject({ status: 200, text: "" });
    expect((await r.scrape({ accept: prometheus2 })).text).toBe("# EOF\n");
  });
});

describe("methods", () => {
  test("HEAD has the headers of GET and no body", async () => {
    const r = await start();
    await r.push(request([sum("hits", [value(1)])]));
    const page = await r.scrape({}, "HEAD");
    expect(page).toMatchObject({ status: 200, text: "" });
    expect(page.headers.get("content-type")).toBe(text);
  });

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("%s is not allowed", async (method) => {
    const r = await start();
    const page = await r.scrape({}, method);
    expect(page).toMatchObject({ status: 405, text: "Method Not Allowed\n" });
    expect(page.headers.get("allow")).toBe("GET, HEAD");
  });

  test.each(["/", "/metrics/", "/other"])("nothing is at %s", async (path) => {
    const r = await start();
    expect((await r.scrape({}, "GET", path)).status).toBe(404);
  });
});

describe("compression", () => {
  test.each([
    ["gzip", true],
    ["deflate, gzip;q=0.5", true],
    ["*", true],
    ["GZIP", true],
    ["identity", false],
    ["gzip;q=0", false],
    ["gzip;q=0.0, *", false],
    ["*;q=0", false],
    ["x-gzip-like", false],
    ["br", false],
  ])("accept-encoding: %s", async (coding, isPacked) => {
    const r = await start();
    await r.push(request([gauge("g", [value(1)])]));
    const page = await r.scrape({ "accept-encoding": coding });
    expect(page.headers.get("content-encoding")).toBe(isPacked ? "gzip" : null);
    expect(page.text).toBe("# TYPE g gauge\ng 1\n");
  });

  test("a page of several chunks is the same, packed and in pieces", async () => {
    const r = await start();
    await r.push(request([largeMetric(30)]));
    const plain = await r.scrape();
    expect(plain.text.length).toBeGreaterThan(1_500_000);
    expect(plain.headers.get("content-length")).toBe(String(plain.text.length));
    expect(plain.text.split("\n")).toHaveLength(30 * 2000 + 2);
    expect(
      plain.text.endsWith('large_bucket{k="29",le="+Inf"} 1999\nlarge_count{k="29"} 1999\n'),
    ).toBe(true);
    expect((await r.scrape({ "accept-encoding": "gzip" })).text).toBe(plain.text);
  });
});
