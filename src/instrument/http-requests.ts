import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { MethodSeries } from "./http-series.ts";

/** A request from the reading of its headers until its response ends. */
export class MeasuredRequest {
  readonly request: RequestWithState;
  readonly startMs: number;
  readonly series: MethodSeries;
  route: string | undefined = undefined;
  errorType: string | undefined = undefined;
  /** Neighbours among the open requests of one connection (more than one when they are pipelined). */
  previous: MeasuredRequest | undefined = undefined;
  next: MeasuredRequest | undefined = undefined;

  constructor(request: RequestWithState, startMs: number, series: MethodSeries) {
    this.request = request;
    this.startMs = startMs;
    this.series = series;
  }
}

/** The open requests of a connection. */
export class Connection {
  first: MeasuredRequest | undefined = undefined;

  add(measured: MeasuredRequest): void {
    measured.next = this.first;
    if (this.first !== undefined) this.first.previous = measured;
    this.first = measured;
  }

  remove(measured: MeasuredRequest): void {
    const { previous, next } = measured;
    if (previous === undefined) this.first = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
  }
}

/** Properties, not WeakMaps: a tenth of the time, and gone with their objects. */
export const measuredKey: unique symbol = Symbol("repomind.request");
export const connectionKey: unique symbol = Symbol("repomind.connection");

export type RequestWithState = IncomingMessage & {
  [measuredKey]?: MeasuredRequest | undefined;
};
export type SocketWithState = Socket & { [connectionKey]?: Connection };

/** Names the template of the request's route: `/repos/:id`, never the path. */
export function setRoute(request: IncomingMessage, template: string): void {
  const measured = (request as RequestWithState)?.[measuredKey];
  if (measured !== undefined && typeof template === "string") measured.route = template;
}

/** Counts the request as failed, whatever its status. */
export function setErrorType(request: IncomingMessage, errorType: string): void {
  const measured = (request as RequestWithState)?.[measuredKey];
  if (measured !== undefined && typeof errorType === "string") measured.errorType = errorType;
}
