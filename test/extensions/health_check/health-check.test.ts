import { afterEach, describe, expect, test } from "@jest/globals";
import { healthHandler, type ResponseBody } from "../../../extensions/health_check/health-check.ts";
import type { ServiceView } from "../../../src/component.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { httpSpec, httpTestServer } from "../../support/http-listen.ts";
import { testSettings } from "../../support/settings.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function ask(ready: boolean, custom?: ResponseBody): Promise<Response> {
  const service: ServiceView = {
    ...testSettings().service,
    startedMs: Date.UTC(2026, 10, 24, 13, 0, 0),
    isReady: () => ready,
    components: () => [
      {
        id: { kind: "exporter", type: "otlp_grpc", text: "otlp_grpc" },
        status: { state: "recoverable", message: "backend down" },
        held: { items: 1, bytes: 1 },
        dropped: new Map(),
      },
    ],
  };
  const clock = new FakeClock(service.startedMs + 61_500);
  const server = httpTestServer();
  const listener = await server.listen(
    httpSpec("localhost:13133", new Map([["/", healthHandler(service, clock, custom)]])),
  );
  closers.push(() => listener.close(AbortSignal.timeout(1000)));
  return fetch(server.url());
}

describe("the answer", () => {
  test("is 200 with the Collector's body while the service runs, also with a backend down", async () => {
    const response = await ask(true);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe(
      '{"status":"Server available","upSince":"2026-11-24T13:00:00.000Z","uptime":"1m1.5s"}',
    );
  });

  test("is 503 before the service is ready and when it stops", async () => {
    const response = await ask(false);
    expect(response.status).toBe(503);
    expect(await response.text()).toBe(
      '{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}',
    );
  });

  test.each([
    [true, 200, "I'm OK"],
    [false, 503, "I'm not well"],
  ])("takes the configured bodies: ready %s is %d %s", async (ready, status, body) => {
    const response = await ask(ready, { healthy: "I'm OK", unhealthy: "I'm not well" });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(body);
  });
});
