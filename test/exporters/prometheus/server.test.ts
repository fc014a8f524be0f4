/** The settings of the endpoint: TLS, credentials, headers, shared listeners. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { config } from "../../../exporters/prometheus/config.ts";
import { PrometheusExporter } from "../../../exporters/prometheus/exporter.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { silentLogger } from "../../../src/log.ts";
import { Listeners } from "../../../src/net/listeners.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testBudget, testSettings } from "../../support/settings.ts";
import { gauge, largeMetric, payloadOf, request, value } from "./support.ts";

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** An exporter on real listeners; returns host and port. */
async function start(
  keys: object,
  offered?: unknown,
  metric: object = gauge("g", [value(1)]),
): Promise<string> {
  const clock = new FakeClock();
  const listeners = new Listeners({ clock, log: silentLogger, budget: testBudget() });
  let address = "";
  const settings = testSettings({
    id: "prometheus",
    clock,
    async listen(spec) {
      const listener = await listeners.listen(settings.id, spec);
      address = listener.addresses[0]!;
      return listener;
    },
  });
  const parsed = config.parse({ endpoint: "127.0.0.1:0", ...keys });
  const exporter = new PrometheusExporter(parsed, { ...settings, use: () => offered });
  stops.push(() => exporter.shutdown(new AbortController().signal));
  await exporter.push(await payloadOf(request([metric])));
  await exporter.start();
  return address;
}

const page = "# TYPE g gauge\ng 1\n";
const pemPath = (name: string) => join(__dirname, "../../testdata/tls-server", name);
const pem = (name: string) => readFileSync(pemPath(name));

function getOver(address: string, options: object): Promise<string> {
  const port = Number(address.split(":").at(-1));
  return new Promise((resolve, reject) => {
    const asked = get(
      { host: "localhost", port, path: "/metrics", ca: pem("ca.pem"), agent: false, ...options },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve(text));
      },
    );
    asked.on("error", reject);
  });
}

describe("tls", () => {
  const own = { cert_file: pemPath("server.pem"), key_file: pemPath("server.key") };

  test("pages are served over it, and no clear text", async () => {
    const address = await start({ tls: own });
    expect(await getOver(address, {})).toBe(page);
    await expect(fetch(`http://${address}/metrics`)).rejects.toThrow("fetch failed");
  });

  test("mutual: only to who shows a certificate", async () => {
    const address = await start({ tls: { ...own, client_ca_file: pemPath("ca.pem") } });
    const client = { cert: pem("client.pem"), key: pem("client.key") };
    expect(await getOver(address, client)).toBe(page);
    await expect(getOver(address, {})).rejects.toThrow(/certificate required|socket|ECONNRESET/u);
  });

  test("a file that is not there fails the start", async () => {
    await expect(start({ tls: { ...own, key_file: "/does/not/exist" } })).rejects.toThrow(
      "/does/not/exist",
    );
  });
});

describe("auth", () => {
  const auth = { authenticator: "bearer_token_auth" };
  const authenticator = {
    authenticate(metadata: ReadonlyMap<string, readonly string[]>) {
      if (metadata.get("authorization")?.[0] === "Bearer right") return Promise.resolve();
      return Promise.reject(new TelemetryError("UNAUTHENTICATED", "who are you"));
    },
  };

  test("pages only for who may see them", async () => {
    const url = `http://${await start({ auth }, authenticator)}/metrics`;
    expect((await fetch(url)).status).toBe(401);
    const wrong = await fetch(url, { headers: { authorization: "Bearer wrong" } });
    expect([wrong.status, await wrong.text()]).not.toContain(page);
    const right = await fetch(url, { headers: { authorization: "Bearer right" } });
    expect([right.status, await right.text()]).toEqual([200, page]);
  });

  test("an authenticator that does not exist fails the start", async () => {
    await expect(start({ auth })).rejects.toThrow(
      'failed to resolve authenticator "bearer_token_auth": authenticator not found',
    );
  });
});

test("response_headers and cors stand on a page", async () => {
  const address = await start({
    response_headers: { "x-frame-options": "DENY" },
    cors: { allowed_origins: ["https://*.example.com"] },
  });
  const response = await fetch(`http://${address}/metrics`, {
    headers: { origin: "https://a.example.com" },
  });
  expect(await response.text()).toBe(page);
  expect(response.headers.get("x-frame-options")).toBe("DENY");
  expect(response.headers.get("access-control-allow-origin")).toBe("https://a.example.com");
});

test("a stopped exporter listens no more", async () => {
  const address = await start({});
  expect((await fetch(`http://${address}/metrics`)).status).toBe(200);
  await stops[0]!();
  await expect(fetch(`http://${address}/metrics`)).rejects.toThrow("fetch failed");
});

test("HEAD tells no length, as it does not know that of the page", async () => {
  const response = await fetch(`http://${await start({})}/metrics`, { method: "HEAD" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/u);
  expect(response.headers.get("content-length")).toBeNull();
});

test("a client that hangs up in the middle of its page harms no other", async () => {
  const address = await start({}, undefined, largeMetric(150));
  const [host, port] = address.split(":");
  for (let i = 0; i < 3; i++) {
    const socket = connect(Number(port), host);
    socket.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "data");
    socket.destroy();
  }
  const response = await fetch(`http://${address}/metrics`);
  expect(response.status).toBe(200);
  expect((await response.text()).split("\n")).toHaveLength(300_002);
});
