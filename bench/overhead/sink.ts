/** Answers OTLP/HTTP requests, and forgets them. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** `work` gets the endpoint. */
export async function withSink<T>(work: (endpoint: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () =>
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
