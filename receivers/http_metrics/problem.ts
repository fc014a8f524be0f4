/** Why an item, or a whole request, is not taken. */
export interface Problem {
  readonly field: string | null;
  readonly code: ProblemCode;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}

export type ProblemCode =
  | "malformed_json"
  | "not_utf8"
  | "empty"
  | "too_many_points"
  | "too_large"
  | "required"
  | "wrong_type"
  | "not_finite"
  | "negative"
  | "out_of_range"
  | "unknown_field"
  | "unknown_type"
  | "not_allowed"
  | "timestamp"
  | "type_conflict"
  | "overflow";

export const problem = (field: string | null, code: ProblemCode, message: string): Problem => ({
  field,
  code,
  message,
});

/** A text of a client, in a message: quoted and short. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
