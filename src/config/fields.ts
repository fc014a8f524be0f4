/**
 * The vocabulary in which component configs are declared. Each config is a zod schema built from these, and
 * that one declaration gives the TypeScript type, defaults, validation, error texts, the JSON Schema for
 * editors and the README table.
 *
 * Every upstream key is classed: effective (plain field), accepted without effect (`accepted`, warned about
 * once at start with the reason) or refused (`refused`, a config error with the reason).
 */
import { z } from "zod";
import { durationProblem, formatDuration, parseDuration } from "./duration.ts";

// A configuration is parsed once: compiling each schema to a function first costs more than it saves.
z.config({ jitless: true });

/** Extra facts about a field, kept in zod's metadata beside `description`. */
export interface FieldMeta {
  /** "accepted": parsed, no effect, warned about. "refused": its presence is an error. Absent: effective. */
  readonly effect?: "accepted" | "refused";
  readonly reason?: string;
  /** The flavour of an optional section (research: config/configoptional). */
  readonly section?: SectionFlavour;
  /** A duration field: a bare integer means nanoseconds and is warned about. */
  readonly duration?: true;
  readonly secret?: true;
}

/**
 * How an optional section behaves (collector.md 1.6):
 *
 * | flavour | key absent       | `key:` or `{}`   | `enabled: false` inside |
 * |---------|------------------|------------------|-------------------------|
 * | default | off              | on with defaults | off                     |
 * | some    | on with defaults | on with defaults | off                     |
 * | none    | off              | null: off, {}: on| (no such key)           |
 *
 * "Off" is `undefined` in the parsed config.
 */
export type SectionFlavour = "default" | "some" | "none";

/** A section with exactly these keys; an unknown key is an error. A null body means all defaults. */
export function section<Shape extends z.ZodRawShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape);
}

/** An optional section of the given flavour; parsed to the section or `undefined`. */
export function optionalSection<T extends z.ZodType>(
  flavour: SectionFlavour,
  schema: T,
): z.ZodOptional<T> {
  return schema.optional().meta({ section: flavour });
}

/** A key that the Collector knows and that has no effect here; said once at start, with the reason. */
export function accepted<T extends z.ZodType>(schema: T, reason: string): z.ZodOptional<T> {
  return schema.optional().meta({ effect: "accepted", reason });
}

/** A key that the Collector knows and that would change what the user gets: its presence is an error. */
export function refused(reason: string): z.ZodOptional<z.ZodUnknown> {
  return z.unknown().optional().meta({ effect: "refused", reason });
}

/** A Go duration such as `1m30s`; parsed to milliseconds (fractions allowed). */
export function duration() {
  return z
    .union([z.string(), z.number()])
    .transform((value, context) => {
      const ms = typeof value === "number" ? value / 1e6 : parseDuration(value);
      if (ms === undefined) {
        context.addIssue({
          code: "custom",
          message: durationProblem(String(value)),
          params: { hint: "a duration is a number with a unit, such as 300ms, 1.5s or 1h30m" },
        });
        return z.NEVER;
      }
      return ms;
    })
    .meta({ duration: true });
}

/** A duration with a default, written as the user would write it. */
export function durationWithDefault(text: string) {
  return duration().prefault(text).meta({ duration: true });
}

/** An integer; `0123` and `0x1f` are read as YAML 1.1 does. */
export const int = () => z.int();
/** An integer of at least 0 (Go's uint types). */
export const uint = () => z.int().nonnegative();

/**
 * A value that must never be shown: every text form of it is `[REDACTED]`. Read it with `reveal()` at the
 * place of use.
 */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return "[REDACTED]";
  }
  toJSON(): string {
    return "[REDACTED]";
  }
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "[REDACTED]";
  }
}

export function secret() {
  return z
    .string()
    .transform((value) => new Secret(value))
    .meta({ secret: true });
}

/** The metadata of a field, also through optional and default wrappers. */
export function fieldMeta(schema: z.core.$ZodType): FieldMeta & { description?: string } {
  return (z.globalRegistry.get(schema) ?? {}) as FieldMeta & { description?: string };
}

export { formatDuration, parseDuration, z };
