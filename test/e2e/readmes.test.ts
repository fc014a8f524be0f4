/**
 * The worked example of a component's README, run as it stands there. In the section "Example":
 *
 *   ```yaml   the first one: the configuration
 *   ```sh     commands, run in the service's directory, which must succeed
 *   ```text   right after them: what they print
 *
 * The last commands look at the outcome, and are repeated until it is there. Only ports are replaced.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { errorText, load, plain } from "../src/config/support.ts";
import { ServiceProcess } from "../support/run-service.ts";

const isMissing = spawnSync("curl", ["--version"]).error !== undefined;
if (isMissing) {
  if (process.env["CI"] !== undefined) throw new Error("CI needs curl");
  process.stderr.write("SKIPPED: test/e2e/readmes.test.ts needs the program curl\n");
}

const components = [
  "receivers/statsd",
  "receivers/http_metrics",
  "processors/percentiles",
  "processors/attributes",
  "processors/resource",
  "processors/metrics_transform",
  "extensions/basic_auth",
  "extensions/bearer_token_auth",
];

interface Step {
  readonly commands: string;
  /** What they print, where the README shows it. */
  readonly output?: string;
}

interface WorkedExample {
  readonly yaml: string;
  readonly steps: readonly Step[];
}

const root = join(__dirname, "..", "..");
const fenced = /^```(\w*)\n(.*?)^```$/gmsu;

function workedExample(component: string): WorkedExample {
  const readme = readFileSync(join(root, component, "README.md"), "utf8");
  const [, section] = /^## Example$(.*?)^## /msu.exec(readme)!;
  const blocks = [...section!.matchAll(fenced)].map(([, tag, body]) => ({ tag, body: body! }));
  const steps = blocks.flatMap(({ tag, body }, index): Step[] => {
    const next = blocks[index + 1];
    if (tag !== "sh") return [];
    return [next?.tag === "text" ? { commands: body, output: next.body } : { commands: body }];
  });
  return { yaml: blocks.find(({ tag }) => tag === "yaml")!.body, steps };
}

interface Endpoints {
  readonly endpoint?: string;
  readonly protocols?: { readonly http?: { readonly endpoint?: string } };
}

/** Who listens on each port that the configuration names, as "receiver otlp". */
function ownersOfPorts(yaml: string): Map<string, string> {
  const loaded = load(yaml);
  expect(errorText(loaded)).toBe("");
  const config = plain(loaded) as Record<string, Record<string, Endpoints | null>>;
  const owners = new Map<string, string>();
  for (const kind of ["receiver", "exporter"]) {
    for (const [id, body] of Object.entries(config[`${kind}s`]!)) {
      const endpoint = body?.endpoint ?? body?.protocols?.http?.endpoint;
      const port = /^localhost:(\d+)$/u.exec(endpoint ?? "")?.[1];
      if (port !== undefined) owners.set(port, `${kind} ${id}`);
    }
  }
  return owners;
}

/** The configuration with every listener on a free port, and without the service's own metrics. */
function onFreePorts(yaml: string): string {
  return yaml
    .replaceAll(/(endpoint: localhost):\d+/gu, "$1:0")
    .replace(/^service:$/mu, "service:\n  telemetry: { metrics: { level: none } }");
}

/** The port that took the place of one in the README. */
function portOf(service: ServiceProcess, owner: string): string {
  const statsd = /Listening for StatsD\..*"endpoint": "[^:]+:(\d+)/u.exec(service.stderr)?.[1];
  if (owner === "receiver statsd") return statsd!;
  return /\d+$/u.exec(service.address(owner, "http"))![0];
}

/** Netcat is not everywhere, and waits a second: one packet of stdin to `-u -w 1 <host> <port>`. */
const netcat = `nc() {
  '${process.execPath}' -e '
    const socket = require("node:dgram").createSocket("udp4");
    const [host, port] = process.argv.slice(-2);
    socket.send(require("node:fs").readFileSync(0), Number(port), host, () => socket.close());
  ' -- "$@"
}
`;

/** Runs commands in a shell; what they print, and how they end. */
function run(commands: string, directory: string): Promise<{ code: number | null; text: string }> {
  const child = spawn("sh", ["-ec", netcat + commands], {
    cwd: directory,
    env: { ...process.env, NODE_OPTIONS: "", NO_PROXY: "localhost", no_proxy: "localhost" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 20_000,
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  return new Promise((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve({ code, text: text.trim() }));
  });
}

/** Asks again and again, for at most 30 s: what another process does gives no event. */
async function runUntil(commands: string, directory: string, output: string) {
  const end = performance.now() + 30_000;
  for (;;) {
    const result = await run(commands, directory);
    if (result.text === output || performance.now() > end) return result;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

(isMissing ? describe.skip : describe)("worked examples", () => {
  test.concurrent.each(components)(
    "the example of %s does what its README shows",
    async (component) => {
      const { yaml, steps } = workedExample(component);
      const owners = ownersOfPorts(yaml);
      expect(steps.at(-1)?.output).toBeDefined();
      const service = await ServiceProcess.start(onFreePorts(yaml));
      try {
        for (const step of steps) {
          const commands = step.commands.replaceAll(/(?<=localhost[: ])\d+/gu, (port) =>
            portOf(service, owners.get(port)!),
          );
          const shown = step.output?.trim();
          const result = await (step === steps.at(-1)
            ? runUntil(commands, service.directory, shown!)
            : run(commands, service.directory));
          expect(result).toEqual({ code: 0, text: shown ?? result.text });
        }
      } finally {
        expect(await service.stop()).toBe(0);
      }
    },
  );
});
