import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { factory } from "../../../extensions/bearer_token_auth/factory.ts";
import { silentLogger } from "../../../src/log.ts";
import type { ClientAuthenticator } from "../../../src/net/client-metadata.ts";
import type { Authenticate } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";

/** Upstream's own cases: contrib extension/bearertokenauthextension/testdata/config.yaml. */
const file = join(
  __dirname,
  "../../testdata/collector/component-config/bearertokenauthextension/config.yaml",
);
const cases = z.record(z.string(), z.unknown()).parse(parse(readFileSync(file, "utf8")));

const messagesOf = (input: unknown) =>
  factory.config.safeParse(input ?? {}).error?.issues.map(({ message }) => message);

describe("upstream's cases", () => {
  test.each([
    ["bearertokenauth", ["no bearer token provided"]],
    ["bearertokenauth/sometoken", undefined],
    ["bearertokenauth/withscheme", undefined],
    ["bearertokenauth/multipletokens", undefined],
    ["bearertokenauth/withfilename", undefined],
    ["bearertokenauth/both", undefined],
    ["bearertokenauth/withtokensandfilename", undefined],
    ["bearertokenauth/tokensandtoken", ["either tokens or token should be provided, not both"]],
    ["bearertokenauth/withheader", undefined],
  ])("%s says %j", (id, messages) => {
    expect(messagesOf(cases[id])).toEqual(messages);
  });
});

test.each([
  [{ tokens: ["a", ""] }, "an empty token would admit everybody"],
  [{ token: "a", header: "no header" }, "header must be the name of a header"],
])("%j is refused", (keys, message) => {
  expect(messagesOf(keys)).toEqual([message]);
});

test.each(["retry_on_failure", "wait_for_token_file"] as const)("%s is refused", (key) => {
  expect(z.globalRegistry.get(factory.config.shape[key])).toMatchObject({ effect: "refused" });
});

interface Offers extends ClientAuthenticator {
  readonly authenticate: Authenticate;
}

const create = (keys: unknown, options: Parameters<typeof testSettings>[0] = {}) => {
  const config = factory.config.parse(keys);
  const extension = factory.create({ config, settings: testSettings(options) });
  return { extension, offers: extension.offers as Offers };
};

const headers = (name: string, value: string) => new Map([[name, [value]]]);

describe("the server's side, in the Collector's words", () => {
  test.each([
    ["bearertokenauth/sometoken", "Authorization", "Bearer sometoken"],
    ["bearertokenauth/withscheme", "Authorization", "MyScheme my-token"],
    ["bearertokenauth/multipletokens", "Authorization", "Bearer thistokenalsoworks"],
    ["bearertokenauth/withheader", "X-Custom-Authorization", "my-token"],
  ])("%s takes %s: %s", async (id, header, value) => {
    const name = header.toLowerCase();
    // Servers keep the function alone.
    const { authenticate } = create(cases[id]).offers;
    await authenticate(headers(name, value));
    await expect(authenticate(headers(name, `${value}x`))).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: "provided authorization does not match expected scheme or token",
    });
    await expect(authenticate(new Map())).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
      message: `missing or empty authorization header: ${header}`,
    });
  });
});

test("the client sends the first token", async () => {
  const { offers } = create(cases["bearertokenauth/multipletokens"]);
  expect(await offers.requestMetadata()).toEqual({ authorization: "Bearer token1" });
});

const directory = mkdtempSync(join(tmpdir(), "rmt-bearer-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("a token file", () => {
  const path = join(directory, "tokens");
  const isValid = (offers: Offers, token: string) =>
    offers.authenticate(headers("authorization", `Bearer ${token}`)).then(
      () => true,
      () => false,
    );

  test("counts more than configured tokens, is read again when replaced, and keeps its tokens while it is broken", async () => {
    writeFileSync(path, "one\r\n two # the second\n\n");
    const clock = new FakeClock();
    const said: string[] = [];
    const say = (message: string) => void said.push(message);
    const log = { ...silentLogger, info: say, warn: say, error: say };
    const { extension, offers } = create({ filename: path, token: "ignored" }, { clock, log });
    expect(await isValid(offers, "one")).toBe(false);
    await extension.start?.();
    expect(said).toEqual(["a filename is specified. Configured token(s) is ignored!"]);
    expect(await isValid(offers, "one")).toBe(true);
    expect(await isValid(offers, "two")).toBe(true);
    expect(await isValid(offers, "ignored")).toBe(false);
    writeFileSync(`${path}.new`, "three");
    renameSync(`${path}.new`, path);
    await clock.advance(1000);
    expect(await isValid(offers, "three")).toBe(true);
    expect(await isValid(offers, "one")).toBe(false);
    expect(await offers.requestMetadata()).toEqual({ authorization: "Bearer three" });
    rmSync(path);
    await clock.advance(3000);
    expect(await isValid(offers, "three")).toBe(true);
    expect(said.slice(1)).toEqual([
      "bearer tokens were read again",
      "the bearer tokens stay as they were",
    ]);
    await extension.shutdown?.(AbortSignal.abort());
    writeFileSync(path, "four");
    await clock.advance(3000);
    expect(await isValid(offers, "four")).toBe(false);
  });

  test.each([
    ["none", undefined, "ENOENT"],
    ["empty", "\n \n", "there is no token in it"],
    ["large", "x".repeat(1024 * 1024 + 1), "it is larger than 1048576 bytes"],
  ])("%s stops the start", async (name, content, cause) => {
    const other = join(directory, name);
    if (content !== undefined) writeFileSync(other, content);
    const { extension } = create({ filename: other });
    const start = async () => extension.start?.();
    await expect(start()).rejects.toThrow(`cannot read token file ${other}: ${cause}`);
  });
});
