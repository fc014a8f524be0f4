/** `run` as a process: what it prints, its signals, its exit codes. */
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { ServiceProcess } from "../../support/run-service.ts";
import { smallConfig } from "./support.ts";

const ready = "Everything is ready. Begin running and processing data.";
const running = new Set<ServiceProcess>();

const started = async (yaml: string, args: readonly string[] = []) => {
  const service = await ServiceProcess.start(yaml, { args });
  running.add(service);
  return service;
};

/** What a failed test leaves behind. */
afterEach(() => {
  for (const service of running) service.signal("SIGKILL");
  running.clear();
});

const point = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}`;

const send = async (service: ServiceProcess) => {
  const url = `http://${service.address("receiver otlp", "http")}/v1/metrics`;
  const headers = { "content-type": "application/json" };
  const { status } = await fetch(url, { method: "POST", headers, body: point });
  return status;
};

/** Holds what it gets: its backend does not answer. */
const holding = smallConfig
  .replace("nop:", `otlp_http: { endpoint: "http://127.0.0.1:1" }`)
  .replace("[nop]", "[otlp_http]");

test("lists sockets that a component opened by itself, too", async () => {
  const receivers = `receivers:\n  statsd: { endpoint: "127.0.0.1:0" }`;
  const service = await started(
    smallConfig.replace("receivers:", receivers).replace("[otlp]", "[otlp, statsd]"),
  );
  expect(service.stderr).toMatch(/^ {2}receiver statsd +udp +127\.0\.0\.1:\d+$/mu);
  expect(await service.stop()).toBe(0);
});

test("prints where it listens, the pipelines and a line that really sends a metric; first data is said once", async () => {
  const service = await started(smallConfig);
  const text = service.stderr;
  expect(text).toMatch(/^Listening:\n {2}receiver otlp +http +127\.0\.0\.1:\d+$/mu);
  expect(text).toMatch(/^Pipelines:\n {2}metrics +otlp -> nop$/mu);
  expect(text).toContain(ready);
  const line = /^Send a first metric:\n {2}curl .* (http:\S+) -H '(.+?): (.+?)' -d '(.*)'$/mu.exec(
    text,
  )!;
  const [, url, name, value, body] = line as unknown as [string, string, string, string, string];
  const sendLine = () =>
    fetch(url, {
      method: "POST",
      headers: { [name]: value },
      body: body.replace("'$(date +%s)000000000'", "1700000000000000000"),
    });
  expect((await sendLine()).status).toBe(200);
  await service.waitFor("first data received");
  expect((await sendLine()).status).toBe(200);
  expect(await service.stop()).toBe(0);
  expect(service.stderr.match(/first data received/gu)).toHaveLength(1);
  expect(service.stdout).toBe("");
});

describe("stopping", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s ends it cleanly with 0", async (signal) => {
    const service = await started(smallConfig);
    service.signal(signal);
    expect(await service.exited()).toBe(0);
    expect(service.stderr).toContain(`Received signal from OS\t{"signal": "${signal}"}`);
    expect(service.stderr).toContain("Starting shutdown...");
    expect(service.stderr).toContain("Shutdown complete.");
  });

  test("what is not delivered within --shutdown-timeout is counted, and the exit code is 1", async () => {
    const service = await started(holding, ["--shutdown-timeout", "100ms"]);
    expect(await send(service)).toBe(200);
    expect(await service.stop()).toBe(1);
    expect(service.stderr).toMatch(
      /Shutdown timeout passed before everything was delivered\.\t\{"lostItems": 1\}/u,
    );
  });

  test("a second signal ends it at once with 1", async () => {
    const service = await started(holding, ["--shutdown-timeout", "10m"]);
    expect(await send(service)).toBe(200);
    service.signal("SIGTERM");
    await service.waitFor("Starting shutdown...");
    service.signal("SIGTERM");
    expect(await service.exited()).toBe(1);
    expect(service.stderr).not.toContain("Shutdown complete.");
  });
});

