import { describe, expect, test } from "@jest/globals";
import {
  enumName,
  formatAttributeDouble,
  formatFixed,
  formatGeneral,
  formatTimestamp,
} from "../../../exporters/debug/go-format.ts";

describe("%f", () => {
  test.each([
    [1.23, "1.230000"],
    [0, "0.000000"],
    [-0, "-0.000000"],
    [1e-7, "0.000000"],
    [-1e-7, "-0.000000"],
    // Exact ties at the seventh decimal go to the even digit.
    [0.0078125, "0.007812"],
    [0.0234375, "0.023438"],
    [-0.0078125, "-0.007812"],
    [1e21, "1000000000000000000000.000000"],
    [1e23, "99999999999999991611392.000000"],
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
  ])("%d is %s", (value, text) => {
    expect(formatFixed(value)).toBe(text);
  });
});

describe("%v", () => {
  test.each([
    [0, "0"],
    [-0, "-0"],
    [1.5, "1.5"],
    [123456, "123456"],
    [1000000, "1e+06"],
    [123456789, "1.23456789e+08"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [-2.5e-7, "-2.5e-07"],
    [1e100, "1e+100"],
    [Number.POSITIVE_INFINITY, "+Inf"],
  ])("%d is %s", (value, text) => {
    expect(formatGeneral(value)).toBe(text);
  });
});

test.each([
  [1e21, "1e+21"],
  [1e-7, "1e-7"],
  [123456789, "123456789"],
  [-0, "-0"],
  [Number.NaN, "json: unsupported value: NaN"],
])("the attribute value %d is %s", (value, text) => {
  expect(formatAttributeDouble(value)).toBe(text);
});

test.each([
  ["0", "1970-01-01 00:00:00 +0000 UTC"],
  ["1581452772000000321", "2020-02-11 20:26:12.000000321 +0000 UTC"],
  ["1581452772100000000", "2020-02-11 20:26:12.1 +0000 UTC"],
  ["18446744073709551615", "1969-12-31 23:59:59.999999999 +0000 UTC"],
  ["9223372036854775808", "1677-09-21 00:12:43.145224192 +0000 UTC"],
])("the time %s is %s", (nanoseconds, text) => {
  expect(formatTimestamp(nanoseconds)).toBe(text);
});

test("values without a name have an empty one", () => {
  expect(enumName("severity", 24)).toBe("Fatal4");
  expect(enumName("severity", 25)).toBe("");
  expect(enumName("spanKind", -1)).toBe("");
});
