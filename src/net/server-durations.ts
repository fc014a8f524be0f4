/**
 * How long the requests of servers take: the metrics of the Collector's otelhttp and otelgrpc, at level detailed.
 * Host headers and paths that nobody serves are the clients' choice, and no labels.
 */
import type { Meter } from "../component.ts";
import { Durations, rpcLabels } from "./durations.ts";
import { grpcCode } from "./grpc-code.ts";

/** Told of every request that is over; absent below level detailed. */
export interface ServerObserver {
  http(request: HttpMeasure, ms: number): void;
  /** `path`: of a method that is served. */
  rpc(path: string, code: number, ms: number): void;
}

export interface HttpMeasure {
  readonly method: string;
  readonly isSecure: boolean;
  /** `1.1`. */
  readonly version: string;
  /** Undefined: the client went away before the answer. */
  readonly status: number | undefined;
  /** As declared, not the path that was asked for; undefined: nothing is served there. */
  readonly route: string | undefined;
}

const methods: ReadonlySet<string> = new Set(
  "GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split(" "),
);

/** Codes for which a server, and not its client, is to blame (otelgrpc). */
const serverFaults: ReadonlySet<number> = new Set([
  grpcCode.UNKNOWN,
  grpcCode.DEADLINE_EXCEEDED,
  grpcCode.UNIMPLEMENTED,
  grpcCode.INTERNAL,
  grpcCode.UNAVAILABLE,
  grpcCode.DATA_LOSS,
]);

export class ServerDurations implements ServerObserver {
  readonly #http: Durations;
  readonly #rpc: Durations;

  constructor(meter: Meter) {
    this.#http = new Durations(meter, "http_server_request_duration");
    this.#rpc = new Durations(meter, "rpc_server_call_duration");
  }

  http({ method, isSecure, version, status, route }: HttpMeasure, ms: number): void {
    const known = methods.has(method) ? method : "_OTHER";
    this.#http.record(ms, `${known} ${isSecure} ${version} ${status} ${route}`, () => ({
      "http.request.method": known,
      "url.scheme": isSecure ? "https" : "http",
      "network.protocol.name": "http",
      "network.protocol.version": version,
      ...(status === undefined ? {} : { "http.response.status_code": String(status) }),
      ...(route === undefined ? {} : { "http.route": route }),
    }));
  }

  rpc(path: string, code: number, ms: number): void {
    this.#rpc.record(ms, `${code} ${path}`, () => rpcLabels(path, code, serverFaults.has(code)));
  }
}
