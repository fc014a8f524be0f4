import { Agent, request } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { logsPayload } from "./payloads.ts";

export interface Reply {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | undefined;
  /** The connection had been used before. */
  readonly isReused: boolean;
}

/** Sends log records by OTLP/HTTP over connections of its own, which it keeps open. */
export class HttpLogClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  send(...names: string[]): Promise<Reply> {
    const body = Buffer.concat(logsPayload(names).parts);
    return new Promise((resolve, reject) => {
      const sent = request(
        `http://${this.#address}/v1/logs`,
        {
          agent: this.#agent,
          method: "POST",
          headers: { "content-type": "application/x-protobuf", "content-length": body.length },
        },
        (response) => {
          let text = "";
          response.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
          response.on("error", reject);
          response.on("end", () =>
            resolve({
              status: response.statusCode!,
              text,
              retryAfter: response.headers["retry-after"],
              isReused: sent.reusedSocket,
            }),
          );
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Sends log records by OTLP/gRPC over one HTTP/2 connection. */
export class GrpcLogClient {
  readonly session: ClientHttp2Session;

  constructor(address: string) {
    this.session = connect(`http://${address}`);
  }

  /** grpc-status and grpc-message. */
  send(...names: string[]): Promise<{ code: number; message: string }> {
    const message = Buffer.concat(logsPayload(names).parts);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    return new Promise((resolve, reject) => {
      const stream = this.session.request({
        ":method": "POST",
        ":path": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "content-type": "application/grpc",
        te: "trailers",
      });
      let status: { code: number; message: string } | undefined;
      const read = (headers: Record<string, unknown>) => {
        if (headers["grpc-status"] === undefined) return;
        status = {
          code: Number(headers["grpc-status"]),
          message: decodeURIComponent((headers["grpc-message"] as string | undefined) ?? ""),
        };
      };
      stream.on("response", read);
      stream.on("trailers", read);
      stream.on("error", reject);
      stream.on("close", () =>
        status === undefined ? reject(new Error("no grpc-status")) : resolve(status),
      );
      stream.resume();
      stream.end(Buffer.concat([prefix, message]));
    });
  }

  close(): void {
    this.session.destroy();
  }
}

/** A page of numbers, by `name{labels}`. */
export async function scrapeNumbers(url: string): Promise<Map<string, number>> {
  const page = await (await fetch(url)).text();
  const lines = page.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
