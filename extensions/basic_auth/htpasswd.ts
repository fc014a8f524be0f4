/**
 * htpasswd entries, `name:secret` a line:
 *
 *     $2a$, $2b$, $2y$ (bcrypt)     $apr1$<salt>$<digest>     $1$<salt>$<digest>     {SHA}<base64 of SHA-1>
 *     {SSHA}<base64 of SHA-1 and salt>     plain text, with nginx' {PLAIN} or without
 *
 * Other formats of crypt(3) are refused by name: taken as plain text, as a format that is not known would be, their
 * hash itself would be the password.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { TelemetryError } from "../../src/errors.ts";
import { inSlices, loopSlicer } from "../../src/pdata/json/slices.ts";
import { bcryptDigest } from "./bcrypt.ts";
import { md5CryptDigest } from "./md5-crypt.ts";

type Matcher = (password: Buffer) => boolean | Promise<boolean>;

const unsupported: readonly (readonly [prefix: RegExp, name: string])[] = [
  [/^\$2x?\$/u, "an early bcrypt"],
  [/^\$5\$/u, "SHA-256 crypt (htpasswd -2)"],
  [/^\$6\$/u, "SHA-512 crypt (htpasswd -5)"],
  [/^\$(?:y|7|gy|argon2\w*|scrypt)\$/u, "a modern crypt hash"],
];

export class Htpasswd {
  readonly #matchers = new Map<string, Matcher>();
  /** Of the last right password of a name, so that slow formats cost once and not a request; keyed, never plain. */
  readonly #proven = new Map<string, Buffer>();
  readonly #key = randomBytes(32);

  /** Throws CONFIG_INVALID for a format that cannot be checked; of equal names the last counts. */
  constructor(text: string) {
    for (const [index, raw] of text.split("\n").entries()) {
      const line = raw.trim();
      if (line === "" || line.startsWith("#")) continue;
      const colon = line.indexOf(":");
      if (colon < 1) throw invalid(index, "an entry is name:password");
      const name = line.slice(0, colon);
      this.#matchers.set(name, matcherOf(name, line.slice(colon + 1), index));
    }
  }

  get size(): number {
    return this.#matchers.size;
  }

  /**
   * In constant time for passwords of the same name; who does not exist costs as much as a plain one.
   * Rejects with UNAUTHENTICATED when too many slow checks wait.
   */
  async isValid(name: string, password: string): Promise<boolean> {
    const digest = createHmac("sha256", this.#key).update(password).digest();
    const proven = this.#proven.get(name);
    if (proven !== undefined && timingSafeEqual(proven, digest)) return true;
    if ((await this.#matchers.get(name)?.(Buffer.from(password))) !== true) return false;
    this.#proven.set(name, digest);
    return true;
  }
}

function matcherOf(name: string, secret: string, index: number): Matcher {
  for (const [prefix, format] of unsupported) {
    if (!prefix.test(secret)) continue;
    const others = "use bcrypt (htpasswd -B), $apr1$, {SSHA} or {SHA}";
    throw invalid(index, `the password of ${JSON.stringify(name)} is ${format}: ${others}`);
  }
  if (secret.startsWith("{SHA}")) return sha1Matcher(secret.slice(5), index, 20, 20);
  if (secret.startsWith("{SSHA}")) return sha1Matcher(secret.slice(6), index, 21, 128);
  if (secret.startsWith("$2")) return bcryptMatcher(name, secret, index);
  const md5 = /^(\$(?:apr1|1)\$)([^$]{0,8})[^$]*\$(.*)$/u.exec(secret);
  if (md5 !== null) {
    const [, magic, salt, digest] = md5 as unknown as [string, string, string, string];
    return (password) => isEqual(md5CryptDigest(password, magic, salt), digest);
  }
  if (/^\$(?:apr1|1)\$/u.test(secret)) throw invalid(index, "malformed MD5 hash");
  const bare = secret.startsWith("{PLAIN}") ? secret.slice("{PLAIN}".length) : secret;
  return (password) => isEqual(password, secret) || isEqual(password, bare);
}

function sha1Matcher(base64: string, index: number, least: number, most: number): Matcher {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length < least || bytes.length > most) throw invalid(index, "malformed {SHA} hash");
  const [expected, salt] = [bytes.subarray(0, 20), bytes.subarray(20)];
  return (password) =>
    timingSafeEqual(createHash("sha1").update(password).update(salt).digest(), expected);
}

/** A cost above takes a second of the process for each wrong password. */
const maxCost = 14;
/** Slow checks wait for one another: guesses must not take all of the process. */
const maxWaiting = 64;
const tooMany = "too many passwords are being checked; try again later";
let waiting = 0;
let lastCheck: Promise<unknown> = Promise.resolve();

function bcryptMatcher(name: string, secret: string, index: number): Matcher {
  const match = /^\$2[aby]\$(\d\d)\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/u.exec(secret);
  if (match === null) throw invalid(index, "malformed bcrypt hash");
  const [, costText, salt, digest] = match as unknown as [string, string, string, string];
  const cost = Number(costText);
  if (cost < 4 || cost > maxCost) {
    const what = `the password of ${JSON.stringify(name)} is bcrypt of cost ${cost}`;
    throw invalid(index, `${what}: from 4 to ${maxCost} is supported`);
  }
  return async (password) => {
    if (waiting >= maxWaiting) throw new TelemetryError("UNAUTHENTICATED", tooMany);
    waiting++;
    const before = lastCheck;
    const check = before.then(() => inSlices(bcryptDigest(password, salt, cost), loopSlicer));
    lastCheck = Promise.allSettled([check]);
    try {
      return isEqual(await check, digest);
    } finally {
      waiting--;
    }
  };
}

/** Digests have one length, whatever the texts' are. */
function isEqual(a: string | Buffer, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}

const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest();

const invalid = (index: number, cause: string) =>
  new TelemetryError("CONFIG_INVALID", `cannot read htpasswd line ${index + 1}: ${cause}`);
