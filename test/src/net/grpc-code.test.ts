import { expect, test } from "@jest/globals";
import { grpcCodeText } from "../../../src/net/grpc-code.ts";

/** google.golang.org/grpc/codes, code_string.go. */
const names = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

test.each(names.map((name, code) => [code, name] as const))("%d is %s, as in Go", (code, name) => {
  expect(grpcCodeText(code)).toBe(name);
});

test.each([17, -1, 1000])("%d has no name", (code) => {
  expect(grpcCodeText(code)).toBe(`Code(${code})`);
});
