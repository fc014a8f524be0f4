/**
 * Prepared requests of the load generator. Numbers that must never repeat (`item_000000012`) get the number of the
 * request into their leading digits before each sending; compressed requests repeat after `poolSize`.
 */
import { gzipSync } from "node:zlib";
import { countItems } from "../src/pdata/count.ts";
import type { Signal } from "../src/pdata/payload.ts";
import { customMetrics } from "./custom-metrics.ts";
import { framedPosition, prepareFrames } from "./grpc-client.ts";
import { prepareRequest } from "./http-client.ts";
import type { LoadOptions } from "./load.ts";
import { shapes } from "./shapes.ts";

export interface PreparedRequest {
  readonly bytes: Buffer;
  readonly items: number;
  /** Positions of the leading digits of each number, `serialDigits` apiece. */
  readonly digits: Int32Array;
}

const serialDigits = 5;
const unique = /(?:item_|batch_|value-)(?=\d{9})/gu;

/** Writes the serial number of a request over the leading digits of its numbers. */
export function renew({ bytes, digits }: PreparedRequest, serial: number): void {
  const text = String(serial % 10 ** serialDigits).padStart(serialDigits, "0");
  for (let digit = 0; digit < serialDigits; digit++) {
    const code = text.charCodeAt(digit);
    for (let i = digit; i < digits.length; i += serialDigits) bytes[digits[i]!] = code;
  }
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
  if (options.protocol === "grpc") {
    const prefix = Buffer.from([gzip ? 1 : 0, 0, 0, 0, 0]);
    prefix.writeUInt32BE(body.length, 1);
    const bytes = prepareFrames(Buffer.concat([prefix, body]));
    return { bytes, items, digits: Int32Array.from(positions, (at) => framedPosition(at + 5)) };
  }
  const head = { port: options.target, path: `/v1/${signal}`, gzip };
  const bytes = prepareRequest({ ...head, contentType: "application/x-protobuf" }, body);
  const headBytes = bytes.length - body.length;
  return { bytes, items, digits: Int32Array.from(positions, (at) => at + headBytes) };
}

function prepareCustom(options: LoadOptions, index: number): PreparedRequest {
  const path = "/v1/metrics/custom";
  const head = { port: options.target, path, contentType: "application/json", gzip: false };
  const bytes = prepareRequest(head, Buffer.from(customMetrics(index, options.size)));
  return { bytes, items: options.size, digits: new Int32Array(0) };
}

function digitPositions(message: Buffer): number[] {
  const positions: number[] = [];
  for (const match of message.toString("latin1").matchAll(unique)) {
    const first = match.index + match[0].length;
    for (let digit = 0; digit < serialDigits; digit++) positions.push(first + digit);
  }
  return positions;
}
