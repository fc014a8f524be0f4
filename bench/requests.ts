/**
 * Prepared requests of the load generator. Numbers that must never repeat (`item_000000012`) get the number of the
 * request into their leading digits before each sending, points of a timed shape times that go on; compressed
 * requests repeat after `poolSize`.
 */
import { gzipSync } from "node:zlib";
import { countItems } from "../src/pdata/count.ts";
import type { Signal } from "../src/pdata/payload.ts";
import { customMetrics } from "./custom-metrics.ts";
import { framedPosition, prepareFrames } from "./grpc-client.ts";
import { prepareRequest } from "./http-client.ts";
import type { LoadOptions } from "./load.ts";
import { nowNs, shapes, startNs } from "./shapes.ts";

export interface PreparedRequest {
  readonly bytes: Buffer;
  readonly items: number;
  /** Positions of the leading digits of each number, `serialDigits` apiece. */
  readonly digits: Int32Array;
  /** Positions of the bytes of each point's start and time, 8 apiece. */
  readonly starts: Int32Array;
  readonly times: Int32Array;
}

const none = new Int32Array(0);
/** Between two requests, which may be of one series; and what a point covers. */
const stepNs = 1_000_000n;
const coveredNs = 1000n;

const serialDigits = 5;
const unique = /(?:item_|batch_|value-)(?=\d{9})/gu;

/** Writes the serial number of a request over the leading digits of its numbers. */
export function renew(request: PreparedRequest, serial: number): void {
  const { bytes, digits, starts, times } = request;
  const text = String(serial % 10 ** serialDigits).padStart(serialDigits, "0");
  for (let digit = 0; digit < serialDigits; digit++) {
    const code = text.charCodeAt(digit);
    for (let i = digit; i < digits.length; i += serialDigits) bytes[digits[i]!] = code;
  }
  if (times.length === 0) return;
  const time = nowNs + BigInt(serial) * stepNs;
  write(bytes, times, time);
  write(bytes, starts, time - coveredNs);
}

function write(bytes: Buffer, positions: Int32Array, time: bigint): void {
  const encoded = fixed64(time);
  for (let i = 0; i < positions.length; i++) bytes[positions[i]!] = encoded[i % 8]!;
}

function fixed64(value: bigint): Buffer {
  const encoded = Buffer.alloc(8);
  encoded.writeBigUInt64LE(value);
  return encoded;
}

export const signalOf = (options: LoadOptions): Signal =>
  options.protocol === "custom" ? "metrics" : shapes[options.shape].signal;

export function prepare(options: LoadOptions, index: number): PreparedRequest {
  if (options.protocol === "custom") return prepareCustom(options, index);
  const { signal, make } = shapes[options.shape];
  const message = Buffer.from(make(index, options.size, options.resources));
  const items = countItems(signal, message);
  const gzip = options.compression === "gzip";
  const body = gzip ? gzipSync(message, { level: 6 }) : message;
  const positions = gzip ? [] : digitPositions(message);
  const shape = shapes[options.shape];
  const timed = "timed" in shape && !gzip ? shape.timed : undefined;
  const starts = timed === "delta" ? positionsOf(message, fixed64(startNs)) : [];
  const times = timed === undefined ? [] : positionsOf(message, fixed64(nowNs));
  if (options.protocol === "grpc") {
    const prefix = Buffer.from([gzip ? 1 : 0, 0, 0, 0, 0]);
    prefix.writeUInt32BE(body.length, 1);
    const bytes = prepareFrames(Buffer.concat([prefix, body]));
    const placed = (all: number[]) => Int32Array.from(all, (at) => framedPosition(at + 5));
    return {
      bytes,
      items,
      digits: placed(positions),
      starts: placed(starts),
      times: placed(times),
    };
  }
  const head = { port: options.target, path: `/v1/${signal}`, gzip };
  const bytes = prepareRequest({ ...head, contentType: "application/x-protobuf" }, body);
  const headBytes = bytes.length - body.length;
  const placed = (all: number[]) => Int32Array.from(all, (at) => at + headBytes);
  return { bytes, items, digits: placed(positions), starts: placed(starts), times: placed(times) };
}

function prepareCustom(options: LoadOptions, index: number): PreparedRequest {
  const path = "/v1/metrics/custom";
  const head = { port: options.target, path, contentType: "application/json", gzip: false };
  const bytes = prepareRequest(head, Buffer.from(customMetrics(index, options.size)));
  return { bytes, items: options.size, digits: none, starts: none, times: none };
}

function digitPositions(message: Buffer): number[] {
  const positions: number[] = [];
  for (const match of message.toString("latin1").matchAll(unique)) {
    const first = match.index + match[0].length;
    for (let digit = 0; digit < serialDigits; digit++) positions.push(first + digit);
  }
  return positions;
}

/** Of each byte of each occurrence. */
function positionsOf(message: Buffer, pattern: Buffer): number[] {
  const positions: number[] = [];
  for (let at = message.indexOf(pattern); at >= 0; at = message.indexOf(pattern, at + 8)) {
    for (let i = 0; i < pattern.length; i++) positions.push(at + i);
  }
  return positions;
}
