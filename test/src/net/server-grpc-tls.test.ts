/** TLS, mutual TLS, exchanged certificates and unix sockets of the gRPC server. */
import { copyFileSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { Client, credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { serverTls } from "../../../src/config/fragments/tls.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  type GrpcJsAnswer,
  grpcJsCall,
  grpcJsClient,
  startGrpcServer,
  type TestServer,
} from "../../support/grpc-server.ts";

const pemPath = (name: string) => join(__dirname, "../../testdata/tls-server", name);
const pem = (name: string) => readFileSync(pemPath(name));
const own = { cert_file: pemPath("server.pem"), key_file: pemPath("server.key") };
const hello = Buffer.from("hello");
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  tls: Record<string, unknown>,
  options: Parameters<typeof startGrpcServer>[0] = {},
): Promise<TestServer> {
  const spec = { tls: serverTls.parse(tls) };
  const server = await startGrpcServer({ ...options, spec });
  closers.push(() => server.close());
  return server;
}

function client({ port }: TestServer, channel: ReturnType<typeof credentials.createSsl>): Client {
  const made = new Client(`localhost:${port}`, channel, { "grpc.use_local_subchannel_pool": 1 });
  closers.push(() => made.close());
  return made;
}

const trusting = () => credentials.createSsl(pem("ca.pem"));
const known = (name: string) =>
  credentials.createSsl(pem("ca.pem"), pem(`${name}.key`), pem(`${name}.pem`));

/** A handshake on its own: resolves with the socket, rejects with the reason. */
function handshake({ port }: TestServer, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      port,
      host: "localhost",
      ca: pem("ca.pem"),
      ALPNProtocols: ["h2"],
      ...options,
    });
    closers.push(() => socket.destroy());
    socket.once("secureConnect", () => resolve(socket));
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}

const nameOf = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;

describe("TLS", () => {
  test("serves a foreign client that trusts the CA", async () => {
    const server = await start(own);
    expect((await grpcJsCall(client(server, trusting()), hello)).error).toBeNull();
  });

  test("is not served in clear text", async () => {
    const server = await start(own);
    const plain = grpcJsClient(`127.0.0.1:${server.port}`);
    closers.push(() => plain.close());
    const { error } = await grpcJsCall(plain, hello, { deadline: Date.now() + 1000 });
    expect([4, 14]).toContain(error?.code);
    expect(server.bodies).toEqual([]);
  });

  test("by default begins at 1.2", async () => {
    const server = await start(own);
    await expect(
      handshake(server, {
        minVersion: "TLSv1.1",
        maxVersion: "TLSv1.1",
        // OpenSSL would not even offer it.
        ciphers: "DEFAULT@SECLEVEL=0",
      }),
    ).rejects.toThrow(/alert/u);
    const socket = await handshake(server, { maxVersion: "TLSv1.2" });
    expect(socket.getProtocol()).toBe("TLSv1.2");
  });

  test("min_version 1.3 refuses 1.2", async () => {
    const server = await start({ ...own, min_version: "1.3" });
    await expect(handshake(server, { maxVersion: "TLSv1.2" })).rejects.toThrow(/alert/u);
    expect((await handshake(server)).getProtocol()).toBe("TLSv1.3");
  });

  test("max_version 1.2 and cipher_suites bind", async () => {
    const suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";
    const server = await start({ ...own, max_version: "1.2", cipher_suites: [suite] });
    const socket = await handshake(server);
    expect(socket.getProtocol()).toBe("TLSv1.2");
    expect(socket.getCipher().name).toBe("ECDHE-ECDSA-AES256-GCM-SHA384");
  });

  test("a client that speaks another protocol gets no connection", async () => {
    const server = await start(own);
    await expect(handshake(server, { ALPNProtocols: ["http/1.1"] })).rejects.toThrow(/alert/u);
  });

  test("a handshake that does not end is cut off when the server closes", async () => {
    const server = await start(own);
    const socket = connectTcp(server.port, "127.0.0.1");
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.write(Buffer.from([0x16, 3, 1]));
    expect((await grpcJsCall(client(server, trusting()), hello)).error).toBeNull();
    const ended = new Promise((resolve) => socket.once("close", resolve));
    await server.close();
    await ended;
  });

  test.each([
    [
      { ...own, cert_file: "/no/such" },
      "failed to load TLS config: cannot read cert_file /no/such",
    ],
    [
      { ...own, client_ca_file: "/no/ca" },
      "failed to load TLS config: cannot read client_ca_file /no/ca",
    ],
    [{ ...own, key_file: pemPath("renewed.key") }, "failed to load TLS config"],
    [{ ...own, key_file: pemPath("server.pem") }, "failed to load TLS config"],
    [{ ...own, cipher_suites: ["NO_SUCH"] }, "failed to load TLS config"],
    [{ ...own, client_ca_file: "/dev/null" }, "no PEM data in client_ca_file /dev/null"],
  ])("what cannot be used stops the start: %j", async (tls, message) => {
    await expect(start(tls)).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(message),
    });
  });
});

