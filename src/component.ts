/**
 * The contracts between components and the engine. A component folder holds one declaration
 * (`define*` below) that feeds types, defaults, validation, error texts, JSON Schema, README and CLI.
 */
import type { z } from "zod";
import type { CatalogueName } from "./catalogue.ts";
import type { Clock } from "./clock.ts";
import type { TelemetryError } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { Payload, Signal } from "./pdata/payload.ts";
import type { Listener, Metadata, ServerSpec } from "./transport.ts";

export type { Payload, Signal } from "./pdata/payload.ts";
export type { Listener, Metadata, ServerSpec } from "./transport.ts";

export type Kind = "receiver" | "processor" | "exporter" | "connector" | "extension";

/** `type[/name]`. */
export interface ComponentId {
  readonly kind: Kind;
  /** The current type name; an alias the user wrote is already resolved. */
  readonly type: string;
  /** As the user wrote it (`otlphttp/eu`); used in labels, logs and errors. */
  readonly text: string;
}

/** What travels beside a payload; plain data. */
export interface Context {
  /** Client metadata, where the receiver was told to include it (`include_metadata`). */
  readonly metadata?: Metadata | undefined;
  /** Label of the receiver's self-metrics: grpc, http, udp … */
  readonly transport?: string | undefined;
  /** Monotonic milliseconds. */
  readonly receivedMs: number;
  /** Monotonic milliseconds; the sender has given up after it. */
  readonly deadlineMs?: number | undefined;
}

/**
 * Takes responsibility for a payload. Whatever holds data books it synchronously, within the call; the
 * promise resolves when responsibility is taken and rejects with a TelemetryError when it is not
 * (the caller still has the data then).
 *
 * Who keeps a payload across an await reserves its heldBytes in the budget, and releases them in the tick in
 * which somebody else takes it over.
 */
export interface Consumer<S extends Signal = Signal> {
  consume(payload: Payload<S>, context: Context): Promise<void>;
}

/** A connection of the graph, owned by the engine: counts, fans out, is re-targeted by a reload. */
export interface Edge<S extends Signal = Signal> extends Consumer<S> {
  /** held: in memory once consume resolved. kept: on disk. */
  readonly assurance: "held" | "kept";
  /** Why the payload would be refused at this moment; undefined: it would be taken. */
  ready(payload: Payload<S>, context: Context): TelemetryError | undefined;
}

/** A pure function from payload to payload; undefined drops all of it. Most processors are this. */
export type Transform<S extends Signal = Signal> = (
  payload: Payload<S>,
  context: Context,
) => Payload<S> | undefined;

export interface Component {
  /** Listens, connects, opens. Rejects: the service does not start. */
  start?(): Promise<void>;
  /** Works without start, and twice. Delivers what it can until the signal aborts. */
  shutdown?(abort: AbortSignal): Promise<void>;
}

/** Holds data or state. `ready` absent: the edges behind are asked. */
export interface Stage<S extends Signal = Signal> extends Component, Consumer<S> {
  ready?(payload: Payload<S>, context: Context): TelemetryError | undefined;
  /** What it holds at this moment. */
  held?(): HeldCounts;
  /**
   * Gives up what it holds, oldest first, to a successor with another config, once what is on its way has been
   * answered; its budget share ends. Called by a reload before shutdown; absent: shutdown flushes instead.
   */
  surrender?(): Promise<readonly HeldPayload<S>[]>;
}

export interface HeldCounts {
  readonly items: number;
  readonly bytes: number;
}

export interface HeldPayload<S extends Signal = Signal> {
  readonly payload: Payload<S>;
  readonly context: Context;
}

/** What a backend said of a delivered payload. Anything it did not take is an error, thrown by push. */
export interface PushResult {
  /** partial_success: items the backend rejected. */
  readonly rejectedItems?: number;
  readonly message?: string;
}

/**
 * Sends to a backend. Throws TelemetryError: retryable or permanent, TOO_LARGE when a smaller payload might
 * pass. Queue, batching, retry and timeout stand in front of it (src/delivery).
 */
export interface Exporter<S extends Signal = Signal> extends Component {
  push(payload: Payload<S>, context: Context, abort: AbortSignal): Promise<PushResult>;
}

/** Counts buffers that live because of data, in bytes. */
export interface Budget {
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Reserves unless that exceeds the limit: for new data. */
  tryReserve(bytes: number): boolean;
  /** Reserves in any case: for data whose responsibility is handed over. */
  reserve(bytes: number): void;
  release(bytes: number): void;
}

export type Labels = Readonly<Record<string, string>>;

/** The only way to measure. Handles are bound once and kept; `add` on a hot path costs an addition. */
export interface Meter {
  counter(name: CatalogueName, labels?: Labels): { add(n: number): void };
  histogram(name: CatalogueName, labels?: Labels): { record(value: number): void };
  gauge(name: CatalogueName, read: () => number, labels?: Labels): void;
}

/** What a component says of its health; shown by zpages and health_check. */
export interface ComponentStatus {
  readonly state: "starting" | "ok" | "recoverable" | "permanent" | "stopping" | "stopped";
  readonly message?: string;
}

