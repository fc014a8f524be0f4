/**
 * The active span of `@opentelemetry/api`, found without importing it. The API (1.0 to 1.10) keeps its context
 * manager on the global object and the span under a key in the active context:
 *
 *     globalThis[opentelemetry.js.api.1].context.active().getValue(OpenTelemetry Context Key SPAN).spanContext()
 */
const apiKey = Symbol.for("opentelemetry.js.api.1");
const spanKey = Symbol.for("OpenTelemetry Context Key SPAN");

export interface SpanContext {
  /** 32 and 16 hexadecimal digits. */
  readonly traceId: string;
  readonly spanId: string;
  /** Bit 0: sampled. */
  readonly traceFlags: number;
}

interface ContextManager {
  active(): { getValue(key: symbol): { spanContext(): SpanContext } | undefined };
}

/** Hot paths read `manager`: undefined means that there can be no span. */
export const tracing: { manager: ContextManager | undefined } = { manager: undefined };

/** At every collection, because an application may set up tracing at any time: a look at each value would cost. */
export function lookForTracing(): void {
  const api = (globalThis as Record<symbol, unknown>)[apiKey];
  const { context } = (api ?? {}) as { readonly context?: ContextManager };
  tracing.manager = typeof context?.active === "function" ? context : undefined;
}

/** Undefined: there is none; false: it is not sampled, or no valid one. What foreign code throws counts as none. */
export function activeSpan(): SpanContext | false | undefined {
  try {
    const span = tracing.manager?.active().getValue(spanKey)?.spanContext();
    return span && isSampled(span) && span;
  } catch {
    return undefined;
  }
}

const isSampled = ({ traceFlags, traceId, spanId }: SpanContext) =>
  (traceFlags & 1) === 1 && isId(traceId, 32) && isId(spanId, 16);

/** An id of zeros is the invalid one. */
const isId = (id: unknown, length: number) =>
  typeof id === "string" && id.length === length && /^[0-9a-f]*[1-9a-f][0-9a-f]*$/u.test(id);
