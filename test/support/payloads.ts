import { createPayload, type Payload } from "../../src/pdata/payload.ts";
import { Cursor, Writer } from "../../src/pdata/wire.ts";

/** One request with a log record for each name; the name is the record's body. */
export function logsPayload(names: readonly string[]): Payload<"logs"> {
  const w = new Writer();
  const resource = w.begin(1);
  const scope = w.begin(2);
  for (const name of names) {
    const record = w.begin(2);
    const body = w.begin(5);
    w.string(1, name);
    w.end(body);
    w.end(record);
  }
  w.end(scope);
  w.end(resource);
  return createPayload("logs", [w.take()], [names.length]);
}

/** The bodies of all log records of a payload, in order. */
export function bodiesOf(payload: Payload): string[] {
  const names: string[] = [];
  for (const part of payload.parts) {
    for (const resource of children(part, 1))
      for (const scope of children(resource, 2))
        for (const record of children(scope, 2))
          for (const body of children(record, 5))
            for (const text of children(body, 1)) names.push(Buffer.from(text).toString());
  }
  return names;
}

function children(bytes: Uint8Array, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const cursor = new Cursor().reset(bytes);
  while (cursor.next()) if (cursor.number === number) found.push(cursor.view());
  return found;
}
