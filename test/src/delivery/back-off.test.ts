import { describe, expect, test } from "@jest/globals";
import { BackOff } from "../../../src/delivery/back-off.ts";
import { configOf } from "./support.ts";

const waits = (config: Record<string, unknown>, random: () => number, count: number) => {
  const backOff = new BackOff(configOf({ retry_on_failure: config }).retry_on_failure, random);
  return Array.from({ length: count }, () => backOff.nextMs());
};

describe("BackOff", () => {
  test("grows from initial_interval by multiplier to max_interval", () => {
    const config = { initial_interval: "1s", multiplier: 3, max_interval: "10s" };
    expect(waits(config, () => 0.5, 5)).toEqual([1000, 3000, 9000, 10_000, 10_000]);
  });

  test.each([
    [0, 0.5],
    [0.25, 0.75],
    [0.5, 1],
    [0.999_999, 1.5],
  ])("with the defaults, at random %d, the wait is %d times the interval", (random, factor) => {
    const [first, second] = waits({}, () => random, 2);
    expect(first! / 5000).toBeCloseTo(factor, 4);
    expect(second! / 7500).toBeCloseTo(factor, 4);
  });

  test("randomization_factor 0 is exact", () => {
    const config = { initial_interval: "2s", randomization_factor: 0, multiplier: 1 };
    expect(waits(config, Math.random, 3)).toEqual([2000, 2000, 2000]);
  });

  test("an initial_interval of 0 does not wait", () => {
    expect(waits({ initial_interval: "0s" }, Math.random, 2)).toEqual([0, 0]);
  });
});
