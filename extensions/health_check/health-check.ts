/** The answer of the health endpoint, as the Collector's extension words it. */
import type { Clock } from "../../src/clock.ts";
import type { ServiceView } from "../../src/component.ts";
import { formatDuration } from "../../src/config/fields.ts";
import type { HttpExchange, HttpHandler } from "../../src/transport.ts";

export interface ResponseBody {
  readonly healthy: string;
  readonly unhealthy: string;
}

/** What Go writes for a time that was never set. */
const zeroTime = "0001-01-01T00:00:00Z";

/**
 * 200 while the service runs; 503 before it is ready and from the moment it stops. A backend that is down does
 * not make the service unhealthy: restarting it would lose what it holds for that backend.
 */
export function healthHandler(
  service: ServiceView,
  clock: Clock,
  custom: ResponseBody | undefined,
): HttpHandler {
  return (exchange) => {
    const ready = service.isReady();
    const status = ready ? 200 : 503;
    if (custom !== undefined) {
      const body = ready ? custom.healthy : custom.unhealthy;
      respond(exchange, status, "text/plain; charset=utf-8", body);
      return;
    }
    respond(
      exchange,
      status,
      "application/json",
      JSON.stringify(statusBody(service, clock, ready)),
    );
  };
}

function respond(exchange: HttpExchange, status: number, contentType: string, body: string): void {
  exchange.respond(status, { "content-type": contentType, "cache-control": "no-store" }, body);
}

function statusBody(service: ServiceView, clock: Clock, ready: boolean) {
  if (!ready) return { status: "Server not available", upSince: zeroTime, uptime: "" };
  return {
    status: "Server available",
    upSince: new Date(service.startedMs).toISOString(),
    uptime: formatDuration(clock.now() - service.startedMs),
  };
}
