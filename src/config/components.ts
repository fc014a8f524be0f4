/** The sections of components: ids, types, bodies. */
import { createHash } from "../node-crypto.ts";
import { decode } from "./decode.ts";
import { parseId } from "./ids.ts";
import { isCollectorType, missingTypeHint } from "./known-types.ts";
import type { Notice, Problem } from "./problems.ts";
import {
  type ComponentId,
  type Factory,
  type Kind,
  kinds,
  type Registry,
  type RegistryType,
  sections,
} from "./registry-contract.ts";
import { fieldOf, keysOf } from "./shape.ts";
import type { Position } from "./source.ts";
import { nearest } from "./suggest.ts";
import { type ConfigNode, canonicalText, child, isNull, kindName, type MapNode } from "./tree.ts";

/** A configured component whose body is right. */
export interface ResolvedComponent {
  readonly id: ComponentId;
  readonly factory: Factory;
  /** Parsed by the factory's schema. */
  readonly config: unknown;
  /** Equal exactly when type and resolved input are; holds no secret. For comparison at a reload. */
  readonly fingerprint: string;
}

/** A component as written, whether its body is right or not: references to it are no mistakes. */
export interface DeclaredComponent {
  readonly kind: Kind;
  readonly text: string;
  readonly keyAt: Position;
  readonly factory: Factory | undefined;
}

export interface ComponentSections {
  /** By `kind:id`. */
  readonly resolved: ReadonlyMap<string, ResolvedComponent>;
  readonly declared: ReadonlyMap<string, DeclaredComponent>;
}

export interface Findings {
  readonly problems: Problem[];
  readonly notices: Notice[];
  /** Nodes that must not be shown. */
  readonly secrets: Set<ConfigNode>;
}

/** Reads all component sections; every mistake goes to the findings. */
export async function readComponents(
  root: MapNode,
  registry: Registry,
  findings: Findings,
): Promise<ComponentSections> {
  const resolved = new Map<string, ResolvedComponent>();
  const declared = new Map<string, DeclaredComponent>();
  for (const kind of kinds) {
    let above: Above | undefined;
    for (const entry of readIds(root, kind, findings)) {
      const reader = new ComponentReader(kind, registry, findings);
      const component = await reader.read(entry, above);
      const { text, keyAt } = entry;
      above = component.factory === undefined ? above : { text, factory: component.factory };
      declared.set(`${kind}:${text}`, { kind, text, keyAt, factory: component.factory });
      if (component.resolved !== undefined) resolved.set(`${kind}:${text}`, component.resolved);
    }
  }
  return { resolved, declared };
}

interface Written {
  readonly type: string;
  readonly text: string;
  readonly keyAt: Position;
  readonly body: ConfigNode;
}

function readIds(root: MapNode, kind: Kind, findings: Findings): Written[] {
  const section = sections[kind];
  const node = child(root, section);
  if (node === undefined || isNull(node)) return [];
  const fail = (message: string, at: Position, path: string[] = []) =>
    void findings.problems.push({
      stage: "decode",
      message: `'${section}' ${message}`,
      section,
      path: [section, ...path],
      at,
    });
  if (node.kind !== "map") {
    fail(`expected a map, got '${kindName(node)}'`, node.at);
    return [];
  }
  const written = new Map<string, Written>();
  for (const [key, { keyAt, value }] of node.entries) {
    const id = parseId(key);
    if ("error" in id) fail(id.error, keyAt, [key]);
    else if (written.has(id.text)) {
      fail(`duplicate name ${JSON.stringify(key)} after unmarshaling ${id.text}`, keyAt, [key]);
    } else written.set(id.text, { ...id, keyAt, body: value });
  }
  return [...written.values()];
}

/** The component written before: what is indented too little may be meant for it. */
interface Above {
  readonly text: string;
  readonly factory: Factory;
}

class ComponentReader {
  readonly #kind: Kind;
  readonly #registry: Registry;
  readonly #findings: Findings;