/** What the engine hands to a component instance. */
export interface Settings {
  readonly id: ComponentId;
  readonly log: Logger;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly meter: Meter;
  /** The only way to say that accepted data was lost. */
  drop(reason: string, items: number): void;
  /** Listens, possibly sharing the listener with components that name the same endpoint. */
  listen(server: ServerSpec): Promise<Listener>;
  /** Says where a component listens with sockets of its own, for who starts the service. */
  listensOn(protocol: "udp" | "tcp", addresses: readonly string[]): void;
  report(status: ComponentStatus): void;
  /** What an extension offers (see ExtensionInstance.offers); rejects a wrong id by config check. */
  use(extensionId: string): unknown;
  /** Reads of the running service, for health_check, zpages and self-telemetry. */
  readonly service: ServiceView;
}

/** Plain numbers of one edge. */
export interface EdgeCounts {
  readonly from: string;
  readonly to: string;
  readonly pipeline: string;
  readonly signal: Signal;
  readonly requests: number;
  readonly items: number;
  readonly bytes: number;
  readonly refusedItems: number;
  readonly heldItems: number;
  readonly heldBytes: number;
  readonly dropped: ReadonlyMap<string, number>;
}

/** A component instance as zpages shows it. */
export interface ComponentView {
  readonly id: ComponentId;
  /** Processors: one instance a pipeline. */
  readonly pipeline?: string | undefined;
  readonly status: ComponentStatus;
  readonly held: HeldCounts;
  /** Accepted by it and lost, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
}

export interface ServiceView {
  readonly startedMs: number;
  isReady(): boolean;
  edges(): readonly EdgeCounts[];
  components(): readonly ComponentView[];
  extensions(): readonly string[];
  recentErrors(): readonly { atMs: number; component: string; message: string }[];
}

export type Stability = "development" | "alpha" | "beta" | "stable";

interface Declaration<C extends z.ZodType> {
  /** lower_snake_case; also the folder's name. */
  readonly type: string;
  /** Older spellings; they load with a deprecation warning. */
  readonly aliases?: readonly string[];
  /** One sentence for README and CLI. */
  readonly summary: string;
  readonly config: C;
  /** The smallest config that is valid, for tests and `init`; {} when all keys have defaults. */
  readonly example: Readonly<Record<string, unknown>>;
}

type SignalStability = Partial<Readonly<Record<Signal, Stability>>>;

export interface ReceiverNext {
  readonly traces?: Edge<"traces">;
  readonly metrics?: Edge<"metrics">;
  readonly logs?: Edge<"logs">;
}

export interface ReceiverFactory<C extends z.ZodType = z.ZodType> extends Declaration<C> {
  readonly kind: "receiver";
  readonly stability: SignalStability;
  /** Once per id, for all signals. */
  create(args: { config: z.output<C>; next: ReceiverNext; settings: Settings }): Component;
}

export interface ProcessorFactory<C extends z.ZodType = z.ZodType> extends Declaration<C> {
  readonly kind: "processor";
  readonly stability: SignalStability;
  /** What must be routed or stay in one process when there are several. */
  readonly state: "none" | "perSeries" | "perTrace" | "perProcess";
  /** Once per pipeline. */
  create(args: { config: z.output<C>; signal: Signal; settings: Settings }): ProcessorInstance;
}

/** A processor is a pure function, or a stage made for the edge behind it. */
export type ProcessorInstance =
  | { readonly transform: Transform }
  | { readonly stage: (next: Edge) => Stage };

export interface ExporterFactory<C extends z.ZodType = z.ZodType> extends Declaration<C> {
  readonly kind: "exporter";
  readonly stability: SignalStability;
  /**
   * Once per id, for all signals; `signals` are those of the pipelines that lead to it. Throws CONFIG_INVALID for one
   * that it cannot serve as it is configured.
   */
  create(args: { config: z.output<C>; signals: readonly Signal[]; settings: Settings }): Exporter;
}

export interface ConnectorFactory<C extends z.ZodType = z.ZodType> extends Declaration<C> {
  readonly kind: "connector";
  /** Which signal it takes and which it gives. */
  readonly pairs: readonly {
    readonly from: Signal;
    readonly to: Signal;
    readonly stability: Stability;
  }[];
  /** Once per pair of signals. */
  create(args: {
    config: z.output<C>;
    from: Signal;
    to: Signal;
    next: ReadonlyMap<string, Edge>;
    settings: Settings;
  }): Stage;
}

export interface ExtensionFactory<C extends z.ZodType = z.ZodType> extends Declaration<C> {
  readonly kind: "extension";
  readonly stability: Stability;
  create(args: {
    config: z.output<C>;
    settings: Settings;
  }): Component & { readonly offers?: unknown };
}

export type Factory =
  | ReceiverFactory
  | ProcessorFactory
  | ExporterFactory
  | ConnectorFactory
  | ExtensionFactory;

type WithoutKind<F extends Factory> = Omit<F, "kind">;

export function defineReceiver<C extends z.ZodType>(
  f: WithoutKind<ReceiverFactory<C>>,
): ReceiverFactory<C> {
  return { kind: "receiver", ...f };
}
export function defineProcessor<C extends z.ZodType>(
  f: WithoutKind<ProcessorFactory<C>>,
): ProcessorFactory<C> {
  return { kind: "processor", ...f };
}
export function defineExporter<C extends z.ZodType>(
  f: WithoutKind<ExporterFactory<C>>,
): ExporterFactory<C> {
  return { kind: "exporter", ...f };
}
export function defineConnector<C extends z.ZodType>(
  f: WithoutKind<ConnectorFactory<C>>,
): ConnectorFactory<C> {
  return { kind: "connector", ...f };
}
export function defineExtension<C extends z.ZodType>(
  f: WithoutKind<ExtensionFactory<C>>,
): ExtensionFactory<C> {
  return { kind: "extension", ...f };
}
