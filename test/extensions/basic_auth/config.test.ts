import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { factory } from "../../../extensions/basic_auth/factory.ts";
import { silentLogger } from "../../../src/log.ts";
import type { ClientAuthenticator } from "../../../src/net/client-metadata.ts";
import type { Authenticate } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";

/** Upstream's own cases: contrib extension/basicauthextension/testdata/config.yaml. */
const file = join(
  __dirname,
  "../../testdata/collector/component-config/basicauthextension/config.yaml",
);
const cases = z.record(z.string(), z.unknown()).parse(parse(readFileSync(file, "utf8")));

const messagesOf = (input: unknown) =>
  factory.config.safeParse(input ?? {}).error?.issues.map(({ message }) => message);

describe("upstream's cases", () => {
  test.each([
    ["basicauth", ["no credential source provided"]],
    ["basicauth/client", undefined],
    ["basicauth/server", undefined],
    ["basicauth/both", ["only one of `htpasswd` or `client_auth` can be specified"]],
  ])("%s says %j", (id, messages) => {
    expect(messagesOf(cases[id])).toEqual(messages);
  });
});

test("an htpasswd without a source is no credential source", () => {
  expect(messagesOf({ htpasswd: {} })).toEqual(["no credential source provided"]);
});

const directory = mkdtempSync(join(tmpdir(), "rmt-basic-auth-"));
afterAll(() => rmSync(directory, { recursive: true }));

const offersOf = (keys: unknown) =>
  factory.create({ config: factory.config.parse(keys), settings: testSettings() }).offers;

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

function check(keys: unknown): (header?: string) => Promise<void> {
  const { authenticate } = offersOf(keys) as { authenticate: Authenticate };
  return (header) =>
    authenticate(new Map(header === undefined ? [] : [["authorization", [header]]]));
}

describe("the server's side, in the Collector's words", () => {
  const authenticate = check(cases["basicauth/server"]);
  test("valid credentials", async () => {
    await expect(authenticate(basic("username1:password1"))).resolves.toBeUndefined();
    const lower = basic("username2:password2").replace("Basic", "basic");
    await expect(authenticate(lower)).resolves.toBeUndefined();
  });
  test.each([
    [undefined, "no basic auth provided"],
    ["Bearer abc", "invalid authorization scheme prefix"],
    ["Basic $$$", "invalid authorization format"],
    ["Basic ", "invalid authorization format"],
    [
      `Basic  ${Buffer.from("username1:password1").toString("base64")}`,
      "invalid authorization format",
    ],
    [
      `Basic ${Buffer.from("username1:pass").toString("base64url")}`,
      "invalid authorization format",
    ],
    [basic("username1"), "invalid authorization format"],
    [basic("username1:password2"), "invalid credentials"],
    [basic(":"), "invalid credentials"],
    [basic("__proto__:x"), "invalid credentials"],
  ])("%s: %s", async (header, message) => {
    await expect(authenticate(header)).rejects.toMatchObject({ code: "UNAUTHENTICATED", message });
  });
});

test("file and inline are one list, inline counting more", async () => {
  const path = join(directory, "htpasswd");
  writeFileSync(path, "a:from-file\nb:from-file\n");
  const authenticate = check({ htpasswd: { file: path, inline: "b:inline" } });
  await authenticate(basic("a:from-file"));
  await authenticate(basic("b:inline"));
  await expect(authenticate(basic("b:from-file"))).rejects.toThrow("invalid credentials");
});

test("a file that is not there, or a format that cannot be checked, stops the start", () => {
  const path = join(directory, "none");
  expect(() => offersOf({ htpasswd: { file: path } })).toThrow(
    `cannot read htpasswd file ${path}: ENOENT`,
  );
  expect(() => offersOf({ htpasswd: { inline: "a:$6$salt$x" } })).toThrow("SHA-512");
});

test("a file that changes is read again; while it is broken its entries stay", async () => {
  const path = join(directory, "changing");
  writeFileSync(path, "a:old\n");
  const clock = new FakeClock();
  const said: string[] = [];
  const say = (message: string) => void said.push(message);
  const settings = testSettings({ clock, log: { ...silentLogger, info: say, error: say } });
  const config = factory.config.parse({ htpasswd: { file: path, inline: "ci:inline" } });
  const extension = factory.create({ config, settings });
  const { authenticate } = extension.offers as { authenticate: Authenticate };
  const isValid = (credentials: string) =>
    authenticate(new Map([["authorization", [basic(credentials)]]])).then(
      () => true,
      () => false,
    );
  await extension.start?.();
  expect(await isValid("a:old")).toBe(true);
  writeFileSync(path, "a:new\n");
  await clock.advance(1000);
  expect([await isValid("a:old"), await isValid("a:new")]).toEqual([false, true]);
  expect(await isValid("ci:inline")).toBe(true);
  writeFileSync(path, "a:$6$salt$x\n");
  await clock.advance(3000);
  expect(await isValid("a:new")).toBe(true);
  expect(said).toEqual([
    "htpasswd entries were read again",
    "the htpasswd entries stay as they were",
  ]);
  await extension.shutdown?.(AbortSignal.abort());
  writeFileSync(path, "a:late\n");
  await clock.advance(3000);
  expect(await isValid("a:late")).toBe(false);
});

test("the client's side sends its credentials, read anew from files", async () => {
  const plain = offersOf(cases["basicauth/client"]) as ClientAuthenticator;
  expect(await plain.requestMetadata()).toEqual({ authorization: basic("username:password") });
  const path = join(directory, "password");
  writeFileSync(path, "first\n");
  const keys = { client_auth: { username: "me", password: "ignored", password_file: path } };
  const client = offersOf(keys) as ClientAuthenticator;
  expect(await client.requestMetadata()).toEqual({ authorization: basic("me:first") });
  writeFileSync(path, "second\n");
  expect(await client.requestMetadata()).toEqual({ authorization: basic("me:second") });
});

test("secrets are not shown", () => {
  const shown = JSON.stringify(factory.config.parse(cases["basicauth/server"]));
  expect(shown).not.toContain("password1");
});