describe("mutual TLS", () => {
  const mutual = { ...own, client_ca_file: pemPath("ca.pem") };

  test("serves a client whose certificate the CA has signed", async () => {
    const server = await start(mutual);
    expect((await grpcJsCall(client(server, known("client")), hello)).error).toBeNull();
  });

  test.each([
    ["without a certificate", trusting],
    ["with a certificate of another CA", () => known("stranger")],
  ])("refuses one %s", async (_name, channel) => {
    const server = await start(mutual);
    const { error } = await grpcJsCall(client(server, channel()), hello);
    expect(error?.code).toBe(14);
    expect(server.bodies).toEqual([]);
    expect((await grpcJsCall(client(server, known("client")), hello)).error).toBeNull();
  });
});

describe("exchanged files", () => {
  function files() {
    const directory = mkdtempSync(join(tmpdir(), "tls-"));
    const at = (name: string) => join(directory, name);
    copyFileSync(pemPath("server.pem"), at("cert"));
    copyFileSync(pemPath("server.key"), at("key"));
    copyFileSync(pemPath("ca.pem"), at("ca"));
    return { at, tls: { cert_file: at("cert"), key_file: at("key") } };
  }

  test("reload_interval: new connections get the new certificate, old ones go on", async () => {
    const clock = new FakeClock();
    const { at, tls } = files();
    const server = await start({ ...tls, reload_interval: "10s" }, { clock });
    const old = client(server, trusting());
    expect((await grpcJsCall(old, hello)).error).toBeNull();
    expect(nameOf(await handshake(server))).toBe("first");
    copyFileSync(pemPath("renewed.pem"), at("cert"));
    copyFileSync(pemPath("renewed.key"), at("key"));
    expect(nameOf(await handshake(server))).toBe("first");
    await clock.advance(10_000);
    expect(nameOf(await handshake(server))).toBe("second");
    expect((await grpcJsCall(old, hello)).error).toBeNull();
    expect((await grpcJsCall(client(server, trusting()), hello)).error).toBeNull();
  });

  test("files that do not fit together leave the old certificate in use", async () => {
    const clock = new FakeClock();
    const { at, tls } = files();
    const lines: string[] = [];
    const log: Logger = { ...silentLogger, error: (message) => void lines.push(message) };
    const server = await start({ ...tls, reload_interval: "10s" }, { clock, log });
    copyFileSync(pemPath("renewed.pem"), at("cert"));
    await clock.advance(10_000);
    expect(lines).toEqual(["Cannot read the TLS files again; the old ones stay in use."]);
    expect(nameOf(await handshake(server))).toBe("first");
    writeFileSync(at("cert"), "");
    await clock.advance(10_000);
    expect(lines).toHaveLength(2);
    expect(nameOf(await handshake(server))).toBe("first");
  });

  test("client_ca_file_reload: who is trusted changes with the file", async () => {
    const { at, tls } = files();
    const server = await start({ ...tls, client_ca_file: at("ca"), client_ca_file_reload: true });
    expect((await grpcJsCall(client(server, known("stranger")), hello)).error?.code).toBe(14);
    copyFileSync(pemPath("other-ca.pem"), at("ca"));
    utimesSync(at("ca"), new Date(), new Date(Date.now() + 5000));
    // The file is looked at every second.
    let error: GrpcJsAnswer["error"];
    do ({ error } = await grpcJsCall(client(server, known("stranger")), hello));
    while (error !== null);
    expect((await grpcJsCall(client(server, known("client")), hello)).error?.code).toBe(14);
  });
});
