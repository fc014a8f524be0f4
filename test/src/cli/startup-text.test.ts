/** What a person sees first. */
import { expect, test } from "@jest/globals";
import { type BoundAddress, firstMetric, startupText } from "../../../src/cli/startup-text.ts";
import type { ResolvedConfig } from "../../../src/config/service-config.ts";

const config = (signal: "metrics" | "logs") =>
  ({
    pipelines: [{ id: signal, signal, receivers: ["otlp/a"], processors: [], exporters: ["nop"] }],
    components: new Map([["receiver:otlp/a", { id: { type: "otlp" } }]]),
  }) as unknown as ResolvedConfig;

const receiver: BoundAddress = {
  owner: "otlp/a",
  kind: "receiver",
  protocol: "http",
  addresses: ["127.0.0.1:4318", "[::1]:4318"],
  tls: false,
};

test("what listens where, the pipelines, and one line that sends a first metric", () => {
  const own = { ...receiver, owner: "service::telemetry::metrics", kind: "extension" };
  expect(startupText([own, receiver], config("metrics"))).toBe(`
Listening:
  service::telemetry::metrics  http  127.0.0.1:4318, [::1]:4318
  receiver otlp/a              http  127.0.0.1:4318, [::1]:4318
Pipelines:
  metrics                      otlp/a -> nop
Send a first metric:
  ${firstMetric("127.0.0.1:4318")}

`);
});

test.each([
  ["a receiver without a metrics pipeline", receiver, "logs"],
  ["TLS", { ...receiver, tls: true }, "metrics"],
  ["gRPC", { ...receiver, protocol: "grpc" }, "metrics"],
  ["a socket file", { ...receiver, addresses: ["/run/otlp.sock"] }, "metrics"],
] as const)("no such line for %s", (_name, bound, signal) => {
  expect(startupText([bound], config(signal))).not.toContain("curl");
});

test("the line carries a point with the time at which it is run", () => {
  expect(firstMetric("127.0.0.1:1")).toMatch(
    /^curl -sS http:\/\/127\.0\.0\.1:1\/v1\/metrics -H '[^']+' -d '\{.*"hello".*'\$\(date \+%s\)000000000'.*\}'$/u,
  );
});
