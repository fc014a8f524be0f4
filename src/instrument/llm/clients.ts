/** The clients of OpenAI and Anthropic, known by their shape. */
import { intercept, replaceMethods } from "../replace-methods.ts";
import { observeResult } from "./api-promise.ts";
import { observeFetch } from "./attempts.ts";
import { MeasuredCall } from "./call.ts";
import { type Operation, providerOfHost } from "./conventions.ts";
import { currentCall, ObservedCall } from "./observed-call.ts";
import type { Target } from "./target.ts";
import { anthropic, openAi, type Protocol } from "./usage.ts";

interface Resource {
  readonly path: readonly string[];
  readonly operation: Operation;
  /** Streams tell their usage only if asked: the resource knows `stream_options`. */
  readonly asksForUsage?: true;
}
interface ClientKind {
  readonly provider: string;
  readonly protocol: Protocol;
  /** Only `create`: parse(), stream() and the runners of tools go through it. */
  readonly resources: readonly Resource[];
}

const openAiClient: ClientKind = {
  provider: "openai",
  protocol: openAi,
  resources: [
    { path: ["chat", "completions"], operation: "chat", asksForUsage: true },
    { path: ["beta", "chat", "completions"], operation: "chat", asksForUsage: true },
    { path: ["responses"], operation: "chat" },
    { path: ["beta", "responses"], operation: "chat" },
    { path: ["completions"], operation: "text_completion", asksForUsage: true },
    { path: ["embeddings"], operation: "embeddings" },
  ],
};
const anthropicClient: ClientKind = {
  provider: "anthropic",
  protocol: anthropic,
  resources: [
    { path: ["messages"], operation: "chat" },
    { path: ["beta", "messages"], operation: "chat" },
    { path: ["completions"], operation: "text_completion" },
  ],
};

/** False: it is none of these clients. `onMade` is told of the clients that are made of it. */
export function instrumentClient(
  client: object,
  target: Target,
  onMade: (client: object) => void,
): boolean {
  const kind = kindOf(client);
  if (kind === undefined) return false;
  const hosts = new Hosts(client);
  const observed = new Set<object>();
  for (const resource of kind.resources) {
    const owner = creatorAt(client, resource.path);
    if (owner === undefined || observed.has(owner)) continue;
    observed.add(owner);
    observeCreate(owner, { hosts, kind, resource, target });
  }
  observeFetch(client);
  replaceMethods(client, {
    withOptions: (withOptions) =>
      intercept((receiver, args) => {
        const made = Reflect.apply(withOptions, receiver, args);
        if (typeof made === "object" && made !== null) target.guard(() => onMade(made));
        return made;
      }),
  });
  return true;
}

function kindOf(client: object): ClientKind | undefined {
  if (creatorAt(client, ["messages"]) !== undefined) return anthropicClient;
  const isOpenAi = openAiClient.resources.some(({ path }) => creatorAt(client, path) !== undefined);
  return isOpenAi ? openAiClient : undefined;
}

function creatorAt(client: object, path: readonly string[]): object | undefined {
  let at: unknown = client;
  for (const name of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Reflect.get(at, name);
  }
  if (typeof at !== "object" || at === null) return undefined;
  return typeof Reflect.get(at, "create") === "function" ? at : undefined;
}

interface Place {
  readonly hosts: Hosts;
  readonly kind: ClientKind;
  readonly resource: Resource;
  readonly target: Target;
}

function observeCreate(owner: object, place: Place): void {
  replaceMethods(owner, {
    create: (create) =>
      intercept((receiver, args) => {
        const begun = begin(place, args);
        if (begun === undefined) return Reflect.apply(create, receiver, args);
        const { call, isStream } = begun;
        try {
          const result = currentCall.run(call, () => Reflect.apply(create, receiver, begun.args));
          return observeResult(result, call, isStream);
        } catch (error) {
          call.failed(error);
          throw error;
        }
      }),
  });
}

interface Begun {
  readonly call: ObservedCall;
  /** What the client is to be called with: the application's own, unless usage is asked for. */
  readonly args: unknown[];
  readonly isStream: boolean;
}

interface Body {
  readonly model?: unknown;
  readonly stream?: unknown;
  readonly stream_options?: unknown;
}

/** Undefined: the call cannot be measured. */
function begin({ hosts, kind, resource, target }: Place, args: unknown[]): Begun | undefined {
  return target.guard(() => {
    const { source, options } = target;
    const body = (args[0] ?? {}) as Body;
    const isStream = body.stream === true;
    const hidesUsage =
      isStream && options.asksForUsage && resource.asksForUsage === true && !isAsked(body);
    const measured = new MeasuredCall(source, {
      operation: resource.operation,
      provider: options.provider ?? hosts.provider() ?? kind.provider,
      model: typeof body.model === "string" ? body.model : undefined,
    });
    return {
      call: new ObservedCall(measured, kind.protocol, target.problems, { hidesUsage }),
      args: hidesUsage ? [asking(body), ...args.slice(1)] : args,
      isStream,
    };
  });
}

/** A client may learn its base URL late, or change it: it is read at each call and looked up where it is new. */
class Hosts {
  readonly #client: object;
  #baseUrl: unknown = undefined;
  #provider: string | undefined = undefined;

  constructor(client: object) {
    this.#client = client;
  }

  provider(): string | undefined {
    const baseUrl: unknown = Reflect.get(this.#client, "baseURL");
    if (baseUrl !== this.#baseUrl) {
      this.#baseUrl = baseUrl;
      this.#provider = providerOfHost(baseUrl);
    }
    return this.#provider;
  }
}

function isAsked({ stream_options: options }: Body): boolean {
  return typeof options === "object" && options !== null && "include_usage" in options;
}

const asking = (body: Body) => ({
  ...body,
  stream_options: { ...(body.stream_options as object | undefined), include_usage: true },
});
