import { describe, expect, test } from "@jest/globals";
import { type Field, type FieldKind, otlpMessages } from "../../../src/pdata/otlp-schema.ts";
import { messageNames } from "../../../src/pdata/verify-table.ts";
import { protoType } from "../../support/otlp-proto.ts";

/** Kinds that the proto has no word for, and enums, which the test's proto declares as int32. */
const protoKinds: Partial<Record<FieldKind, string>> = {
  traceId: "bytes",
  spanId: "bytes",
  enum: "int32",
};

const byNumber = (a: { number: number }, b: { number: number }) => a.number - b.number;

describe("the schema table agrees with opentelemetry-proto", () => {
  test.each(messageNames)("%s", (name) => {
    const type = protoType(name);
    const expected = type.fieldsArray.map((field) => ({
      number: field.id,
      name: field.name,
      type: field.type,
      repeated: field.repeated,
    }));
    const fields: readonly Field[] = otlpMessages[name];
    const actual = fields.map((field) => ({
      number: field.number,
      name: field.name,
      type: field.message ?? protoKinds[field.kind] ?? field.kind,
      repeated: field.repeated === true,
    }));
    expect(actual.toSorted(byNumber)).toEqual(expected.toSorted(byNumber));
  });

  test.each(messageNames)("%s: oneofs and presence", (name) => {
    const type = protoType(name);
    for (const field of otlpMessages[name]) {
      const oneof = type.fields[field.name]!.partOf;
      const isOptional = type.fields[field.name]!.options?.["proto3_optional"] === true;
      expect([field.name, field.presence === true]).toEqual([field.name, oneof !== null]);
      expect([field.name, field.oneof]).toEqual([
        field.name,
        isOptional || oneof === null ? undefined : oneof.name,
      ]);
    }
  });
});