  constructor(kind: Kind, registry: Registry, findings: Findings) {
    this.#kind = kind;
    this.#registry = registry;
    this.#findings = findings;
  }

  async read(
    written: Written,
    above: Above | undefined,
  ): Promise<{ factory: Factory | undefined; resolved?: ResolvedComponent }> {
    const type = this.#currentType(written);
    const factory = type === undefined ? undefined : await this.#registry.find(this.#kind, type);
    if (factory === undefined) {
      this.#unknownType(written, above);
      return { factory };
    }
    const { text, body, keyAt } = written;
    const section = sections[this.#kind];
    const decoded = decode(factory.config, body, [section, text], keyAt);
    for (const issue of decoded.issues)
      this.#findings.problems.push({ ...issue, section, id: text });
    this.#findings.notices.push(...decoded.notices);
    for (const secret of decoded.secrets) this.#findings.secrets.add(secret);
    if (decoded.issues.length > 0) return { factory };
    const id: ComponentId = { kind: this.#kind, type: factory.type, text };
    const fingerprint = fingerprintOf(factory.type, body);
    return { factory, resolved: { id, factory, config: decoded.value, fingerprint } };
  }

  /** The type's current name; an alias is noticed. */
  #currentType({ type, text, keyAt }: Written): string | undefined {
    const types = this.#registry.types(this.#kind);
    if (types.some((row) => row.type === type)) return type;
    const row = types.find(({ aliases }) => aliases.includes(type));
    if (row === undefined) return undefined;
    const message = `${JSON.stringify(type)} alias is deprecated; use ${JSON.stringify(row.type)} instead`;
    const path = [sections[this.#kind], text];
    this.#findings.notices.push({ level: "warn", message, path, at: keyAt });
    return row.type;
  }

  #unknownType({ type, text, keyAt }: Written, above: Above | undefined): void {
    const section = sections[this.#kind];
    const valid = this.#registry.types(this.#kind);
    const deprecated = this.#kind === "exporter" && type === "logging";
    const message = deprecated
      ? "the logging exporter has been deprecated, use the debug exporter instead"
      : `unknown type: ${JSON.stringify(type)} for id: ${JSON.stringify(text)} (valid values: [${listTypes(valid)}])`;
    this.#findings.problems.push({
      stage: "decode",
      message: `'${section}' ${message}`,
      section,
      path: [section, text],
      at: keyAt,
      hint: deprecated ? undefined : this.#unknownTypeHint(type, valid, above),
    });
  }

  #unknownTypeHint(
    type: string,
    valid: readonly RegistryType[],
    above: Above | undefined,
  ): string | undefined {
    const kind = this.#kind;
    if (above !== undefined && keysOf(fieldOf(above.factory.config)).includes(type)) {
      const key = JSON.stringify(type);
      return `${key} is a key of ${JSON.stringify(above.text)} above it: check the indentation`;
    }
    if (isCollectorType(kind, type)) return missingTypeHint(kind, type);
    const elsewhere = kinds.find(
      (other) =>
        isCollectorType(other, type) ||
        this.#registry.types(other).some((row) => isNamed(row, type)),
    );
    if (elsewhere !== undefined) return `${type} is ${article(elsewhere)}, not ${article(kind)}`;
    const near = nearest(
      type,
      valid.flatMap((row) => [row.type, ...row.aliases]),
    );
    return near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`;
  }
}

const isNamed = (row: RegistryType, type: string) =>
  row.type === type || row.aliases.includes(type);
const article = (kind: Kind) => (/^[aeiou]/u.test(kind) ? `an ${kind}` : `a ${kind}`);
const listTypes = (types: readonly RegistryType[]) =>
  types
    .map((row) => row.type)
    .toSorted()
    .join(" ");

/** A digest: the canonical text holds secrets. */
const fingerprintOf = (type: string, body: ConfigNode) =>
  createHash("sha256")
    .update(`${type}\n${canonicalText(body)}`)
    .digest("base64url");
