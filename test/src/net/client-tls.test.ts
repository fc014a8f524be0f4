import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { clientTls } from "../../../src/config/fragments/tls.ts";
import { ClientTls } from "../../../src/net/client-tls.ts";
import { clientTlsOptions } from "../../../src/net/tls.ts";
import { withEnvironment } from "../../support/environment.ts";

const pemPath = (name: string) => join(__dirname, "../../testdata/tls-client", name);
test("the secure context is shared until a file changes", () => {
  const file = join(mkdtempSync(join(tmpdir(), "tls-")), "ca.pem");
  copyFileSync(pemPath("ca.pem"), file);
  const tls = new ClientTls(clientTls.parse({ ca_file: file }));
  const { secureContext } = tls.options();
  expect(secureContext).toBeDefined();
  expect(tls.options().secureContext).toBe(secureContext);
  writeFileSync(file, readFileSync(pemPath("server.pem")));
  expect(tls.options().secureContext).not.toBe(secureContext);
});

describe("the system's trust store", () => {
  const ca = readFileSync(pemPath("ca.pem"), "utf8");
  const server = readFileSync(pemPath("server.pem"), "utf8");
  const store = (file: string | undefined, directories: string | undefined, config = {}) =>
    withEnvironment({ SSL_CERT_FILE: file, SSL_CERT_DIR: directories }, () => {
      const { ca: found } = clientTlsOptions(clientTls.parse(config));
      return Array.isArray(found) ? found : [];
    });

  /** A directory as distributions have it: certificates beside keys and folders. */
  function directory(...names: string[]): string {
    const path = mkdtempSync(join(tmpdir(), "certs-"));
    for (const name of [...names, "server.key"]) copyFileSync(pemPath(name), join(path, name));
    mkdirSync(join(path, "folder"));
    return path;
  }

  test("is not empty without any of the variables", async () => {
    expect((await store(undefined, undefined)).length).toBeGreaterThan(0);
  });

  test("SSL_CERT_FILE and SSL_CERT_DIR together are all of it", async () => {
    expect(await store(pemPath("ca.pem"), directory("server.pem"))).toEqual([ca, server]);
    const two = `${directory("server.pem")}:${directory("ca.pem")}:`;
    expect(await store(pemPath("ca.pem"), two)).toEqual([ca, server]);
  });

  test("one of them leaves the usual place of the other", async () => {
    const usual = await store(undefined, undefined);
    expect(await store(pemPath("ca.pem"), undefined)).toEqual([ca, ...usual]);
    expect(await store(undefined, directory("ca.pem"))).toEqual([ca, ...usual]);
  });

  test("takes part only where no CA is configured, or beside it", async () => {
    const own = { ca_file: pemPath("server.pem") };
    expect(await store(pemPath("ca.pem"), directory(), own)).toEqual([server]);
    const beside = { ...own, include_system_ca_certs_pool: true };
    expect(await store(pemPath("ca.pem"), directory(), beside)).toEqual([server, ca]);
  });

  test("what is named and cannot be read is an error", async () => {
    await expect(store("/no/such.pem", undefined)).rejects.toThrow(
      "cannot read SSL_CERT_FILE /no/such.pem",
    );
    await expect(store(undefined, "/no/such")).rejects.toThrow("cannot read SSL_CERT_DIR /no/such");
  });
});

test.each([
  [{ ca_file: "/no/such" }, "cannot read ca_file /no/such"],
  [
    { cert_file: pemPath("server.pem"), key_file: pemPath("server.pem") },
    "failed to load TLS config: ",
  ],
  [{ cipher_suites: ["NO_SUCH"] }, "failed to load TLS config: "],
])("what cannot be used is CONFIG_INVALID: %j", (config, message) => {
  const make = () => new ClientTls(clientTls.parse(config)).options();
  expect(make).toThrow(message);
  expect(make).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});
