/** The header list of a request, checked as it is decoded (RFC 9113 section 8.2 and 8.3). */
import type { Field } from "./hpack.ts";

/** Between the values of a repeated field: no value may contain it. */
export const valueSeparator = "\0";

/** Lower-case names; the values of a repeated field are joined by `valueSeparator`, those of cookie by `; `. */
export type RequestHeaders = Readonly<Record<string, string>>;

const pseudoHeaders: ReadonlySet<string> = new Set([":method", ":scheme", ":path", ":authority"]);
/** They belong to HTTP/1.1's connections. */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
const nameToken = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/u;
// oxlint-disable-next-line no-control-regex -- these are what a value must not contain
const badValue = /[\0\r\n]|^[ \t]|[ \t]$/u;

/** Names and values that were found good; a connection's fields repeat. */
const goodFields = new WeakSet<Field>();

export class HeaderCollector {
  readonly headers: Record<string, string> = Object.create(null) as Record<string, string>;
  readonly #limitBytes: number;
  #bytes = 0;
  #sawRegular = false;
  #isMalformed = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get isTooLarge(): boolean {
    return this.#bytes > this.#limitBytes;
  }

  /** Nothing is kept beyond the limit; the block is decoded on, for the sake of the table. */
  readonly add = (field: Field): void => {
    this.#bytes += field.bytes;
    if (this.isTooLarge || this.#isMalformed) return;
    if (!goodFields.has(field)) {
      if (!isGood(field)) return this.#reject();
      goodFields.add(field);
    }
    const { name, value } = field;
    const before = this.headers[name];
    if (name.charCodeAt(0) === colon) {
      if (this.#sawRegular || before !== undefined) return this.#reject();
    } else this.#sawRegular = true;
    this.headers[name] =
      before === undefined
        ? value
        : `${before}${name === "cookie" ? "; " : valueSeparator}${value}`;
  };

  /** Whether it is a request; CONNECT is none that this server knows. */
  isRequest(): boolean {
    const { headers } = this;
    return (
      !this.#isMalformed &&
      headers[":method"] !== undefined &&
      headers[":scheme"] !== undefined &&
      headers[":path"] !== undefined &&
      headers[":path"] !== ""
    );
  }

  /** Whether the fields may follow a body. */
  isTrailers(): boolean {
    return !this.#isMalformed && !Object.keys(this.headers).some((name) => name.startsWith(":"));
  }

  #reject(): void {
    this.#isMalformed = true;
  }
}

const colon = 58;

function isGood({ name, value }: Field): boolean {
  if (!nameToken.test(name) || badValue.test(value)) return false;
  if (name.startsWith(":")) return pseudoHeaders.has(name);
  if (name === "te") return value === "trailers";
  return !connectionHeaders.has(name);
}
