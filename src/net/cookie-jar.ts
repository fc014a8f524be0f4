/** Cookies of a backend (RFC 6265), enough for load balancers with sticky sessions; in memory only. */
import type { Clock } from "../clock.ts";

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  /** The domain attribute was given: subdomains match too. */
  readonly subdomains: boolean;
  readonly path: string;
  readonly secure: boolean;
  /** Wall clock milliseconds; undefined: as long as the service runs. */
  readonly expiresMs: number | undefined;
}

/** RFC 6265 section 6.1 asks for at least 50 cookies a domain of 4096 bytes. */
const maxCookies = 64;
const maxCookieBytes = 4096;

export class CookieJar {
  readonly #clock: Clock;
  readonly #cookies = new Map<string, Cookie>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the Set-Cookie headers of a response; what is malformed or foreign is ignored. */
  store(url: URL, setCookie: readonly string[]): void {
    for (const text of setCookie) {
      const cookie = text.length > maxCookieBytes ? undefined : this.#parse(url, text);
      if (cookie === undefined) continue;
      const key = `${cookie.domain}\n${cookie.path}\n${cookie.name}`;
      this.#cookies.delete(key);
      if (cookie.expiresMs !== undefined && cookie.expiresMs <= this.#clock.now()) continue;
      this.#cookies.set(key, cookie);
      const oldest = this.#cookies.keys().next();
      if (this.#cookies.size > maxCookies && !oldest.done) this.#cookies.delete(oldest.value);
    }
  }

  /** The Cookie header for a request; empty without cookies. */
  header(url: URL): string {
    const nowMs = this.#clock.now();
    const pairs: string[] = [];
    for (const [key, cookie] of this.#cookies) {
      if (cookie.expiresMs !== undefined && cookie.expiresMs <= nowMs) this.#cookies.delete(key);
      else if (applies(cookie, url)) pairs.push(`${cookie.name}=${cookie.value}`);
    }
    return pairs.join("; ");
  }

  #parse(url: URL, text: string): Cookie | undefined {
    const [pair = "", ...rest] = text.split(";");
    const equals = pair.indexOf("=");
    const name = pair.slice(0, Math.max(equals, 0)).trim();
    if (name === "") return undefined;
    const attributes = new Map(
      rest.map((part) => {
        const [key = "", ...value] = part.split("=");
        return [key.trim().toLowerCase(), value.join("=").trim()] as const;
      }),
    );
    const domain = (attributes.get("domain") ?? "").replace(/^\./u, "").toLowerCase();
    if (domain !== "" && !domainMatches(url.hostname, domain)) return undefined;
    const path = attributes.get("path") ?? "";
    return {
      name,
      value: pair.slice(equals + 1).trim(),
      domain: domain || url.hostname,
      subdomains: domain !== "",
      path: path.startsWith("/") ? path : url.pathname.replace(/\/[^/]*$/u, "") || "/",
      secure: attributes.has("secure"),
      expiresMs: this.#expiry(attributes),
    };
  }

  /** Max-Age wins over Expires (RFC 6265 section 5.3). */
  #expiry(attributes: ReadonlyMap<string, string>): number | undefined {
    const maxAge = attributes.get("max-age");
    if (maxAge !== undefined && /^-?\d+$/u.test(maxAge)) {
      return this.#clock.now() + Number(maxAge) * 1000;
    }
    const expires = Date.parse(attributes.get("expires") ?? "");
    return Number.isNaN(expires) ? undefined : expires;
  }
}

const domainMatches = (host: string, domain: string) =>
  host === domain || host.endsWith(`.${domain}`);

function applies(cookie: Cookie, url: URL): boolean {
  const host = url.hostname;
  if (cookie.subdomains ? !domainMatches(host, cookie.domain) : host !== cookie.domain)
    return false;
  if (cookie.secure && url.protocol !== "https:") return false;
  const { path } = cookie;
  return url.pathname === path || url.pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
}
