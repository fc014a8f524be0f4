/** gRPC status codes (grpc/doc/statuscodes.md). */
export const grpcCode = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const texts = new Map<number, string>(
  Object.entries(grpcCode).map(([name, code]) => [code, goName(name)]),
);

/** A code as grpc-go prints it: `Unavailable`, `Code(77)` for unknown ones. */
export function grpcCodeText(code: number): string {
  return texts.get(code) ?? `Code(${code})`;
}

const names = new Map<number, string>(Object.entries(grpcCode).map(([name, code]) => [code, name]));

/** A code as the semantic conventions write it: `UNAVAILABLE`; unknown ones are UNKNOWN to clients. */
export function grpcCodeName(code: number): string {
  return names.get(code) ?? "UNKNOWN";
}

function goName(name: string): string {
  if (name === "OK") return name;
  if (name === "CANCELLED") return "Canceled";
  return name
    .toLowerCase()
    .replace(/(?:^|_)([a-z])/gu, (_, letter: string) => letter.toUpperCase());
}
