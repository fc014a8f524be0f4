import type { Component, Settings } from "../../src/component.ts";
import type { HttpServerSpec, Listener } from "../../src/transport.ts";
import type { PprofConfig } from "./config.ts";
import { ProfileFile } from "./profile-file.ts";
import { Profiler } from "./profiler.ts";
import { pprofRoutes } from "./routes.ts";

/** Listens, and records to a file where configured. A file that cannot be written keeps the service from starting. */
export function createPprof(config: PprofConfig, settings: Settings): Required<Component> {
  const profiler = new Profiler();
  let listener: Listener | undefined;
  let file: ProfileFile | undefined;
  return {
    async start() {
      const { clock, log } = settings;
      listener = await settings.listen(
        serverSpec(config, pprofRoutes(config.endpoint, profiler, clock)),
      );
      if (config.save_to_file === "") return;
      file = await ProfileFile.start(config.save_to_file, profiler, clock, log);
    },
    async shutdown(abort) {
      const [closing, finishing] = [listener, file];
      listener = undefined;
      file = undefined;
      await closing?.close(abort);
      await finishing?.finish();
    },
  };
}

function serverSpec({ endpoint }: PprofConfig, routes: HttpServerSpec["routes"]): HttpServerSpec {
  return {
    kind: "http",
    endpoint,
    transport: "tcp",
    maxBodyBytes: 1024,
    compressionAlgorithms: [""],
    readTimeoutMs: 10_000,
    readHeaderTimeoutMs: 10_000,
    // An answer may take as long as the longest profile, and a snapshot long to be read.
    writeTimeoutMs: 0,
    idleTimeoutMs: 60_000,
    keepAlivesEnabled: true,
    responseHeaders: new Map(),
    routes,
  };
}
