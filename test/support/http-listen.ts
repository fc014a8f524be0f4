import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  HttpExchange,
  HttpHandler,
  HttpServerSpec,
  Listener,
  ServerSpec,
} from "../../src/transport.ts";

export interface HttpTestServer {
  readonly listen: (spec: ServerSpec) => Promise<Listener>;
  /** The spec of the last listener. */
  spec(): ServerSpec;
  /** `http://127.0.0.1:<port>` of the last listener. */
  url(): string;
}

/** A spec without limits. */
export function httpSpec(
  endpoint: string,
  routes: ReadonlyMap<string, HttpHandler>,
): HttpServerSpec {
  return {
    kind: "http",
    endpoint,
    transport: "tcp",
    maxBodyBytes: 1024,
    compressionAlgorithms: [""],
    readTimeoutMs: 0,
    readHeaderTimeoutMs: 0,
    writeTimeoutMs: 0,
    idleTimeoutMs: 0,
    keepAlivesEnabled: true,
    responseHeaders: new Map(),
    routes,
  };
}

/** Serves the routes of an HTTP spec on 127.0.0.1 port 0, whatever endpoint it names. */
export function httpTestServer(): HttpTestServer {
  let last: { spec: ServerSpec; url: string } | undefined;
  const get = () => {
    if (last === undefined) throw new Error("nothing listens yet");
    return last;
  };
  return {
    spec: () => get().spec,
    url: () => get().url,
    async listen(spec) {
      if (spec.kind !== "http") throw new Error("only HTTP in this test");
      const server = createServer((request, response) => {
        const exchange = exchangeOf(request, response);
        const handler = spec.routes.get(exchange.path);
        if (handler === undefined) exchange.respond(404, {});
        else void handler(exchange);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const address = `127.0.0.1:${portOf(server)}`;
      last = { spec, url: `http://${address}` };
      return { addresses: [address], close: () => closed(server) };
    },
  };
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return address.port;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function exchangeOf(request: IncomingMessage, response: ServerResponse): HttpExchange {
  const url = new URL(request.url ?? "/", "http://localhost");
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  return {
    method: request.method ?? "",
    path: url.pathname,
    query: url.searchParams,
    headers: new Map(
      Object.entries(request.headers).map(([name, value]) => [name, [value ?? ""].flat()]),
    ),
    peerAddress: "127.0.0.1",
    receivedMs: 0,
    aborted: gone.signal,
    body: () => Promise.resolve(new Uint8Array()),
    releaseBody() {},
    respond(status, headers, body) {
      response.writeHead(status, headers);
      response.end(body);
    },
    stream(status, headers) {
      response.writeHead(status, headers);
      return {
        write: (chunk) =>
          new Promise((resolve, reject) => {
            response.write(chunk, (error) => (error ? reject(error) : resolve()));
          }),
        end: () => void response.end(),
      };
    },
  };
}
