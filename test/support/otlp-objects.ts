/** Requests to and from plain OTLP/JSON objects, for tests that compare content. */

import { countItems } from "../../src/pdata/count.ts";
import { messageFromJson } from "../../src/pdata/json/decode.ts";
import { encodeJson } from "../../src/pdata/json/encode.ts";
import { requestMessages } from "../../src/pdata/otlp-schema.ts";
import { createPayload, type Payload, type Signal } from "../../src/pdata/payload.ts";

/** A payload of one request, given as OTLP/JSON. */
export function payloadOf<S extends Signal>(signal: S, request: unknown): Payload<S> {
  const bytes = messageFromJson(requestMessages[signal], Buffer.from(JSON.stringify(request)));
  return createPayload(signal, [bytes], [countItems(signal, bytes)]);
}

/** The request as OTLP/JSON; undefined stays. */
export function objectOf(payload: Payload | undefined): Record<string, unknown> | undefined {
  return payload && (JSON.parse(encodeJson(payload)) as Record<string, unknown>);
}

/** One resource with one scope with these metrics. */
export const metricsRequest = (metrics: unknown, resource?: unknown): unknown => ({
  resourceMetrics: [{ ...(resource !== undefined && { resource }), scopeMetrics: [{ metrics }] }],
});

/** All metrics of a request, whatever their resource and scope. */
export function metricsOf(payload: Payload | undefined): Record<string, unknown>[] {
  const request = objectOf(payload) as
    | { resourceMetrics?: { scopeMetrics?: { metrics?: Record<string, unknown>[] }[] }[] }
    | undefined;
  return (request?.resourceMetrics ?? []).flatMap(({ scopeMetrics = [] }) =>
    scopeMetrics.flatMap(({ metrics = [] }) => metrics),
  );
}
