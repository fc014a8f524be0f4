/**
 * Message framing under random bytes and chunkings: a call is answered with one message or with a status, never
 * crashes, never holds more than its limits, and gives everything back. On real connections, so that what
 * node:http2 makes of the chunks is part of it.
 *
 * Runs 2 seconds a property, a minute with NIGHTLY=1. A failure prints the seed and the smallest input.
 */
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  array,
  assert,
  asyncProperty,
  boolean,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  option,
  property,
  tuple,
  uint8Array,
} from "fast-check";
import { TelemetryError } from "../../src/errors.ts";
import { decodeFrame, encodePrefix, messageLength, prefixBytes } from "../../src/net/grpc-frame.ts";
import { encodeFramedSnappy } from "../../src/net/snappy-framed.ts";
import type { UnaryCall } from "../../src/transport.ts";
import {
  eventually,
  framed,
  H2Client,
  path,
  startGrpcServer,
  success,
  type TestServer,
} from "../support/grpc-server.ts";
import {
  encodeFrame,
  endStream,
  frameType,
  grpcHeaders,
  openFrame,
  RawH2,
} from "../support/h2-raw.ts";

const isNightly = process.env["NIGHTLY"] === "1";
const budgetMs = isNightly ? 60_000 : 2000;
const parameters = {
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: budgetMs,
  markInterruptAsFailure: false,
  ...(isNightly ? {} : { seed: 1 }),
};
const timeoutMs = budgetMs + 30_000;

const maxMessageBytes = 4096;
const budgetBytes = 1 << 20;
let server: TestServer;
let client: H2Client;
let calls = 0;
/** Bodies that reached the handler, by call. */
const arrived = new Map<string, Buffer[]>();

function handler({ metadata, body: bytes }: UnaryCall) {
  const id = metadata.get("x-call")?.[0] ?? "";
  arrived.set(id, [...(arrived.get(id) ?? []), Buffer.from(bytes)]);
  return Promise.resolve(success);
}

beforeAll(async () => {
  server = await startGrpcServer({ budgetBytes, handler, spec: { maxMessageBytes } });
  client = new H2Client(server.port);
});
afterAll(async () => {
  client.close();
  await server.close();
});

/** Cuts bytes at the given places. */
function chunked(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted(
    (a, b) => a - b,
  );
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
}

const body = uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
const compressors: Readonly<Record<string, (bytes: Buffer) => Uint8Array>> = {
  gzip: gzipSync,
  deflate: deflateSync,
  zstd: zstdCompressSync,
  snappy: (bytes) => encodeFramedSnappy([bytes]),
};
const encoding = constantFrom(...Object.keys(compressors));
const cuts = array(nat(500), { maxLength: 6 });

/** One call; afterwards nothing is reserved. */
async function answerTo(
  chunks: readonly Buffer[],
  headers: Record<string, string> = {},
): Promise<{ code: number | undefined; bodies: readonly Buffer[] }> {
  if (client.session.destroyed) client = new H2Client(server.port);
  // The last call of a property may still run when the next one begins.
  const id = String(calls++);
  const { code } = await client.call(chunks, { ...headers, "x-call": id });
  await eventually(() => server.budget.usedBytes === 0);
  const bodies = arrived.get(id) ?? [];
  arrived.delete(id);
  for (const { length } of bodies) expect(length).toBeLessThanOrEqual(maxMessageBytes);
  return { code, bodies };
}

test(
  "a message in any pieces arrives whole",
  async () => {
    await assert(
      asyncProperty(body, cuts, option(encoding), async (message, places, coding) => {
        const sent = coding === null ? framed(message) : framed(compressors[coding]!(message), 1);
        const headers = coding === null ? {} : { "grpc-encoding": coding };
        const { code, bodies } = await answerTo(chunked(sent, places), headers);
        expect(code).toBe(0);
        expect(bodies).toEqual([message]);
      }),
      parameters,
    );
  },
  timeoutMs,
);

