/** Who listens where: shared endpoints, addresses, what stands in the way, and what is left behind. */
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import type { ComponentId } from "../../../src/component.ts";
import { Secret } from "../../../src/config/fields.ts";
import { serverTls } from "../../../src/config/fragments/tls.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import { Listeners, parseEndpoint } from "../../../src/net/listeners.ts";
import type { GrpcServerSpec, Listener, UnaryHandler, UnaryReply } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { portOf } from "../../support/grpc-backend.ts";
import {
  eventually,
  grpcJsCall,
  grpcJsClient,
  keepalive,
  path,
  success,
} from "../../support/grpc-server.ts";
import { testBudget } from "../../support/settings.ts";

const first: ComponentId = { kind: "receiver", type: "otlp", text: "otlp" };
const second: ComponentId = { kind: "receiver", type: "otlp", text: "otlp/2" };
const pemPath = (name: string) => join(__dirname, "../../testdata/tls-server", name);
const never = new AbortController().signal;
const aborted = AbortSignal.abort();

let warnings: string[];
let clock: FakeClock;
let listeners: Listeners;
const closers: (() => unknown)[] = [];

beforeEach(() => {
  warnings = [];
  clock = new FakeClock();
  const log: Logger = { ...silentLogger, warn: (message) => void warnings.push(message) };
  listeners = new Listeners({ clock, log, budget: testBudget() });
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function spec(
  endpoint: string,
  more: Partial<GrpcServerSpec> = {},
  handlers: Readonly<Record<string, UnaryHandler>> = { [path]: () => Promise.resolve(success) },
): GrpcServerSpec {
  return {
    kind: "grpc",
    endpoint,
    transport: "tcp",
    maxMessageBytes: 1000,
    maxConcurrentStreams: 0,
    keepalive,
    methods: new Map(Object.entries(handlers)),
    ...more,
  };
}

async function listen(owner: ComponentId, wanted: GrpcServerSpec): Promise<Listener> {
  const listener = await listeners.listen(owner, wanted);
  closers.push(() => listener.close(aborted));
  return listener;
}

async function codeOf(address: string, method = path): Promise<number | undefined> {
  const client = grpcJsClient(address);
  const { error } = await grpcJsCall(client, Buffer.from("x"), { method });
  client.close();
  return error === null ? 0 : error.code;
}

/** Takes a port. */
async function occupy(host: string, port = 0): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => resolve());
  });
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return portOf(server);
}

const canConnect = (port: number, host: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => socket.destroy());
    socket.once("close", (hadError) => resolve(!hadError));
    socket.on("error", () => {});
  });

async function freePort(): Promise<number> {
  const port = await occupy("127.0.0.1");
  await closers.pop()!();
  return port;
}

describe("endpoints", () => {
  test.each([
    ["localhost:4317", { host: "localhost", port: 4317 }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
    ["[::1]:80", { host: "::1", port: 80 }],
    [":4317", { host: "", port: 4317 }],
    ["[]:1", { host: "", port: 1 }],
  ])("%s", (endpoint, parsed) => {
    expect(parseEndpoint(endpoint)).toEqual(parsed);
  });

  test.each([
    ["localhost", "address localhost: missing port in address"],
    ["localhost:", "lookup tcp/: unknown port"],
    ["::1:4317", "address ::1:4317: too many colons in address"],
    ["localhost:65536", "address 65536: invalid port"],
    ["a:b", "lookup tcp/b: unknown port"],
    ["a:-1", "lookup tcp/-1: unknown port"],
    ["", "address : missing port in address"],
    ["a:1 ", "lookup tcp/1 : unknown port"],
  ])("%j is none", async (endpoint, cause) => {
    await expect(listeners.listen(first, spec(endpoint))).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `cannot listen on "${endpoint}": ${cause}`,
    });
    expect(clock.pending).toBe(0);
  });

  test("localhost means both loopback addresses, with one port", async () => {
    const { addresses } = await listen(first, spec("localhost:0"));
    const port = addresses[0]!.split(":")[1];
    expect(addresses).toEqual([`127.0.0.1:${port}`, `[::1]:${port}`]);
    for (const address of addresses) expect(await codeOf(address)).toBe(0);
    expect(warnings).toEqual([]);
  });

  test.each([
    ["tcp4", "localhost:0", ["127.0.0.1"]],
    ["tcp6", "localhost:0", ["::1"]],
    ["tcp4", ":0", ["127.0.0.1"]],
    ["tcp6", ":0", ["::1"]],
    ["tcp", ":0", ["127.0.0.1", "::1"]],
    ["tcp", "0.0.0.0:0", ["127.0.0.1"]],
  ] as const)("%s %s listens on %j", async (transport, endpoint, hosts) => {
    const { addresses } = await listen(first, spec(endpoint, { transport }));
    const port = Number(addresses[0]!.split(":").at(-1));
    for (const host of ["127.0.0.1", "::1"]) {
      expect(await canConnect(port, host)).toBe((hosts as readonly string[]).includes(host));
    }
  });

  test.each([":0", "0.0.0.0:0", "[::]:0"])(
    "%s is open to every network, with a warning",
    async (endpoint) => {
      await listen(first, spec(endpoint));
      expect(warnings).toEqual([
        expect.stringMatching(
          /^Using the (0\.0\.0\.0|::) address exposes this server to every network interface/u,
        ),
      ]);
    },
  );

  test("two of port 0 are two servers", async () => {
    const a = await listen(first, spec("127.0.0.1:0"));
    const b = await listen(second, spec("127.0.0.1:0"));
    expect(a.addresses).not.toEqual(b.addresses);
  });
});

