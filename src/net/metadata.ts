import type { IncomingHttpHeaders } from "node:http";
import type { Metadata } from "../transport.ts";
import { type RequestHeaders, valueSeparator } from "./http2/request-headers.ts";

/** Headers as metadata: lower-case names; pseudo headers are left out. */
export function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const metadata = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    metadata.set(name, Array.isArray(value) ? value : [value]);
  }
  return metadata;
}

export function metadataOfStream(headers: RequestHeaders): Metadata {
  const metadata = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(":")) metadata.set(name, value.split(valueSeparator));
  }
  return metadata;
}
