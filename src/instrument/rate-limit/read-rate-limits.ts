/**
 * What a response says of rate limits, by the headers in use:
 *
 *     X-RateLimit-Limit: 100    X-RateLimit-Remaining: 40
 *     RateLimit-Limit: 100      RateLimit-Remaining: 40                (draft-ietf-httpapi-ratelimit-headers 3 to 6)
 *     RateLimit: limit=100, remaining=40, reset=5                      (draft 7)
 *     RateLimit: "a";r=40;t=5   RateLimit-Policy: "a";q=100;w=60       (draft 8 and later; lists)
 */

export interface RateLimitReading {
  readonly policy: string;
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
}

/** Only draft 8 names policies. */
const unnamed = "default";
/** Characters of one header that are read: a quote without its end is looked for anew from each quote in it. */
const maxLength = 2048;

const field = /^(x-)?ratelimit(-limit|-remaining|-policy)?:[ \t]*(.*)$/gimu;
/** One member of a list (RFC 9651): its text in quotes or bare, then its parameters. */
const member =
  /(?:"((?:[^"\\]|\\.)*)"|([^",;\s]+))((?:\s*;\s*[a-z*][\w.*-]*(?:=(?:"(?:[^"\\]|\\.)*"|[^",;\s]*))?)*)/gu;

const quotaParameter = /;\s*q=(-?\d+)/u;
const remainingParameter = /;\s*r=(-?\d+)/u;
const limitMember = /\blimit=(-?\d+)/u;
const remainingMember = /\bremaining=(-?\d+)/u;

/** Of a response's head as it was sent. More than one way of saying it is one reading: the newest is taken. */
export function readRateLimits(head: string): RateLimitReading[] {
  const fields = new Map<string, string>();
  for (const [, x = "", suffix = "", value = ""] of head.matchAll(field)) {
    const name = `${x}${suffix}`.toLowerCase();
    const before = fields.get(name);
    const whole = before === undefined ? value : `${before}, ${value}`;
    fields.set(name, whole.slice(0, maxLength));
  }
  const current = fields.get("");
  if (current === undefined) return pair(fields, "") ?? pair(fields, "x-") ?? [];
  const isDictionary = /^\s*(?:limit|remaining|reset)=/iu.test(current);
  return isDictionary ? [dictionary(current)] : list(current, fields.get("-policy") ?? "");
}

function pair(fields: ReadonlyMap<string, string>, x: string): RateLimitReading[] | undefined {
  const limit = fields.get(`${x}-limit`);
  const remaining = fields.get(`${x}-remaining`);
  if (limit === undefined && remaining === undefined) return undefined;
  return [{ policy: unnamed, limit: numberOf(limit), remaining: numberOf(remaining) }];
}

function dictionary(value: string): RateLimitReading {
  const limit = numberOf(limitMember.exec(value)?.[1]);
  return { policy: unnamed, limit, remaining: numberOf(remainingMember.exec(value)?.[1]) };
}

function list(current: string, policies: string): RateLimitReading[] {
  const quotas = new Map(members(policies, quotaParameter));
  return members(current, remainingParameter).map(([policy, remaining]) => ({
    policy,
    limit: quotas.get(policy),
    remaining,
  }));
}

/** Each member with one of its parameters. */
function members(text: string, parameter: RegExp): [name: string, value: number | undefined][] {
  return [...text.matchAll(member)].map(([, quoted, bare, parameters = ""]) => [
    quoted?.replaceAll(/\\(.)/gu, "$1") ?? bare ?? "",
    numberOf(parameter.exec(parameters)?.[1]),
  ]);
}

/** The number in front: drafts 3 to 5 write policies behind the limit. */
function numberOf(text: string | undefined): number | undefined {
  const number = Number.parseFloat(text ?? "");
  return Number.isFinite(number) ? number : undefined;
}
