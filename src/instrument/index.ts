/** `repomind-telemetry/instrument`: what an application imports to measure itself (docs/instrument.md). */
export { cacheMeter } from "./cache/cache-meter.ts";
export { instrumentCache } from "./cache/instrument-cache.ts";
export type { CacheMeter, CacheOptions } from "./cache/types.ts";
export { fetchHandler } from "./http/fetch-handler.ts";
export { honoMiddleware } from "./http/hono.ts";
export { koaMiddleware } from "./http/koa.ts";
export { setErrorType, setRoute } from "./http/requests.ts";
export { instrumentLlm } from "./llm/instrument-llm.ts";
export { llmCall } from "./llm/llm-call.ts";
export { withQueryType } from "./llm/query-type.ts";
export type { LlmCall, LlmCallOptions, LlmOptions, LlmUsage, PriceTable } from "./llm/types.ts";
export { type Outcome, type QueryInterface, queryInterface } from "./queries/query-interface.ts";
export { queue } from "./queues/queue.ts";
export { type RateLimit, rateLimit } from "./rate-limit/rate-limit.ts";
export type { MetricProducer } from "./reading/sdk-types.ts";
export { instrumentHttp, instrumentSystem, start } from "./telemetry.ts";
export type {
  Adder,
  Attributes,
  Counter,
  FlushResult,
  HistogramOptions,
  HttpOptions,
  Instrument,
  InstrumentOptions,
  Meter,
  Observe,
  ObservedKind,
  Of,
  Problem,
  Recorder,
  StartOptions,
  Stats,
  SystemOptions,
  Telemetry,
  Value,
} from "./types.ts";
