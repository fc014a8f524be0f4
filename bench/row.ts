/** What a bench row is. */
import type { SystemKind } from "./system.ts";

/** What is better when it is smaller: CPU, time, memory. */
export interface Measure {
  /** Behind the row's name; "" for the only one. */
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  readonly goal?: Goal | undefined;
}

export type Goal =
  | { readonly kind: "ratio"; readonly atMost: number }
  | { readonly kind: "value"; readonly atMost: number };

export interface Sample {
  /** One for each of the row's measures. */
  readonly values: readonly number[];
  readonly itemsPerSecond?: number | undefined;
  readonly peakRssMegabytes?: number | undefined;
  readonly lostItems?: number | undefined;
}

export interface Row {
  readonly name: string;
  /** Which peer does the same work. */
  readonly against: "core" | "contrib" | "none";
  readonly measures: readonly Measure[];
  run(system: SystemKind): Promise<Sample>;
}

export const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

export const ratio = (atMost: number): Goal => ({ kind: "ratio", atMost });
export const value = (atMost: number): Goal => ({ kind: "value", atMost });

export const cpuPerItem = (item: string, goal?: Goal): Measure => ({
  name: "",
  unit: `µs CPU a ${item}`,
  digits: 3,
  goal,
});
