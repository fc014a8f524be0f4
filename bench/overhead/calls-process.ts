/**
 * One call after the other of ours and of the peers, in turns in one process: prints the ns CPU a call of each round.
 */
import type * as Instrument from "../../src/instrument/index.ts";
import { ours } from "./calls/ours.ts";
import { promClient } from "./calls/prom-client.ts";
import { sdk } from "./calls/sdk.ts";
import type { System } from "./calls/subject.ts";
import { optionsOf, say } from "./child.ts";

export interface CallsOptions {
  readonly entry: string;
  readonly rounds: number;
}

export interface CallsResult {
  readonly call: string;
  readonly system: System;
  readonly nanoseconds: readonly number[];
}

/** So long takes a batch, at least: 1,000 times the clock's resolution. */
const batchMicroseconds = 1000;

/** Of the process: what Node tells of one thread is too coarse. */
function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function microsecondsOf(run: (calls: number) => void, calls: number): number {
  const before = cpuMicroseconds();
  run(calls);
  return cpuMicroseconds() - before;
}

/** Calls that take as long as a batch should, once they are compiled. */
function batchOf(run: (calls: number) => void): number {
  let calls = 1000;
  for (let i = 0; i < 100; i++) run(calls);
  while (microsecondsOf(run, calls) < batchMicroseconds) calls *= 2;
  return calls;
}

async function main({ entry, rounds }: CallsOptions): Promise<void> {
  const { start } = (await import(entry)) as typeof Instrument;
  const telemetry = start({ export: false, http: false, system: false });
  const subjects = [...ours(telemetry), ...sdk(), ...promClient()].map((subject) => ({
    ...subject,
    batch: batchOf(subject.run),
    nanoseconds: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { run, batch, nanoseconds } of subjects) {
      nanoseconds.push((microsecondsOf(run, batch) / batch) * 1000);
    }
  }
  say(
    subjects.map(({ call, system, nanoseconds }) => ({
      call,
      system,
      nanoseconds,
    })) satisfies CallsResult[],
  );
}

await main(optionsOf() as CallsOptions);
