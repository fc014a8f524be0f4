/** Component ids `type[/name]` and pipeline ids `signal[/name]`. */
import type { Signal } from "../pdata/payload.ts";

const typePattern = /^[a-zA-Z][0-9a-zA-Z_]{0,62}$/u;
/** No separators, control characters or symbols. */
const namePattern = /^[^\p{Z}\p{C}\p{S}]+$/u;
const maxNameLength = 1024;
const signals: readonly string[] = ["traces", "metrics", "logs"] satisfies Signal[];

export interface ParsedId {
  readonly type: string;
  /** Normalised: `otlp / a` is `otlp/a`. */
  readonly text: string;
}

export interface IdError {
  readonly error: string;
}

/** Splits at the first `/` and trims both parts. */
function splitId(text: string): { type: string; name?: string } | IdError {
  const slash = text.indexOf("/");
  const type = (slash < 0 ? text : text.slice(0, slash)).trim();
  const quoted = JSON.stringify(text);
  if (type === "") {
    if (slash < 0) return { error: "id must not be empty" };
    return { error: `in ${quoted} id: the part before / should not be empty` };
  }
  if (slash < 0) return { type };
  const name = text.slice(slash + 1).trim();
  if (name === "") return { error: `in ${quoted} id: the part after / should not be empty` };
  const invalid = nameError(name);
  if (invalid !== undefined) return { error: `in ${JSON.stringify(name)} id: ${invalid}` };
  return { type, name };
}

function nameError(name: string): string | undefined {
  const bytes = Buffer.byteLength(name);
  if (bytes > maxNameLength) {
    return `name ${JSON.stringify(name)} is longer than ${maxNameLength} characters (${bytes} characters)`;
  }
  return namePattern.test(name)
    ? undefined
    : `invalid character(s) in name ${JSON.stringify(name)}`;
}

/** A component id, or why the text is none. */
export function parseId(text: string): ParsedId | IdError {
  const split = splitId(text);
  if ("error" in split) return split;
  const { type, name } = split;
  if (!typePattern.test(type)) {
    const reason = `invalid character(s) in type ${JSON.stringify(type)}`;
    return { error: `in ${JSON.stringify(text)} id: ${reason}` };
  }
  return { type, text: name === undefined ? type : `${type}/${name}` };
}

export interface PipelineId {
  readonly signal: Signal;
  readonly text: string;
}

/** A pipeline id, or why the text is none. */
export function parsePipelineId(text: string): PipelineId | IdError {
  const split = splitId(text);
  if ("error" in split) return split;
  const { type, name } = split;
  if (type === "profiles") {
    const reason = "profiling signal support is at alpha level, not in this version";
    return { error: `pipeline ${JSON.stringify(text)}: ${reason}` };
  }
  if (!signals.includes(type)) {
    const reason = `unknown pipeline signal: ${JSON.stringify(type)}`;
    return { error: `in ${JSON.stringify(text)} id: ${reason}` };
  }
  return { signal: type as Signal, text: name === undefined ? type : `${type}/${name}` };
}
