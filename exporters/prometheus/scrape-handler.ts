import { finished } from "node:stream/promises";
import { createGzip, constants as zlibConstants } from "node:zlib";
import {
  acceptsGzip,
  contentTypeOf,
  type Format,
  negotiate,
} from "../../src/prometheus/negotiate.ts";
import type { HttpExchange, HttpHandler } from "../../src/transport.ts";
import type { ChunkSink, Scraper } from "./scrape.ts";

/** Pages in memory at a time; a page of 100,000 lines has 12 MB. */
const maxScrapes = 8;
/** Larger pages are written in pieces, so that none of their copies is as large. */
const maxWholeBytes = 1024 * 1024;

/** GET and HEAD /metrics. */
export function scrapeHandler(scraper: Scraper, openMetrics: boolean): HttpHandler {
  let running = 0;
  return async (exchange) => {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") {
      return exchange.respond(405, { allow: "GET, HEAD", ...plainText }, "Method Not Allowed\n");
    }
    const format = negotiate(header(exchange, "accept"), { openMetrics });
    const gzip = acceptsGzip(header(exchange, "accept-encoding"));
    const headers = {
      "content-type": contentTypeOf(format),
      vary: "accept, accept-encoding",
      ...(gzip ? { "content-encoding": "gzip" } : {}),
    };
    // Not respond: it would tell the length of no body.
    if (exchange.method === "HEAD") return exchange.stream(200, headers).end();
    if (running >= maxScrapes) {
      const wait = { "retry-after": "1", ...plainText };
      return exchange.respond(
        503,
        wait,
        "Limit of concurrent requests reached, try again later.\n",
      );
    }
    running++;
    try {
      await answer(exchange, headers, await page(scraper, format, gzip, exchange.aborted));
    } catch (error) {
      if (!exchange.aborted.aborted) throw error;
    } finally {
      running--;
    }
  };
}

const plainText = { "content-type": "text/plain; charset=utf-8" };

/** All values of a header, as one list. */
function header(exchange: HttpExchange, name: string): string | undefined {
  return exchange.headers.get(name)?.join(",");
}

/** The page is complete before the first byte is sent: a slow client must not hold up the snapshot. */
async function page(
  scraper: Scraper,
  format: Format,
  gzip: boolean,
  abort: AbortSignal,
): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  if (!gzip) {
    await scraper.write(format, (chunk) => chunks.push(chunk), abort);
    return chunks;
  }
  const packer = new Gzip();
  try {
    await scraper.write(format, packer.add, abort);
    return await packer.end();
  } finally {
    packer.close();
  }
}

/**
 * gzip in the thread pool, while the rest of the page is written; level 1, as level 6 costs six times as much for a
 * tenth less. What it makes of a chunk fits into one buffer: for each further one it waits for the event loop.
 */
class Gzip {
  readonly #stream = createGzip({ level: zlibConstants.Z_BEST_SPEED, chunkSize: 256 * 1024 });
  readonly #chunks: Buffer[] = [];

  constructor() {
    this.#stream.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
  }

  readonly add: ChunkSink = (chunk) => void this.#stream.write(chunk);

  async end(): Promise<Buffer[]> {
    this.#stream.end();
    await finished(this.#stream);
    return this.#chunks;
  }

  close(): void {
    this.#stream.destroy();
  }
}

async function answer(
  exchange: HttpExchange,
  headers: Readonly<Record<string, string>>,
  chunks: readonly Buffer[],
): Promise<void> {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (length <= maxWholeBytes) return exchange.respond(200, headers, Buffer.concat(chunks));
  const body = exchange.stream(200, { ...headers, "content-length": String(length) });
  for (const chunk of chunks) await body.write(chunk);
  body.end();
}
