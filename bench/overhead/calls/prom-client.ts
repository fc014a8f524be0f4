import { Counter, Histogram, Registry } from "prom-client";
import {
  type Attributes,
  attributes,
  boundaries,
  type Subject,
  series,
  valueMask,
  values,
} from "./subject.ts";

const labelNames = ["route", "method", "status"];

/** `labels()` gives what it has in place of bound handles. It has no exponential histogram. */
export function promClient(): Subject[] {
  const system = "prom-client";
  const registers = [new Registry()];
  const help = "bench";
  const counter = new Counter({ name: "counter", help, labelNames, registers });
  const explicit = new Histogram({
    name: "explicit",
    help,
    labelNames,
    buckets: boundaries,
    registers,
  });
  const sets = attributes.map((set) => ({ ...set }));
  const [hot] = sets as [Attributes & Record<string, string | number>];
  const one = counter.labels(hot);
  const counters = sets.map((set) => counter.labels(set));
  const oneExplicit = explicit.labels(hot);
  const explicits = sets.map((set) => explicit.labels(set));
  return [
    {
      call: "counter, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) one.inc(1);
      },
    },
    {
      call: "counter, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          counters[k]!.inc(1);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "histogram of 14 bounds, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) oneExplicit.observe(values[i & valueMask]!);
      },
    },
    {
      call: "histogram of 14 bounds, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          explicits[k]!.observe(values[i & valueMask]!);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "counter, three attributes given with the call",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          const { route, method, status } = attributes[k]!;
          counter.inc({ route, method, status }, 1);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "histogram of 14 bounds, three attributes given with the call",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          const { route, method, status } = attributes[k]!;
          explicit.observe({ route, method, status }, values[i & valueMask]!);
          if (++k === series) k = 0;
        }
      },
    },
  ];
}
