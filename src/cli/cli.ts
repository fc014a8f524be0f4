/** The command line: picks the verb, prints errors, gives the exit code. Each verb loads only what it needs. */
import process from "node:process";
import { nearest } from "../config/suggest.ts";
import { TelemetryError } from "../errors.ts";
import { type Accepts, type Options, parseOptions, UsageError } from "./options.ts";

interface Verb extends Accepts {
  readonly summary: string;
  readonly run: (options: Options) => Promise<number>;
}
/** A verb with flags and a help of its own. */
interface OwnVerb {
  readonly summary: string;
  readonly main: (args: readonly string[]) => Promise<number>;
}

const configFlags = ["config", "set", "feature-gates"] as const;

const runVerb: Verb = {
  summary: "run the service (default)",
  flags: [...configFlags, "memory-budget", "shutdown-timeout"],
  run: async (o) => (await import("./run.ts")).run(o),
};
const verbs: Readonly<Record<string, Verb | OwnVerb>> = {
  run: runVerb,
  validate: {
    summary: "check the configuration and exit",
    flags: configFlags,
    run: async (o) => (await import("./validate.ts")).validate(o),
  },
  components: {
    summary: "list the components of this version as YAML",
    flags: [],
    run: async () => (await import("./components.ts")).components(),
  },
  "print-config": {
    summary: "print the resolved configuration, secrets redacted",
    flags: [...configFlags, "mode", "format", "validate"],
    run: async (o) => (await import("./print-config.ts")).printConfigVerb(o),
  },
  schema: {
    summary: "print the JSON Schema of pipelines.yaml for editors",
    flags: [],
    run: async () => (await import("./schema.ts")).schema(),
  },
  init: {
    summary: "write a commented pipelines.yaml, or the file that is named",
    flags: ["force"],
    positionals: 1,
    run: async (o) => (await import("./init.ts")).init(o),
  },
  demo: {
    summary: "run the service with an app and traffic (demo --help)",
    main: async (args) => (await import("./demo.ts")).demo(args),
  },
};
/** The Collector's older name of the verb. */
const verbAliases = new Map([["print-initial-config", "print-config"]]);

const helpText = () => `Usage: repomind-telemetry [verb] [flags]

Telemetry pipelines as configured by pipelines.yaml; configurations of the OpenTelemetry Collector run unchanged.

Verbs:
${Object.entries(verbs)
  .map(([name, { summary }]) => `  ${name.padEnd(14)}${summary}`)
  .join("\n")}

Flags:
  --config URI            configuration: a path, file:PATH, env:VARIABLE or yaml:TEXT; repeatable, later ones
                          are merged over earlier ones (default: pipelines.yaml)
  --set KEY=VALUE         set one value, e.g. --set receivers.otlp.protocols.grpc.endpoint=localhost:0; repeatable
  --feature-gates LIST    the Collector's feature gates: a, +a or -a, comma-separated
  --memory-budget SIZE    bytes that data may occupy, e.g. 512MiB (default: a quarter of the memory, at most 2GiB)
  --shutdown-timeout D    how long to deliver what is held when stopping (default: 25s)
  --mode redacted|unredacted, --format yaml|json, --validate    for print-config
  --force                 for init: overwrite an existing file
  --version, -v           print the version
  --help, -h              print this text

Signals: SIGTERM and SIGINT stop (a second one at once), SIGHUP reloads the configuration.
`;

/** Runs the command line; resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const [first] = args;
    const named = first !== undefined && !first.startsWith("-");
    if (named && ["help", "version"].includes(first)) return await main([`--${first}`]);
    const verb = named ? verbOf(verbAliases.get(first) ?? first) : runVerb;
    if ("main" in verb) return await verb.main(args.slice(1));
    const options = parseOptions(named ? args.slice(1) : args, verb);
    if (options.help) return print(helpText());
    if (options.version)
      return print(`repomind-telemetry version ${(await import("./version.ts")).version}\n`);
    return await verb.run(options);
  } catch (error) {
    process.stderr.write(`Error: ${describe(error)}\n`);
    return 1;
  }
}

function verbOf(name: string): Verb | OwnVerb {
  if (Object.hasOwn(verbs, name)) return verbs[name]!;
  const near = nearest(name, Object.keys(verbs));
  const suggestion = near === undefined ? "" : `; did you mean ${near}?`;
  const valid = Object.keys(verbs).join(", ");
  throw new UsageError(`unknown verb "${name}"${suggestion} (valid verbs: ${valid})`);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function describe(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\nSee ${error.help}.`;
  if (error instanceof TelemetryError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
