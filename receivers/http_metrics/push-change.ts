/** What a push makes of its group, and what is sent on of it. */
import type { ParsedFamily } from "../../src/prometheus/parse/family.ts";
import { type Families, type Group, resourceOf } from "./group.ts";
import type { GroupLabels, PushPath } from "./push-path.ts";
import { endOf, type StoredFamily, storedFamily } from "./stored-family.ts";

export const pushTimeName = "push_time_seconds";
export const failureTimeName = "push_failure_time_seconds";

/** put: the group becomes the push. post: families of the same names are replaced. */
export type PushMode = "put" | "post";

export interface Change {
  readonly group: Group;
  /** What is sent on: what came, and the end of the series that are no more. */
  readonly sent: readonly StoredFamily[];
  readonly timeNs: bigint;
}

/** In steps. Throws PushProblem when series are there twice. */
export function* changeOf(
  path: PushPath,
  before: Group | undefined,
  families: readonly ParsedFamily[],
  mode: PushMode,
  nowNs: bigint,
): Generator<void, Change> {
  const { labels } = path;
  const old: Families = before?.families ?? new Map();
  // What was deleted ends: nothing goes on from it, also where a POST would have left it.
  const going: Families = before?.isEnding === true ? new Map() : old;
  const fresh = new Map<string, StoredFamily>();
  for (const [name, parts] of byName(families)) {
    fresh.set(name, yield* storedFamily(parts, labels, going.get(name), nowNs));
  }
  const pushed = timeFamily(
    pushTimeName,
    "Last Unix time when changing this group in the Pushgateway succeeded.",
    seconds(nowNs),
  );
  fresh.set(pushTimeName, yield* storedFamily([pushed], labels, old.get(pushTimeName), nowNs));
  const failure = going.get(failureTimeName) ?? (yield* failureFamily(labels, undefined, 0n));
  fresh.set(failureTimeName, failure);
  const kept = mode === "post" ? new Map([...going, ...fresh]) : fresh;
  const ends: StoredFamily[] = [];
  for (const [name, family] of old) {
    const after = kept.get(name);
    const end = after === family ? undefined : yield* endOf(family, after);
    if (end !== undefined) ends.push(end);
  }
  const resource = before?.resource ?? resourceOf(labels);
  return {
    group: { labels, resource, families: kept, isEnding: false },
    sent: [...ends, ...fresh.values()],
    timeNs: nowNs,
  };
}

/** The group after a push that was refused for what it said. */
export function* failedChange(group: Group, nowNs: bigint): Generator<void, Group> {
  const { labels, families } = group;
  const failure = yield* failureFamily(labels, families.get(failureTimeName), nowNs);
  return { ...group, families: new Map([...families, [failureTimeName, failure]]) };
}

/** The group with the end of each of its series instead of their values. */
export function* endedGroup(group: Group): Generator<void, Group> {
  const families = new Map<string, StoredFamily>();
  for (const [name, family] of group.families) {
    const end = yield* endOf(family, undefined);
    if (end !== undefined) families.set(name, end);
  }
  return { ...group, families, isEnding: true };
}

const failureFamily = (labels: GroupLabels, before: StoredFamily | undefined, timeNs: bigint) => {
  const help = "Last Unix time when changing this group in the Pushgateway failed.";
  return storedFamily([timeFamily(failureTimeName, help, seconds(timeNs))], labels, before, timeNs);
};

const seconds = (ns: bigint) => Number(ns / 1000n) / 1e6;

const timeFamily = (name: string, help: string, value: number): ParsedFamily => ({
  name,
  help,
  type: "gauge",
  samples: [{ labels: [], value }],
});

/** Bodies may list a family in pieces. */
function byName(families: readonly ParsedFamily[]): Map<string, ParsedFamily[]> {
  const result = new Map<string, ParsedFamily[]>();
  for (const family of families) {
    const parts = result.get(family.name);
    if (parts === undefined) result.set(family.name, [family]);
    else parts.push(family);
  }
  return result;
}