describe("what stands in the way", () => {
  test("a taken port is ADDRESS_IN_USE and names the component", async () => {
    const port = await occupy("127.0.0.1");
    await expect(listeners.listen(first, spec(`127.0.0.1:${port}`))).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
      message: expect.stringContaining(
        `cannot listen on 127.0.0.1:${port} for receiver "otlp": the address is already in use`,
      ),
    });
    expect(clock.pending).toBe(0);
  });

  test("of localhost one taken address is enough, and the other one is free again", async () => {
    const port = await occupy("::1");
    await expect(listeners.listen(first, spec(`localhost:${port}`))).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
    });
    expect(await canConnect(port, "127.0.0.1")).toBe(false);
    expect(clock.pending).toBe(0);
  });

  test("an address of another machine is LISTEN_FAILED", async () => {
    await expect(listeners.listen(first, spec("192.0.2.1:4317"))).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining('cannot listen on 192.0.2.1:4317 for receiver "otlp": '),
    });
  });

  test("after a failure the same endpoint can be tried again", async () => {
    const port = await occupy("127.0.0.1");
    const wanted = spec(`127.0.0.1:${port}`);
    await expect(listeners.listen(first, wanted)).rejects.toThrow("in use");
    await closers.pop()!();
    const { addresses } = await listen(first, wanted);
    expect(await codeOf(addresses[0]!)).toBe(0);
  });
});

