import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { clientTls } from "../../../src/config/fragments/tls.ts";
import { ClientTls } from "../../../src/net/client-tls.ts";

const pemPath = (name: string) => join(__dirname, "../../testdata/tls-client", name);
const certFile = process.env["SSL_CERT_FILE"];

afterEach(() => {
  if (certFile === undefined) delete process.env["SSL_CERT_FILE"];
  else process.env["SSL_CERT_FILE"] = certFile;
});

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

test("the system's trust store is SSL_CERT_FILE where it is set", () => {
  const tls = new ClientTls(clientTls.parse({}));
  const usual = tls.options().secureContext;
  process.env["SSL_CERT_FILE"] = pemPath("ca.pem");
  expect(tls.options().secureContext).not.toBe(usual);
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
