/** How long the calls of clients take: the metrics of the Collector's otelhttp and otelgrpc, at level detailed. */
import type { Clock } from "../clock.ts";
import type { Meter } from "../component.ts";
import { asTelemetryError } from "../errors.ts";
import { Durations, rpcLabels } from "./durations.ts";
import { grpcCode } from "./grpc-code.ts";

/** What a call came to: a code of its protocol, or the error that says why there is none. */
type Outcome = { readonly code: number } | { readonly error: unknown };

/** Records a call; false: the metric is above the level that is collected. */
type RecordCall = (path: string, outcome: Outcome, ms: number) => boolean;

export class ClientDurations {
  readonly #clock: Clock;
  readonly #record: RecordCall;
  #isOff = false;

  constructor(clock: Clock, record: RecordCall) {
    this.#clock = clock;
    this.#record = record;
  }

  /** Nobody wants to know, as the first call has shown: there is nothing to measure. */
  get isOff(): boolean {
    return this.#isOff;
  }

  async measure<R extends { readonly code: number }>(
    path: string,
    call: () => Promise<R>,
  ): Promise<R> {
    const startedMs = this.#clock.monotonicMs();
    const end = (outcome: Outcome) => {
      const ms = this.#clock.monotonicMs() - startedMs;
      this.#isOff = !this.#record(path, outcome, ms);
    };
    try {
      const response = await call();
      end(response);
      return response;
    } catch (error) {
      end({ error });
      throw error;
    }
  }
}

/** For calls over gRPC; `host` is empty for a unix socket. */
export function rpcRecorder(meter: Meter, host: string, port: number): RecordCall {
  const durations = new Durations(meter, "rpc_client_call_duration");
  const server = host === "" ? {} : { "server.address": host, "server.port": String(port) };
  return (path, outcome, ms) => {
    const code = "code" in outcome ? outcome.code : codeOf(outcome.error);
    return durations.record(ms, `${code} ${path}`, () => ({
      ...rpcLabels(path, code, code !== grpcCode.OK),
      ...server,
    }));
  };
}

/** As grpc-go's client ends a call that it gives up itself. */
function codeOf(error: unknown): number {
  const { code, status } = asTelemetryError(error);
  if (code === "TIMEOUT") return grpcCode.DEADLINE_EXCEEDED;
  return code === "SHUTTING_DOWN" ? grpcCode.CANCELLED : (status?.code ?? grpcCode.UNKNOWN);
}

/** For calls over HTTP, whose path is the whole URL. */
export function httpRecorder(meter: Meter): RecordCall {
  const durations = new Durations(meter, "http_client_request_duration");
  return (path, outcome, ms) => {
    const result = "code" in outcome ? String(outcome.code) : asTelemetryError(outcome.error).code;
    return durations.record(ms, `${result} ${path}`, () => {
      const { protocol, hostname, port } = new URL(path);
      return {
        "http.request.method": "POST",
        "url.scheme": protocol.slice(0, -1),
        "server.address": hostname,
        ...(port === "" ? {} : { "server.port": port }),
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        ["code" in outcome ? "http.response.status_code" : "error.type"]: result,
      };
    });
  };
}
