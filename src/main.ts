#!/usr/bin/env node
// The CLI's door. Kept to syntax that old Nodes read, so that they can be told what is missing.
import process from "node:process";

const needed = [24, 14, 1];
const found = process.versions.node.split(".").map(Number);
const isOld = needed.some(
  (part, i) => found[i]! < part && needed.slice(0, i).every((before, j) => before === found[j]),
);

if (isOld) {
  process.stderr.write(
    `repomind-telemetry needs Node >= ${needed.join(".")}; this is ${process.versions.node}. Install a newer one (https://nodejs.org) and try again.\n`,
  );
  process.exitCode = 1;
} else {
  // Who reads only the beginning of a long text (`| head`) has what he wanted.
  process.stdout.on("error", ({ code }) => process.exit(code === "EPIPE" ? 0 : 1));
  const { enableCompileCache } = await import("node:module");
  // Parsed code of earlier starts is reused: a third less time to the first listener.
  enableCompileCache();
  const { keepYoungGenerationSmall } = await import("./cli/heap.ts");
  keepYoungGenerationSmall();
  const { main } = await import("./cli/cli.ts");
  process.exitCode = await main(process.argv.slice(2));
}
