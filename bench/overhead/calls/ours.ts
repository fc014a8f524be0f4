import type { Telemetry } from "../../../src/instrument/index.ts";
import {
  type Attributes,
  attributes,
  boundaries,
  type Subject,
  series,
  valueMask,
  values,
} from "./subject.ts";

/** Bound handles, as they are meant to be used where the attributes are known. */
export function ours({ meter }: Telemetry): Subject[] {
  const system = "ours";
  const counter = meter.counter("counter");
  const declared = meter.counter("declared", { attributes: ["route", "method", "status"] });
  const explicit = meter.histogram("explicit", { boundaries });
  const exponential = meter.histogram("exponential");
  const [hot] = attributes as [Attributes];
  const one = counter.bind(hot);
  const adders = attributes.map((set) => counter.bind(set));
  const oneExplicit = explicit.bind(hot);
  const explicits = attributes.map((set) => explicit.bind(set));
  const oneExponential = exponential.bind(hot);
  const exponentials = attributes.map((set) => exponential.bind(set));
  return [
    {
      call: "counter, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) one.add(1);
      },
    },
    {
      call: "counter, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          adders[k]!.add(1);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "histogram of 14 bounds, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) oneExplicit.record(values[i & valueMask]!);
      },
    },
    {
      call: "histogram of 14 bounds, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          explicits[k]!.record(values[i & valueMask]!);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "exponential histogram, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) oneExponential.record(values[i & valueMask]!);
      },
    },
    {
      call: "exponential histogram, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          exponentials[k]!.record(values[i & valueMask]!);
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
          counter.add(1, { route, method, status });
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "the same, attributes declared",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          const { route, method, status } = attributes[k]!;
          declared.add(1, { route, method, status });
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
          explicit.record(values[i & valueMask]!, { route, method, status });
          if (++k === series) k = 0;
        }
      },
    },
  ];
}
