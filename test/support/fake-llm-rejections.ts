/**
 * An application that does not look at its calls, as a process of its own: `fake-llm-rejections.ts PACKAGE plain|measured`
 * prints, when nothing is left to do, the rejections that the process was told of and the operations that were measured.
 */
import { instrumentLlm } from "../../src/instrument/llm/instrument-llm.ts";
import { setRuntime } from "../../src/instrument/runtime.ts";
import {
  type AnthropicPackage,
  anthropicClient,
  type OpenAiPackage,
  openAiClient,
} from "./fake-llm-clients.ts";
import { Bench } from "./instrument-points.ts";

const [name = "openai", way] = process.argv.slice(2);
const bench = new Bench();
setRuntime(bench);
/** Instead of a server, which would keep the process alive. */
const refuse = async () =>
  Response.json({ error: { message: "no", type: "invalid_request_error" } }, { status: 400 });
const settings = { maxRetries: 0, logLevel: "off", fetch: refuse } as const;
const url = "http://127.0.0.1:1";
const measured = <T extends object>(client: T) =>
  way === "measured" ? instrumentLlm(client) : client;

interface Call extends Promise<unknown> {
  parse(): Promise<unknown>;
  withResponse(): Promise<unknown>;
  asResponse(): Promise<unknown>;
}

function caller(): (stream: boolean) => Call {
  const messages = [{ role: "user" as const, content: "hi" }];
  if (name.startsWith("openai")) {
    const client = measured(openAiClient(name as OpenAiPackage, url, settings));
    return (stream) =>
      client.chat.completions.create({ model: "gpt-4o", messages, stream }) as unknown as Call;
  }
  const client = measured(anthropicClient(name as AnthropicPackage, url, settings));
  const body = { model: "claude-opus-5-5", max_tokens: 1, messages };
  return (stream) => client.messages.create({ ...body, stream }) as unknown as Call;
}

const told: string[] = [];
let scenario = "";
process.on("unhandledRejection", (reason) => {
  told.push(`${scenario}: ${(reason as Error).constructor.name} ${(reason as Error).message}`);
});
process.on("rejectionHandled", () => told.push(`${scenario}: handled late`));

const create = caller();
const ignore = (data: unknown) => data;
const scenarios: Record<string, () => unknown> = {
  discarded: () => create(false),
  "discarded stream": () => create(true),
  "with then": () => create(false).then(ignore),
  withResponse: () => create(false).withResponse(),
  asResponse: () => create(false).asResponse(),
  caught: () => create(false).catch(() => {}),
  "caught, and then discarded": () => {
    const call = create(false);
    void call.catch(() => {});
    void call.then(ignore);
  },
  "parsed twice, caught once": () => {
    const call = create(false);
    void call.parse();
    void call.catch(() => {});
  },
  awaited: async () => {
    try {
      await create(false);
    } catch {
      // As an application that expects it.
    }
  },
  "handled late": () => {
    const call = create(false);
    process.once("unhandledRejection", () => void call.catch(() => {}));
  },
  "raw caught": () =>
    create(false)
      .asResponse()
      .catch(() => {}),
};

/** One scenario at a time, each until the loop has nothing left to do: so all rejections are told by then. */
const left = Object.entries(scenarios);
process.on("beforeExit", () => {
  const next = left.shift();
  if (next === undefined) {
    const operations = bench
      .collect()
      .filter((point) => point.metric === "gen_ai.client.operation.duration")
      .map((point) => [point.attributes["error.type"], point.count]);
    process.stdout.write(JSON.stringify({ told, operations, said: bench.said }));
    process.exit(0);
  }
  scenario = next[0];
  // Keeps the loop going for one turn, so that this is called again.
  setImmediate(next[1]);
});