/** What the bytes mean by the specification, read in another way than the server does. */
function meaning(bytes: Buffer): number | undefined {
  if (bytes.length < 5 || bytes[0]! > 1) return undefined;
  return bytes.readUInt32BE(1) === bytes.length - 5 ? bytes[0] : undefined;
}

const noise = oneof(
  uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  tuple(body, nat(255), nat(255)).map(([message, at, value]) => {
    const bytes = framed(message);
    bytes[at % bytes.length] = value;
    return bytes;
  }),
  tuple(body, body).map(([a, b]) => Buffer.concat([framed(a), framed(b)])),
  tuple(body, nat(200)).map(([message, end]) => framed(message).subarray(0, end)),
);

test(
  "any other bytes get a status",
  async () => {
    await assert(
      asyncProperty(noise, cuts, async (bytes, places) => {
        const { code, bodies } = await answerTo(chunked(bytes, places));
        const isMessage = meaning(bytes) === 0;
        if (isMessage) expect(code).toBe(0);
        else expect([8, 13]).toContain(code);
        expect(bodies).toHaveLength(isMessage ? 1 : 0);
      }),
      parameters,
    );
  },
  timeoutMs,
);

const mutated = tuple(body, encoding, array(tuple(nat(1000), nat(255)), { maxLength: 4 })).map(
  ([message, coding, changes]) => {
    const bytes = Buffer.from(compressors[coding]!(message));
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    return { bytes, coding };
  },
);

test(
  "mutated compressed messages get a status, or what they decode to",
  async () => {
    await assert(
      asyncProperty(mutated, async ({ bytes, coding }) => {
        const { code } = await answerTo([framed(bytes, 1)], { "grpc-encoding": coding });
        expect([0, 8, 13]).toContain(code);
      }),
      parameters,
    );
  },
  timeoutMs,
);

/** Frames of a connection that obeys nobody. */
const frame = oneof(
  constant(undefined),
  tuple<[number, number, number, Uint8Array]>(
    nat(11),
    nat(255),
    nat(9),
    uint8Array({ maxLength: 40 }),
  ),
  tuple<[number, number, number, Uint8Array]>(
    constant(frameType.data),
    constantFrom(0, endStream),
    constantFrom(1, 3, 5),
    uint8Array({ maxLength: 40 }),
  ),
);

test(
  "random HTTP/2 frames end a connection at most, never the server",
  async () => {
    await assert(
      asyncProperty(array(frame, { maxLength: 20 }), async (frames) => {
        const raw = await RawH2.open(server.port);
        let stream = -1;
        for (const one of frames) {
          if (one === undefined) raw.send(openFrame((stream += 2), grpcHeaders(path)));
          else raw.send(encodeFrame(...one));
        }
        raw.socket.end();
        await raw.closed();
        raw.destroy();
        const { code } = await answerTo([framed("good")]);
        expect(code).toBe(0);
      }),
      parameters,
    );
  },
  timeoutMs,
);

test("decodeFrame gives one message or throws MALFORMED_DATA", () => {
  assert(
    property(noise, (bytes) => {
      const flag = meaning(bytes);
      if (flag === undefined) {
        expect(() => decodeFrame(bytes)).toThrow(TelemetryError);
        return;
      }
      const { compressed, body: message } = decodeFrame(bytes);
      expect(compressed).toBe(flag === 1);
      expect(Buffer.from(message)).toEqual(bytes.subarray(5));
    }),
    { ...parameters, interruptAfterTimeLimit: budgetMs / 4 },
  );
});

test("encodePrefix is read back, for every length of 32 bits", () => {
  assert(
    property(integer({ min: 0, max: 2 ** 32 - 1 }), boolean(), (length, compressed) => {
      const prefix = encodePrefix(length, compressed);
      expect(prefix).toHaveLength(prefixBytes);
      expect(prefix[0]).toBe(compressed ? 1 : 0);
      expect(messageLength(prefix)).toBe(length);
    }),
    { ...parameters, interruptAfterTimeLimit: budgetMs / 4 },
  );
});
