import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { floatText, openMetricsFloat } from "../../../src/prometheus/number-text.ts";

/** What strconv.FormatFloat(value, 'g', -1, 64) writes, from JavaScript's digits. */
function goText(value: number): string {
  const [, sign, first, rest = "", exponentText] = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/u.exec(
    value.toExponential(),
  )!;
  const exponent = Number(exponentText);
  const digits = `${first}${rest}`;
  // For the shortest digits, `g` decides as if six were asked for.
  if (exponent < -4 || exponent >= 6) {
    const fraction = rest === "" ? "" : `.${rest}`;
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${first}${fraction}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

const finite = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.tuple(fc.integer(), fc.integer({ min: -30, max: 30 })).map(([a, b]) => a * 10 ** b),
);

describe("numbers", () => {
  test("are those of Go, and read back as the same number", () => {
    fc.assert(
      fc.property(finite, (value) => {
        const plain = value + 0 === 0 ? 0 : value;
        expect(floatText(value)).toBe(goText(plain));
        expect(Number(floatText(value))).toBe(plain);
      }),
      { numRuns: 2000 },
    );
  });

  test("of OpenMetrics have a point or an exponent", () => {
    fc.assert(
      fc.property(finite, (value) => {
        const text = openMetricsFloat(value);
        expect(text).toMatch(/[.e]/u);
        expect(text === floatText(value) || text === `${floatText(value)}.0`).toBe(true);
      }),
    );
  });

  test.each([
    [NaN, "NaN"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
  ])("%p", (value, text) => {
    expect(floatText(value)).toBe(text);
    expect(openMetricsFloat(value)).toBe(text);
  });
});