describe("sharing", () => {
  const other = "/test.Other/Method";
  const handlers = { [other]: () => Promise.resolve(success) };

  test("two components with distinct paths share one server", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const [a, b] = await Promise.all([
      listen(first, spec(endpoint)),
      listen(second, spec(endpoint, {}, handlers)),
    ]);
    expect(a.addresses).toEqual(b.addresses);
    expect(await codeOf(endpoint)).toBe(0);
    expect(await codeOf(endpoint, other)).toBe(0);
    await a.close(never);
    expect(await codeOf(endpoint)).toBe(12);
    expect(await codeOf(endpoint, other)).toBe(0);
    await b.close(never);
    expect(await canConnect(Number(endpoint.split(":")[1]), "127.0.0.1")).toBe(false);
  });

  test("one component may serve twice, and end one of them", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    await listen(first, spec(endpoint));
    const b = await listen(first, spec(endpoint, {}, handlers));
    await b.close(never);
    expect(await codeOf(endpoint)).toBe(0);
    expect(await codeOf(endpoint, other)).toBe(12);
  });

  const authenticate = () => Promise.resolve();
  const otherCertificate = {
    cert_pem: new Secret(readFileSync(pemPath("server.pem"), "utf8")),
    key_pem: new Secret(readFileSync(pemPath("server.key"), "utf8")),
  };
  test.each<[string, Partial<GrpcServerSpec>]>([
    ["a limit", { maxMessageBytes: 1 }],
    ["the keepalive", { keepalive: { ...keepalive, timeMs: 1 } }],
    ["an authenticator", { authenticate }],
    ["TLS", { tls: otherCertificate }],
  ])("another server setting (%s) is a mistake of the configuration", async (_name, more) => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    await listen(first, spec(endpoint));
    const wanted = spec(endpoint, more, handlers);
    await expect(listeners.listen(second, wanted)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `cannot listen on ${endpoint}: receiver otlp listens there with other server settings`,
    });
    expect(await codeOf(endpoint)).toBe(0);
  });

  test("another certificate is another server, the same one is not", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const tls = (name: string) =>
      serverTls.parse({
        cert_pem: readFileSync(pemPath(`${name}.pem`), "utf8"),
        key_pem: readFileSync(pemPath(`${name}.key`), "utf8"),
      });
    await listen(first, spec(endpoint, { tls: tls("server") }));
    await listen(first, spec(endpoint, { tls: tls("server") }, handlers));
    const wanted = spec(endpoint, { tls: tls("renewed") }, { "/a/b": handlers[other] });
    await expect(listeners.listen(second, wanted)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
    });
  });

  test("the same path twice is a mistake of the configuration", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    await listen(first, spec(endpoint));
    await expect(listeners.listen(second, spec(endpoint))).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: `cannot serve ${path} on ${endpoint}: receiver otlp serves it already`,
    });
  });

  test("who leaves waits for its own calls only", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const waiting: ((reply: UnaryReply) => void)[] = [];
    const slow = () => new Promise<UnaryReply>((resolve) => void waiting.push(resolve));
    const a = await listen(first, spec(endpoint, {}, { [path]: slow }));
    await listen(second, spec(endpoint, {}, { [other]: slow }));
    const [mine, theirs] = [codeOf(endpoint), codeOf(endpoint, other)];
    await eventually(() => waiting.length === 2);
    let isClosed = false;
    const closed = a.close(never).then(() => (isClosed = true));
    await clock.advance(10_000);
    expect(isClosed).toBe(false);
    waiting[0]!(success);
    waiting[1]!(success);
    await closed;
    expect([await mine, await theirs]).toEqual([0, 0]);
  });

  test("the signal cuts the calls of who leaves, and no others", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const waiting = new Map<string, (reply: UnaryReply) => void>();
    const slow: UnaryHandler = (call) =>
      new Promise((resolve) => void waiting.set(call.path, resolve));
    const a = await listen(first, spec(endpoint, {}, { [path]: slow }));
    await listen(second, spec(endpoint, {}, { [other]: slow }));
    const [mine, theirs] = [codeOf(endpoint), codeOf(endpoint, other)];
    await eventually(() => waiting.size === 2);
    await a.close(aborted);
    expect(await mine).toBe(1);
    waiting.get(other)!(success);
    expect(await theirs).toBe(0);
  });

  test("who comes while the last one leaves gets a server of its own", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const waiting: ((reply: UnaryReply) => void)[] = [];
    const slow = () => new Promise<UnaryReply>((resolve) => void waiting.push(resolve));
    const a = await listen(first, spec(endpoint, {}, { [path]: slow }));
    const running = codeOf(endpoint);
    await eventually(() => waiting.length === 1);
    const closed = a.close(never);
    await listen(first, spec(endpoint));
    expect(await codeOf(endpoint)).toBe(0);
    waiting[0]!(success);
    expect(await running).toBe(0);
    await closed;
    expect(await codeOf(endpoint)).toBe(0);
  });

  test("who comes in the moment in which the last one leaves, too", async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    const a = await listen(first, spec(endpoint));
    const joining = listen(second, spec(endpoint));
    await a.close(never);
    await joining;
    expect(await codeOf(endpoint)).toBe(0);
  });
});

describe("unix sockets", () => {
  const at = () => join(mkdtempSync(join(tmpdir(), "listen-")), "socket");
  const unix = (file: string) => spec(file, { transport: "unix" });

  test("serve, and leave no file", async () => {
    const file = at();
    const listener = await listen(first, unix(file));
    expect(listener.addresses).toEqual([file]);
    expect(await codeOf(`unix:${file}`)).toBe(0);
    await listener.close(never);
    expect(existsSync(file)).toBe(false);
  });

  test("what a killed process left behind is taken over", async () => {
    const file = at();
    const script = `require("node:net").createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, "SIGKILL"))`;
    const { spawnSync } = await import("node:child_process");
    expect(spawnSync(process.execPath, ["-e", script]).signal).toBe("SIGKILL");
    expect(statSync(file).isSocket()).toBe(true);
    await listen(first, unix(file));
    expect(await codeOf(`unix:${file}`)).toBe(0);
  });

  test("a socket on which somebody listens is ADDRESS_IN_USE", async () => {
    const file = at();
    await listen(first, unix(file));
    const others = new Listeners({ clock, log: silentLogger, budget: testBudget() });
    await expect(others.listen(second, unix(file))).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
    });
    expect(await codeOf(`unix:${file}`)).toBe(0);
  });

  test("a file that is no socket stays as it is", async () => {
    const file = at();
    writeFileSync(file, "precious");
    await expect(listeners.listen(first, unix(file))).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
    });
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  test("a directory that does not exist is LISTEN_FAILED", async () => {
    await expect(listeners.listen(first, unix("/no/such/socket"))).rejects.toMatchObject({
      code: "LISTEN_FAILED",
    });
  });
});
