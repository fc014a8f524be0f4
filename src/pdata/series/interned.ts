import { Cursor } from "../wire.ts";
import { type Attribute, canonicalText, decodeAttributes } from "./attributes.ts";
import type { DataKind, PointLayout } from "./kinds.ts";

/** Bytes that interned objects own, many in one buffer: a typed array of its own would cost 200 bytes each. */
export interface Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** What the user of an interner notes on its objects. */
export interface Memos {
  readonly resource: unknown;
  readonly scope: unknown;
  readonly metric: unknown;
  readonly series: unknown;
}

const emptySlab: Slab = { bytes: new Uint8Array(0), view: new DataView(new ArrayBuffer(0)) };

/** Generations of what is in no cache: evicted, or never in one because it or its parent is too large. */
export const evicted = -1;
export const passing = -2;

/**
 * What was recognised by its raw bytes within its parent. Belongs to the cache it came from; `memo` belongs to
 * the user of that cache. The same object means the same content, never the converse: an evicted object comes
 * back as another one, and one content has several byte forms. State is therefore kept by content.
 */
export abstract class Interned<Self = unknown, M = unknown> {
  readonly hash: number;
  /** Anything that follows from the content alone. */
  memo: M | undefined = undefined;
  /** What came next last time: usually what comes next this time. Both are in the cache; see `follow`. */
  follower: Self | undefined = undefined;
  /** The generation of the cache that holds it; below 0: none does. */
  generation = evicted;
  slab: Slab = emptySlab;
  offset = 0;
  readonly length: number;

  constructor(hash: number, length: number) {
    this.hash = hash;
    this.length = length;
  }

  abstract readonly parent: Interned | undefined;

  /** Bytes of what was decoded from the key, about. */
  get decodedBytes(): number {
    return 0;
  }
}

/** A decoded attribute's object and the heads of its two texts. */
const attributeBytes = 100;

/** Texts have up to two bytes a byte of the key. */
const decodedFrom = (length: number, attributes: readonly Attribute[]) =>
  length * 2 + attributes.length * attributeBytes;

/**
 * A key that is put together begins with a number: for resources and scopes the length of that message (the
 * schema URL follows it), for metrics their kind and traits.
 *
 *     Resource, Scope: length of message:4  message  schema URL
 *     Metric:          traits:4  name, description, unit and metadata fields as they came
 *     Series:          attribute fields as they came (no number)
 */
export const headerBytes = 4;

/** A resource with its schema URL; `key` is without its header. */
export class Resource<M extends Memos = Memos> extends Interned<Resource<M>, M["resource"]> {
  readonly parent = undefined;
  readonly schemaUrl: string;
  readonly attributes: readonly Attribute[];

  constructor(hash: number, key: Uint8Array, resourceLength: number) {
    super(hash, headerBytes + key.length);
    this.schemaUrl = Buffer.from(key.subarray(resourceLength)).toString();
    this.attributes = decodeAttributes(key, 0, resourceLength, 1);
  }

  override get decodedBytes(): number {
    return decodedFrom(this.length, this.attributes);
  }

  /** The content as text; equal for equal content. */
  get canonical(): string {
    return JSON.stringify([this.schemaUrl, canonicalText(this.attributes)]);
  }
}

/** A scope of a resource. */
export class Scope<M extends Memos = Memos> extends Interned<Scope<M>, M["scope"]> {
  readonly parent: Resource<M>;
  readonly name: string;
  readonly version: string;
  readonly schemaUrl: string;
  readonly attributes: readonly Attribute[];

  constructor(parent: Resource<M>, hash: number, key: Uint8Array, scopeLength: number) {
    super(hash, headerBytes + key.length);
    this.parent = parent;
    this.schemaUrl = Buffer.from(key.subarray(scopeLength)).toString();
    let name = "";
    let version = "";
    const cursor = new Cursor().reset(key, 0, scopeLength);
    while (cursor.next()) {
      if (cursor.number === 1) name = cursor.string();
      else if (cursor.number === 2) version = cursor.string();
    }
    this.name = name;
    this.version = version;
    this.attributes = decodeAttributes(key, 0, scopeLength, 3);
  }

  override get decodedBytes(): number {
    return decodedFrom(this.length, this.attributes);
  }

  get canonical(): string {
    return JSON.stringify([
      this.parent.canonical,
      this.name,
      this.version,
      this.schemaUrl,
      canonicalText(this.attributes),
    ]);
  }
}

/** What stands beside the points of a metric. */
export interface DataTraits {
  readonly layout: PointLayout;
  /** OTLP's numbers: 0 unspecified, 1 delta, 2 cumulative; 0 for gauges and summaries. */
  readonly temporality: number;
  readonly monotonic: boolean;
}

/** A metric of a scope, without its points. */
export class Metric<M extends Memos = Memos> extends Interned<Metric<M>, M["metric"]> {
  readonly parent: Scope<M>;
  readonly name: string;
  readonly description: string;
  readonly unit: string;
  readonly layout: PointLayout;
  readonly temporality: number;
  readonly monotonic: boolean;
  readonly metadata: readonly Attribute[];

  constructor(parent: Scope<M>, hash: number, key: Uint8Array, traits: DataTraits) {
    super(hash, headerBytes + key.length);
    this.parent = parent;
    this.layout = traits.layout;
    this.temporality = traits.temporality;
    this.monotonic = traits.monotonic;
    let name = "";
    let description = "";
    let unit = "";
    const cursor = new Cursor().reset(key);
    while (cursor.next()) {
      if (cursor.number === 1) name = cursor.string();
      else if (cursor.number === 2) description = cursor.string();
      else if (cursor.number === 3) unit = cursor.string();
    }
    this.name = name;
    this.description = description;
    this.unit = unit;
    this.metadata = decodeAttributes(key, 0, key.length, 12);
  }

  override get decodedBytes(): number {
    return decodedFrom(this.length, this.metadata);
  }

  get kind(): DataKind {
    return this.layout.kind;
  }

  get canonical(): string {
    return JSON.stringify([
      this.parent.canonical,
      this.name,
      this.description,
      this.unit,
      this.kind,
      this.temporality,
      this.monotonic,
      canonicalText(this.metadata),
    ]);
  }
}

/** One time series as the sender names it: resource, scope, metric and the point's attributes. */
export class Series<M extends Memos = Memos> extends Interned<Series<M>, M["series"]> {
  readonly parent: Metric<M>;

  constructor(parent: Metric<M>, hash: number, length: number) {
    super(hash, length);
    this.parent = parent;
  }

  /** Decoded at each call, in the order of their keys: keep what follows from them in `memo`. */
  attributes(): Attribute[] {
    const end = this.offset + this.length;
    return decodeAttributes(this.slab.bytes, this.offset, end, this.parent.layout.attributes);
  }

  /** Equal for equal series, whatever the order of fields or attributes in their bytes. */
  get canonical(): string {
    return JSON.stringify([this.parent.canonical, canonicalText(this.attributes())]);
  }
}
