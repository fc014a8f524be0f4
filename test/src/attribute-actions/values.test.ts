import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import {
  type ConvertedType,
  convertedValue,
  encodeValue,
  hashOfValue,
  textOfValue,
  valueFromConfig,
  valueOf,
} from "../../../src/attribute-actions/values.ts";
import type { AttributeValue } from "../../../src/pdata/attributes.ts";

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

describe("hash", () => {
  test.each<[AttributeValue, Buffer]>([
    ["text", Buffer.from("text")],
    ["", Buffer.alloc(0)],
    ["größe", Buffer.from("größe", "utf8")],
    [true, Buffer.from([1])],
    [false, Buffer.from([0])],
    [-2n, Buffer.from("feffffffffffffff", "hex")],
    [1.5, Buffer.from("000000000000f83f", "hex")],
  ])("%p", (value, bytes) => {
    expect(hashOfValue(value)).toBe(sha256(bytes));
  });

  test.each<[AttributeValue]>([[[1n]], [new Map()], [Uint8Array.of(1)], [undefined]])(
    "%p has nothing to hash",
    (value) => {
      expect(hashOfValue(value)).toBe("");
    },
  );
});

describe("convert", () => {
  test.each<[AttributeValue, ConvertedType, AttributeValue]>([
    ["123", "int", 123n],
    ["+5", "int", 5n],
    ["-9223372036854775808", "int", -(2n ** 63n)],
    ["9223372036854775808", "int", undefined],
    ["1.0", "int", undefined],
    [" 1", "int", undefined],
    ["", "int", undefined],
    ["9".repeat(500), "int", undefined],
    [1.9, "int", 1n],
    [-1.9, "int", -1n],
    [Number.NaN, "int", undefined],
    [1e300, "int", undefined],
    [true, "int", 1n],
    [[1n], "int", undefined],
    [1n, "int", undefined],
    ["1.5", "double", 1.5],
    [".5e1", "double", 5],
    ["5.", "double", 5],
    ["-Inf", "double", -Infinity],
    ["infinity", "double", Infinity],
    ["nan", "double", Number.NaN],
    ["1e999", "double", undefined],
    ["1_0", "double", undefined],
    ["x", "double", undefined],
    [2n, "double", 2],
    [false, "double", 0],
    [1.5, "double", undefined],
    [12n, "string", "12"],
    [1.5, "string", "1.5"],
    [true, "string", "true"],
    [[1n, "a"], "string", '[1,"a"]'],
    [new Map([["b", 1n]]), "string", '{"b":1}'],
    [Uint8Array.of(255), "string", "/w=="],
    ["same", "string", undefined],
  ])("%p to %s is %p", (value, type, converted) => {
    expect(convertedValue(value, type)).toEqual(converted);
  });
});

test("values of a config keep their types", () => {
  const raw = { int: 1, float: 1.5, text: "a", yes: true, list: [1, "b"], big: 2n ** 63n - 1n };
  const value = valueFromConfig(raw) as Map<string, AttributeValue>;
  expect(Object.fromEntries(value)).toEqual({
    int: 1n,
    float: 1.5,
    text: "a",
    yes: true,
    list: [1n, "b"],
    big: 2n ** 63n - 1n,
  });
  expect(valueOf(encodeValue(value))).toEqual(value);
  expect(valueFromConfig(null)).toBeUndefined();
});

test("a text is its own text", () => {
  expect([textOfValue("a"), textOfValue(1n), textOfValue(undefined)]).toEqual(["a", "1", ""]);
});
