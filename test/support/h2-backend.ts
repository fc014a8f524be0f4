import {
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { portOf } from "./grpc-backend.ts";

export interface H2Backend {
  readonly port: number;
  readonly sessions: ServerHttp2Session[];
  /** Streams in the order of their arrival. */
  readonly streams: ServerHttp2Stream[];
  /** Resolves when n streams arrived in all. */
  arrived(n: number): Promise<void>;
  /** Ends connections without a word and takes no new ones. */
  kill(): Promise<void>;
}

/** A scripted HTTP/2 server; the script gets each stream with its number, beginning at 0. */
export async function startH2Backend(
  script: (stream: ServerHttp2Stream, index: number) => void,
  options: { readonly port?: number; readonly path?: string } = {},
): Promise<H2Backend> {
  const server: Http2Server = createServer();
  const sessions: ServerHttp2Session[] = [];
  const streams: ServerHttp2Stream[] = [];
  const waiting: { n: number; resolve: () => void }[] = [];
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => {});
  });
  server.on("stream", (stream) => {
    stream.on("error", () => {});
    streams.push(stream);
    script(stream, streams.length - 1);
    for (const wait of waiting) if (streams.length >= wait.n) wait.resolve();
  });
  const where =
    options.path === undefined
      ? { port: options.port ?? 0, host: "127.0.0.1" }
      : { path: options.path };
  await new Promise<void>((resolve) => server.listen(where, resolve));
  return {
    port: options.path === undefined ? portOf(server) : 0,
    sessions,
    streams,
    arrived: (n) =>
      new Promise((resolve) => {
        if (streams.length >= n) resolve();
        else waiting.push({ n, resolve });
      }),
    kill: () =>
      new Promise((resolve) => {
        for (const session of sessions) session.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Answers a call as a gRPC server does. */
export function answerGrpc(
  stream: ServerHttp2Stream,
  body: Uint8Array = Buffer.alloc(5),
  trailers: Record<string, string> = { "grpc-status": "0" },
): void {
  stream.resume();
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.end(body);
}
