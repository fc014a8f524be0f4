/** TLS and mutual TLS of the HTTP server. */
import { copyFileSync, mkdtempSync, readFileSync, utimesSync } from "node:fs";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, test } from "@jest/globals";
import { serverTls } from "../../../src/config/fragments/tls.ts";
import {
  type HttpServerOptions,
  type RunningHttpServer,
  startHttpServer,
} from "../../support/http-server.ts";

const pemPath = (name: string) => join(__dirname, "../../testdata/tls-server", name);
const pem = (name: string) => readFileSync(pemPath(name));
const own = { cert_file: pemPath("server.pem"), key_file: pemPath("server.key") };
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  tls: Record<string, unknown>,
  options: HttpServerOptions = {},
): Promise<RunningHttpServer> {
  const server = await startHttpServer({
    ...options,
    spec: { ...options.spec, tls: serverTls.parse(tls) },
  });
  closers.push(() => server.close());
  return server;
}

/** POSTs over a connection of its own; the certificate's serial number comes along. */
function post(
  { port }: RunningHttpServer,
  body: string,
  options: Record<string, unknown> = {},
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { port, host: "localhost", method: "POST", ca: pem("ca.pem"), agent: false, ...options },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

const identity = (name: string) => ({ cert: pem(`${name}.pem`), key: pem(`${name}.key`) });

test("serves over TLS 1.2 and 1.3, and nothing older", async () => {
  const server = await start(own);
  for (const version of ["TLSv1.2", "TLSv1.3"])
    expect(await post(server, "hello", { minVersion: version, maxVersion: version })).toEqual({
      status: 200,
      text: "hello",
    });
  await expect(post(server, "x", { minVersion: "TLSv1", maxVersion: "TLSv1.1" })).rejects.toThrow(
    /protocol|version/i,
  );
  expect(server.budget.usedBytes).toBe(0);
});

describe("mutual TLS", () => {
  const mutual = { ...own, client_ca_file: pemPath("ca.pem") };

  test("a client with a certificate of the CA is served", async () => {
    const server = await start(mutual);
    expect(await post(server, "hello", identity("client"))).toEqual({ status: 200, text: "hello" });
  });

  test.each([
    ["no certificate", {}],
    ["a stranger's", identity("stranger")],
  ])("%s: the handshake fails, others are served", async (_name, options) => {
    const server = await start(mutual);
    await expect(post(server, "x", options)).rejects.toThrow(
      /certificate|alert|ECONNRESET|hang up/i,
    );
    expect((await post(server, "y", identity("client"))).status).toBe(200);
  });
});

test("clear text to a TLS port ends the connection", async () => {
  const server = await start(own);
  const client = await server.connect();
  client.post("clear");
  await client.closed;
  expect((await post(server, "y")).status).toBe(200);
});

test("a client that stops amid the handshake does not outlive the server", async () => {
  const server = await start(own);
  const socket = connectTcp(server.port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(Buffer.from("1603010100", "hex"));
  await new Promise((resolve) => setImmediate(resolve));
  await server.server.close(AbortSignal.abort());
  socket.resume();
  await gone;
  expect(socket.destroyed).toBe(true);
});

test("a renewed certificate is used for new connections, without a restart", async () => {
  const directory = mkdtempSync(join(tmpdir(), "rmt-tls-"));
  const files = { cert_file: join(directory, "cert.pem"), key_file: join(directory, "key.pem") };
  copyFileSync(pemPath("server.pem"), files.cert_file);
  copyFileSync(pemPath("server.key"), files.key_file);
  const server = await start({ ...files, reload_interval: "10s" });
  const before = await serialOf(server);
  copyFileSync(pemPath("renewed.pem"), files.cert_file);
  copyFileSync(pemPath("renewed.key"), files.key_file);
  const later = new Date(Date.now() + 10_000);
  utimesSync(files.cert_file, later, later);
  await server.clock.advance(10_000);
  expect(await serialOf(server)).not.toBe(before);
  expect((await post(server, "y")).status).toBe(200);
});

function serialOf({ port }: RunningHttpServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: "localhost", ca: pem("ca.pem") }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
