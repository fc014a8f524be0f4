/** What calls of language models came to, for the application and in metrics. */
import { expect } from "@jest/globals";
import type { Bench, Point } from "./instrument-points.ts";

export const named = (points: readonly Point[], metric: string): Point[] =>
  points.filter((point) => point.metric === metric);

export const operations = (points: readonly Point[]): Point[] =>
  named(points, "gen_ai.client.operation.duration");

/** Each operation as its error and how often; without an error: undefined. */
export const errorTypes = (points: readonly Point[]): unknown[] =>
  operations(points).map((p) => [p.attributes["error.type"], p.count]);

export const retries = (points: readonly Point[]): unknown[] =>
  named(points, "repomind.llm.retries").map((p) => [p.attributes["error.type"], p.value]);

export const tokenSums = (points: readonly Point[]): unknown[] =>
  named(points, "gen_ai.client.token.usage").map((p) => [p.attributes["gen_ai.token.type"], p.sum]);

/** What a scenario returns or throws; errors by what an application can tell them apart by. */
export async function outcomeOf(scenario: () => unknown): Promise<unknown> {
  try {
    return { returned: await scenario() };
  } catch (error) {
    const { constructor, message, status, code } = error as Error & {
      status?: number;
      code?: string;
    };
    return { thrown: constructor.name, message, status, code };
  }
}

/** Prompts, answers and keys of the tests have this in them. */
export function expectNoMarkers(bench: Bench): void {
  expect(JSON.stringify([bench.collect(), bench.said])).not.toContain("MARKER");
}

export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What a method shows of itself: its name and the number of its parameters. */
export function shapeOf(object: object, method: string): unknown[] {
  const { name, length } = Reflect.get(object, method) as () => void;
  return [name, length];
}
