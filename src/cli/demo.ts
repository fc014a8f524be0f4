/** `rmt demo`: its flags, its help, and the processes that it starts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseDuration } from "../config/duration.ts";
import type { DemoSettings } from "../demo/demo.ts";
import {
  defaultKnobs,
  type Knobs,
  knobsText,
  knobs as knobTable,
  parseAssignment,
  parseKnob,
} from "../demo/knobs.ts";
import { usualPort } from "../demo/names.ts";
import { TelemetryError } from "../errors.ts";
import { shippedConfig } from "./init.ts";
import { type FlagTable, parseFlags, parseOptions, UsageError } from "./options.ts";

const help = "repomind-telemetry demo --help";
const usualEndpoint = "http://127.0.0.1:4318";
const setTimeoutMs = 5000;
/** Nobody reads them; 600 MB would be too many. */
const smallFiles = [
  "exporters.file/metrics.rotation.max_megabytes=10",
  "exporters.file/metrics.rotation.max_backups=1",
];

const flags = {
  rps: { type: "string" },
  latency: { type: "string" },
  errors: { type: "string" },
  "cache-collapse": { type: "boolean" },
  "queue-stall": { type: "boolean" },
  "llm-outage": { type: "boolean" },
  seed: { type: "string" },
  duration: { type: "string" },
  port: { type: "string" },
  endpoint: { type: "string" },
  scrape: { type: "string" },
  config: { type: "string", multiple: true },
  set: { type: "string", multiple: true },
  help: { type: "boolean", short: "h" },
} as const satisfies FlagTable;
const setFlags = { port: flags.port, help: flags.help } as const satisfies FlagTable;

const helpText = `Usage: repomind-telemetry demo [flags]
       repomind-telemetry demo set KNOB=VALUE... [--port N]

Runs a small RepoMind with its users and two fake language models, so that every metric has data within seconds.
A service that answers OTLP on 4318 is used as it is; else one is started with the shipped pipelines.yaml.
Ctrl-C ends what the demo started.

Knobs, as flags at the start or with "demo set" while it runs:
${Object.entries(knobTable)
  .map(([, { example, effect }]) => `  ${example.padEnd(22)}${effect}`)
  .join("\n")}

Flags:
  --rps N, --latency xN, --errors SHARE, --cache-collapse, --queue-stall, --llm-outage
                        the knobs
  --seed N              the same requests for the same seed (default: 1)
  --duration D          end after 15 or 15s, compare what was sent with what arrived; exit code 1 if they differ
  --port N              of the app; 0 takes a free one (default: ${usualPort})
  --endpoint URL        the OTLP receiver of a service that runs already (default: ${usualEndpoint})
  --scrape URL          its page of metrics (default: http://127.0.0.1:9090/metrics)
  --config URI          start the service with this configuration, in any case; as for "run"
  --set KEY=VALUE       start the service with this value changed, in any case; as for "run"
  --help, -h            print this text
`;

/** Runs the demo, turns its knobs, or is one of its processes. */
export async function demo(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === "set") return set(rest);
  // What follows is started by the demo itself (src/demo/child.ts).
  if (process.send !== undefined) {
    if (first === "app") return until((await import("../demo/app/process.ts")).runApp);
    if (first === "outside") return until((await import("../demo/outside.ts")).runOutside);
    if (first === "service") return service(rest);
  }
  if (first !== undefined && !first.startsWith("-")) throw new UsageError(unknownWord(first), help);
  return run(args);
}

function unknownWord(word: string): string {
  const isKnob = Object.hasOwn(knobTable, word.replace(/=.*$/su, ""));
  const meant = isKnob ? `demo set ${word}` : "demo set KNOB=VALUE";
  return `demo does not know "${word}"; did you mean ${meant}?`;
}

/** Its process ends by process.exit. */
const until = (start: () => void): Promise<never> => {
  start();
  return new Promise(() => {});
};

/** The service, which must not outlive the demo. The files of the shipped configuration go with it. */
async function service(args: readonly string[]): Promise<number> {
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
  process.channel?.unref();
  // Gone while this process started.
  if (!process.connected) return 1;
  const options = parseOptions(args, { flags: ["config", "set"] });
  const { run: runService } = await import("./run.ts");
  if (options.configs.length > 0) return runService(options);
  const directory = mkdtempSync(join(tmpdir(), "rmt-demo-"));
  process.chdir(directory);
  // Whatever ends it: where the demo was killed, that is a write to its closed pipe.
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const sets = [...smallFiles, ...options.sets];
  return runService({ ...options, configs: [shippedConfig()], sets });
}

