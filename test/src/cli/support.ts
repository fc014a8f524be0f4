import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { main } from "../../../src/cli/cli.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A configuration that is right, listens on no fixed port and serves no own metrics. */
export const smallConfig = `receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } }
exporters:
  nop:
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    metrics: { receivers: [otlp], exporters: [nop] }
`;

/** An empty folder, or one with these files. */
export function folderWith(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "rmt-cli-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Runs a verb that ends by itself in this process, in a folder, with variables added to the environment. */
export async function cli(
  args: readonly string[],
  { cwd, env = {} }: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<CliResult> {
  const before = { cwd: process.cwd(), env: { ...process.env } };
  const { stdout, stderr } = process;
  const write = { out: stdout.write.bind(stdout), err: stderr.write.bind(stderr) };
  const written = { stdout: "", stderr: "" };
  Object.assign(process.env, env);
  if (cwd !== undefined) process.chdir(cwd);
  stdout.write = (chunk) => ((written.stdout += String(chunk)), true);
  stderr.write = (chunk) => ((written.stderr += String(chunk)), true);
  try {
    return { code: await main(args), ...written };
  } finally {
    stdout.write = write.out;
    stderr.write = write.err;
    process.chdir(before.cwd);
    for (const name of Object.keys(env)) {
      if (before.env[name] === undefined) delete process.env[name];
      else process.env[name] = before.env[name];
    }
  }
}
