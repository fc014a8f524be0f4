/**
 *     ExportMetricsServiceResponse = 1: PartialSuccess { 1: rejected_data_points int64  2: error_message string }
 */
import { Cursor } from "../../pdata/wire.ts";

export interface Rejection {
  readonly points: number;
  readonly message: string;
}

/** What a 200 answer refuses nevertheless. Of bytes that are no such answer: nothing. */
export function readRejection(body: Uint8Array): Rejection {
  let points = 0;
  let message = "";
  const outer = new Cursor().reset(body);
  while (outer.next()) {
    if (outer.number !== 1 || outer.wireType !== 2 || outer.valueEnd > body.length) continue;
    const inner = new Cursor().reset(body, outer.valueStart, outer.valueEnd);
    while (inner.next()) {
      if (inner.number === 1 && inner.wireType === 0) points = inner.varint();
      if (inner.number === 2 && inner.wireType === 2) message = inner.string();
    }
  }
  return { points, message };
}
