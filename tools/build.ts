/**
 * Builds dist/: types by the TypeScript compiler, code by esbuild.
 *
 *     dist/src/main.js             the command; dist/src/chunks/ what it loads at need
 *     dist/src/index.js            the library
 *     dist/src/instrument/index.js the instrumentation helpers, all in one file
 *
 * One file is read and parsed faster than a hundred: the service starts with a quarter less CPU, the helpers with a
 * third of it (`npm run bench -- --only start`, `npm run bench:overhead -- --only start`).
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

const common = {
  absWorkingDir: root,
  outbase: "src",
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "warning",
} as const satisfies BuildOptions;

/** @param outdir stands for dist/src. */
export async function buildInstrument(outdir: string): Promise<void> {
  await build({
    ...common,
    outdir,
    entryPoints: ["src/instrument/index.ts"],
    target: "node22.12",
    // Half of the bytes, so half of the parsing: most of what is left of the start.
    minify: true,
    sourcemap: true,
  });
}

async function buildService(outdir: string): Promise<void> {
  await build({
    ...common,
    outdir,
    entryPoints: ["src/main.ts", "src/index.ts"],
    target: "node24",
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    // Large and loaded late, or native: they stay packages.
    external: ["@opentelemetry/*", "@grpc/*"],
    legalComments: "linked",
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
  });
}

if (import.meta.main) {
  rmSync(`${root}/dist`, { recursive: true, force: true });
  execFileSync("tsc", ["-p", "tsconfig.build.json"], { cwd: root, stdio: "inherit" });
  await buildService(`${root}/dist/src`);
  await buildInstrument(`${root}/dist/src`);
}