async function run(args: readonly string[]): Promise<number> {
  const settings = settingsOf(args);
  if (settings === undefined) return say(helpText.trimEnd()), 0;
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // The processes notice that the demo is gone, and end.
      if (stop.signal.aborted) process.exit(130);
      stop.abort();
    });
  }
  const { runDemo } = await import("../demo/demo.ts");
  return runDemo(settings, { say, stop: stop.signal });
}

const say = (text: string) => void process.stdout.write(`${text}\n`);

/** Undefined: the help is asked for. */
function settingsOf(args: readonly string[]): DemoSettings | undefined {
  const { values } = parsed(flags, args, 0);
  if (values.help === true) return undefined;
  return {
    seed: numberOf("seed", values.seed, Number.MAX_SAFE_INTEGER) ?? 1,
    port: numberOf("port", values.port, 65_535) ?? usualPort,
    durationMs: durationOf(values.duration),
    endpoint: urlOf("endpoint", values.endpoint) ?? usualEndpoint,
    scrapeUrl: urlOf("scrape", values.scrape),
    configs: values.config ?? [],
    sets: values.set ?? [],
    knobs: knobsOf(values),
  };
}

function parsed<T extends FlagTable>(table: T, args: readonly string[], positionals: number) {
  try {
    return parseFlags(table, args, { flags: Object.keys(table), positionals });
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(error.message, help) : error;
  }
}

type Flag = string | boolean | readonly string[] | undefined;

function knobsOf(values: Readonly<Record<string, Flag>>): Knobs {
  let knobs = defaultKnobs;
  for (const name of Object.keys(knobTable)) {
    const value = values[name];
    if (value === undefined) continue;
    const result = parseKnob(name, String(value));
    if ("problem" in result) throw new UsageError(`--${result.problem}`, help);
    knobs = { ...knobs, ...result.change };
  }
  return knobs;
}

function numberOf(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/u.test(text) && value <= most) return value;
  throw new UsageError(`--${name} takes a whole number up to ${most}, not "${text}"`, help);
}

/** `15` is seconds. */
function durationOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(/^[\d.]+$/u.test(text) ? `${text}s` : text);
  if (ms !== undefined && ms > 0) return ms;
  throw new UsageError(`--duration takes a time such as 15 or 2m, not "${text}"`, help);
}

function urlOf(name: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (URL.canParse(text) && /^https?:/u.test(text)) return text.replace(/\/$/u, "");
  throw new UsageError(`--${name} takes a URL such as ${usualEndpoint}, not "${text}"`, help);
}

/** `rmt demo set errors=0.2`: prints what is set then. */
async function set(args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(setFlags, args, Infinity);
  if (values.help === true) return say(helpText.trimEnd()), 0;
  const port = numberOf("port", values.port, 65_535) ?? usualPort;
  const body: Record<string, string> = {};
  for (const text of positionals) {
    const result = parseAssignment(text);
    if ("problem" in result) throw new UsageError(result.problem, help);
    const [name, value = "on"] = text.split("=");
    body[name!] = value;
  }
  const knobs = await exchange(`http://127.0.0.1:${port}/_demo`, body);
  say(knobsText(knobs));
  return 0;
}

/** Without a change the knobs are only asked for. */
async function exchange(
  url: string,
  change: Readonly<Record<string, string>>,
): Promise<Record<string, number | boolean>> {
  const isChange = Object.keys(change).length > 0;
  let response: Response;
  try {
    response = await fetch(url, {
      ...(isChange ? { method: "POST", body: JSON.stringify(change) } : {}),
      signal: AbortSignal.timeout(setTimeoutMs),
    });
  } catch (error) {
    const message = `no demo answers at ${url}: start one with "rmt demo", or name its port with --port`;
    throw new TelemetryError("BACKEND_UNAVAILABLE", message, { cause: error });
  }
  if (response.ok) return (await response.json()) as Record<string, number | boolean>;
  const text = `${url} answered ${response.status}: ${(await response.text()).trim()}`;
  throw new TelemetryError("BACKEND_REJECTED", text);
}
