/** What all systems record. */

export type System = "ours" | "OTel SDK" | "prom-client";

/**
 * Each subject has a loop of its own in the source: the engine shares what it learns of one between all of its
 * closures.
 */
export interface Subject {
  /** The same for all systems. */
  readonly call: string;
  readonly system: System;
  readonly run: (calls: number) => void;
}

export type Attributes = {
  readonly route: string;
  readonly method: string;
  readonly status: number;
};

export const series = 90;
export const boundaries = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

export const attributes: readonly Attributes[] = Array.from({ length: series }, (_, i) => ({
  route: `/items/${i % 15}/:id`,
  method: i % 2 === 0 ? "GET" : "POST",
  status: 200 + Math.floor(i / 30),
}));

/** Log-normal around 60 ms; so many, because the processor learns a short sequence of buckets by heart. */
export const values = Float64Array.from({ length: 1024 }, (_, i) =>
  Math.exp(Math.sin(i * 7919) * 2 - 2.8),
);
export const valueMask = values.length - 1;
