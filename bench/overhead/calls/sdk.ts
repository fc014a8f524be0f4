import { AggregationType, MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  type Attributes,
  attributes,
  boundaries,
  type Subject,
  series,
  valueMask,
  values,
} from "./subject.ts";

/** Without a reader the SDK records nothing. */
class IdleReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

function createMeter() {
  const aggregation = { type: AggregationType.EXPONENTIAL_HISTOGRAM } as const;
  const views = [{ instrumentName: "exponential", aggregation }];
  return new MeterProvider({ readers: [new IdleReader()], views }).getMeter("bench");
}

/** It has no bound handles: attribute objects are kept instead. */
export function sdk(): Subject[] {
  const system = "OTel SDK";
  const meter = createMeter();
  const counter = meter.createCounter("counter");
  const explicit = meter.createHistogram("explicit", {
    advice: { explicitBucketBoundaries: boundaries },
  });
  const exponential = meter.createHistogram("exponential");
  const sets = attributes.map((set) => ({ ...set }));
  const [hot] = sets as [Attributes & Record<string, string | number>];
  return [
    {
      call: "counter, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) counter.add(1, hot);
      },
    },
    {
      call: "counter, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          counter.add(1, sets[k]);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "histogram of 14 bounds, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) explicit.record(values[i & valueMask]!, hot);
      },
    },
    {
      call: "histogram of 14 bounds, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          explicit.record(values[i & valueMask]!, sets[k]);
          if (++k === series) k = 0;
        }
      },
    },
    {
      call: "exponential histogram, one series",
      system,
      run: (calls) => {
        for (let i = 0; i < calls; i++) exponential.record(values[i & valueMask]!, hot);
      },
    },
    {
      call: "exponential histogram, 90 series in turn",
      system,
      run: (calls) => {
        for (let i = 0, k = 0; i < calls; i++) {
          exponential.record(values[i & valueMask]!, sets[k]);
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
