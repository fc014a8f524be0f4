import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { bcryptDigest } from "../../../extensions/basic_auth/bcrypt.ts";
import { Htpasswd } from "../../../extensions/basic_auth/htpasswd.ts";
import { md5CryptDigest } from "../../../extensions/basic_auth/md5-crypt.ts";
import { runSteps } from "../../../src/pdata/json/slices.ts";

/** Made with `openssl passwd -apr1`. */
const apr1Cases = [
  ["", "Zq9./abc", "knAZcQLN9FOnim2NYU6q31"],
  ["", "x", "tMwYqBfQwi3FYAr0aJc8M/"],
  ["a", "Zq9./abc", "Z7086Puwj7ZM8en2F0KTS/"],
  ["secret", "Zq9./abc", "n/pNjHu87WHTHVNxL6F5l1"],
  ["secret", "x", "12YdXEY0/hH4rDNkmZupO0"],
  ["0123456789abcdef", "Zq9./abc", ".SsXTxMOnXow1RgRglMdy0"],
  ["0123456789abcdefX", "x", "xJMchkHCSwpWuV5saCgUv1"],
  ["a much longer password than sixteen bytes ü", "Zq9./abc", "Rb7BWOIF.64cQYjkrZXco/"],
] as const;

test.each(apr1Cases)("apr1 of %j with salt %s", (password, salt, digest) => {
  expect(md5CryptDigest(Buffer.from(password), "$apr1$", salt)).toBe(digest);
});

/** Made with libxcrypt's crypt(3). */
test.each([
  ["", 4, "byCG3zY1GIXMyxfivm.ClDiInHzxjiq"],
  ["secret", 5, "OQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"],
  ["a", 5, "8.veTXNDPV2eEsdpKNczMw2otgh5LnK"],
  ["ü".repeat(10), 6, "t5DQFeyttjcBqmBDdMe12l73LCdTEby"],
  // Cut after 72 bytes.
  ["x".repeat(80), 4, "bzadhGtS2zEF.gu0yd0opP6cVzb.e0i"],
])("bcrypt of %j with cost %i", (password, cost, digest) => {
  const steps = bcryptDigest(Buffer.from(password), "abcdefghijklmnopqrstuu", cost);
  expect(runSteps(steps)).toBe(digest);
});

const sha = createHash("sha1").update("secret").digest("base64");
const salted = Buffer.concat([
  createHash("sha1").update("secret").update("salt").digest(),
  Buffer.from("salt"),
]).toString("base64");

describe("a right password passes and a wrong one does not", () => {
  test.each([
    ["plain text", "secret"],
    ["SHA-1", `{SHA}${sha}`],
    ["salted SHA-1", `{SSHA}${salted}`],
    ["plain text as nginx writes it", "{PLAIN}secret"],
    ["MD5 of Unix (openssl passwd -1)", "$1$Zq9./abc$Kz.jEqbgieoCF1gqvggsN."],
    ["apr1", "$apr1$Zq9./abc$n/pNjHu87WHTHVNxL6F5l1"],
    ["bcrypt", "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"],
  ])("%s", async (_, secret) => {
    const known = new Htpasswd(`other:x\nname:${secret}\n`);
    expect(await known.isValid("name", "secret")).toBe(true);
    expect(await known.isValid("name", "Secret")).toBe(false);
    // Remembered from the first time, for this name only.
    expect(await known.isValid("name", "secret")).toBe(true);
    expect(await known.isValid("other", "secret")).toBe(false);
    expect(await known.isValid("nobody", "secret")).toBe(false);
    expect(await known.isValid("name", "")).toBe(false);
  });
});

test("comments and empty lines are passed over, a colon may stand in a password, the last entry counts", async () => {
  const known = new Htpasswd("# users\r\n\r\na:first\r\na:with:colon\r\n");
  expect(known.size).toBe(1);
  expect(await known.isValid("a", "with:colon")).toBe(true);
  expect(await known.isValid("a", "first")).toBe(false);
});

describe("what cannot be checked is refused by name, not taken as plain text", () => {
  test.each([
    ["$2x$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "an early bcrypt"],
    ["$5$salt$x", "SHA-256 crypt (htpasswd -2)"],
    ["$6$salt$x", "SHA-512 crypt (htpasswd -5)"],
    ["$y$j9T$x", "a modern crypt hash"],
  ])("%s", (secret, format) => {
    expect(() => new Htpasswd(`ok:x\nname:${secret}`)).toThrow(
      `cannot read htpasswd line 2: the password of "name" is ${format}: use bcrypt (htpasswd -B), $apr1$, {SSHA} or {SHA}`,
    );
  });
  test.each(["{SHA}abc", "{SSHA}", "$apr1$nothing", "$1$x", "$2y$05$short"])(
    "malformed %s",
    (secret) => {
      expect(() => new Htpasswd(`name:${secret}`)).toThrow(
        "cannot read htpasswd line 1: malformed",
      );
    },
  );
  test("bcrypt that costs too much", () => {
    const hash = "abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
    expect(() => new Htpasswd(`name:$2y$15$${hash}`)).toThrow(
      'cannot read htpasswd line 1: the password of "name" is bcrypt of cost 15: from 4 to 14 is supported',
    );
  });
  test.each(["name", ":password"])("no entry: %j", (line) => {
    expect(() => new Htpasswd(line)).toThrow(
      "cannot read htpasswd line 1: an entry is name:password",
    );
  });
});

test("slow checks wait for one another, and only so many do", async () => {
  const known = new Htpasswd("name:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a");
  const guesses = Array.from({ length: 100 }, (_, i) => known.isValid("name", `guess ${i}`));
  const results = await Promise.allSettled(guesses);
  const refused = results.filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(36);
  expect(refused[0]).toMatchObject({ reason: { code: "UNAUTHENTICATED" } });
  expect(results.every((result) => result.status === "rejected" || !result.value)).toBe(true);
  expect(await known.isValid("name", "secret")).toBe(true);
});