describe("a start that fails", () => {
  /** A port that is taken, until the returned function is called. */
  const takePort = async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    return { port, free: () => server.close() };
  };

  test("ends the process with 1, although other listeners were open already", async () => {
    const { port, free } = await takePort();
    const config = `${smallConfig}extensions:\n  health_check: { endpoint: "127.0.0.1:0" }\n`
      .replace("service:", "service:\n  extensions: [health_check]")
      .replace("http:", `grpc: { endpoint: "127.0.0.1:0" }, http:`)
      .replace(`http: { endpoint: "127.0.0.1:0"`, `http: { endpoint: "127.0.0.1:${port}"`);
    const service = ServiceProcess.spawn(config);
    expect(await service.exited()).toBe(1);
    free();
    expect(service.stderr).toContain(
      `Error: cannot start "otlp" receiver: cannot listen on 127.0.0.1:${port} for receiver "otlp": the address is already in use.`,
    );
    expect(service.stderr).not.toContain(ready);
  });

  test("a taken port of the service's own metrics is said with what moves it", async () => {
    const { port, free } = await takePort();
    const pull = `readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: ${port} } } } }]`;
    const service = ServiceProcess.spawn(smallConfig.replace("level: none", pull));
    expect(await service.exited()).toBe(1);
    free();
    expect(service.stderr).toContain(
      `cannot listen on 127.0.0.1:${port} for the service's own metrics`,
    );
    expect(service.stderr).toContain("service::telemetry::metrics::readers");
  });

  test("a mistake in the configuration is printed once, and no log line with it", async () => {
    const service = ServiceProcess.spawn(smallConfig.replace("[nop]", "[nopp]"));
    expect(await service.exited()).toBe(1);
    expect(service.stderr).toMatch(/^Error: invalid configuration: service::pipelines::metrics: /u);
    expect(service.stderr.match(/nopp/gu)).toHaveLength(2);
  });
});

describe("SIGHUP", () => {
  test("takes the new configuration and keeps what did not change", async () => {
    const service = await started(smallConfig);
    const address = service.address("receiver otlp", "http");
    writeFileSync(
      service.configPath,
      smallConfig
        .replace("  nop:\n", "  debug: { verbosity: detailed }\n")
        .replace("[nop]", "[debug]"),
    );
    service.signal("SIGHUP");
    await service.waitFor("Reloaded the configuration.");
    expect(await send(service)).toBe(200);
    expect(service.address("receiver otlp", "http")).toBe(address);
    expect(await service.stop()).toBe(0);
    expect(service.stderr).toContain("NumberDataPoints #0");
  });

  test("says what listens newly, and that service::telemetry waits for the next start", async () => {
    const service = await started(smallConfig);
    const changed = smallConfig
      .replace("protocols: {", `protocols: { grpc: { endpoint: "127.0.0.1:0" },`)
      .replace("level: none", "level: basic, readers: [{ periodic: { exporter: { console: } } }]");
    writeFileSync(service.configPath, changed);
    service.signal("SIGHUP");
    await service.waitFor("Changes of service::telemetry take effect at the next start.");
    await service.waitFor("Reloaded the configuration.");
    expect(service.stderr).toMatch(
      /Listening\.\t\{"kind": "receiver", "id": "otlp", "addresses": "127\.0\.0\.1:\d+"\}/u,
    );
    expect(await service.stop()).toBe(0);
  });

  test("an invalid configuration changes nothing and is explained", async () => {
    const service = await started(smallConfig);
    writeFileSync(service.configPath, smallConfig.replace("[nop]", "[nopp]"));
    service.signal("SIGHUP");
    await service.waitFor("The new configuration was not taken; the old one keeps running.");
    await service.waitFor(
      `\ninvalid configuration: service::pipelines::metrics: references exporter "nopp" which is not configured\n  at `,
    );
    expect(await send(service)).toBe(200);
    expect(await service.stop()).toBe(0);
  });
});

test("logs as JSON, with the fields of the configuration", async () => {
  const logs = `{ logs: { encoding: json, initial_fields: { region: eu } }, metrics: { level: none } }`;
  const service = await started(smallConfig.replace("{ metrics: { level: none } }", logs));
  expect(await service.stop()).toBe(0);
  const lines = service.stderr.split("\n").filter((line) => line.startsWith("{"));
  const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(entries.map(({ msg }) => msg)).toContain(ready);
  for (const entry of entries) expect(entry).toMatchObject({ level: "info", region: "eu" });
});

test("service::telemetry::logs::level leaves out what is less important", async () => {
  const logs = `{ logs: { level: error }, metrics: { level: none } }`;
  const service = ServiceProcess.spawn(smallConfig.replace("{ metrics: { level: none } }", logs));
  running.add(service);
  await service.waitFor("Pipelines:");
  expect(await service.stop()).toBe(0);
  expect(service.stderr).not.toContain("\tinfo\t");
});
