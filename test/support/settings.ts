import { type CatalogueName, catalogue, type MetricDefinition } from "../../src/catalogue.ts";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Budget, ComponentId, Labels, Meter, Settings } from "../../src/component.ts";
import { silentLogger } from "../../src/log.ts";
import type { Listener, ServerSpec } from "../../src/transport.ts";

/** A budget for tests; unlimited unless told otherwise. */
export function testBudget(limitBytes = Number.MAX_SAFE_INTEGER): Budget {
  let used = 0;
  return {
    limitBytes,
    get usedBytes() {
      return used;
    },
    tryReserve(bytes) {
      if (used + bytes > limitBytes) return false;
      used += bytes;
      return true;
    },
    reserve(bytes) {
      used += bytes;
    },
    release(bytes) {
      used -= bytes;
      if (used < 0) throw new Error("BUG: more released than reserved");
    },
  };
}

/** Collects what a component measures; read with `value(name, labels)`. */
export class TestMeter implements Meter {
  readonly values = new Map<string, number>();
  readonly gauges = new Map<string, () => number>();

  counter(name: CatalogueName, labels?: Labels) {
    const key = keyOf(name, labels);
    return { add: (n: number) => void this.values.set(key, (this.values.get(key) ?? 0) + n) };
  }
  histogram(name: CatalogueName, labels?: Labels) {
    const key = keyOf(name, labels);
    return { record: () => void this.values.set(key, (this.values.get(key) ?? 0) + 1) };
  }
  gauge(name: CatalogueName, read: () => number, labels?: Labels) {
    this.gauges.set(keyOf(name, labels), read);
  }
  value(name: CatalogueName, labels?: Labels): number {
    const key = keyOf(name, labels);
    return this.gauges.get(key)?.() ?? this.values.get(key) ?? 0;
  }
}

/** Without the labels that only level detailed has. */
function keyOf(name: CatalogueName, labels: Labels = {}): string {
  const { detailedLabels = [] }: MetricDefinition = catalogue[name];
  const pairs = Object.entries(labels).filter(([label]) => !detailedLabels.includes(label));
  return `${name}${JSON.stringify(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
}

export interface TestSettings extends Settings {
  readonly meter: TestMeter;
  /** Items dropped, by reason. */
  readonly dropped: Map<string, number>;
}

interface TestSettingsOptions {
  id?: string;
  clock?: Clock;
  budget?: Budget;
  log?: Settings["log"];
  listen?: (server: ServerSpec) => Promise<Listener>;
}

/** Settings for a component under test. */
export function testSettings(options: TestSettingsOptions = {}): TestSettings {
  const dropped = new Map<string, number>();
  const text = options.id ?? "test";
  const id: ComponentId = { kind: "exporter", type: text.split("/")[0]!, text };
  return {
    id,
    log: options.log ?? silentLogger,
    clock: options.clock ?? systemClock,
    budget: options.budget ?? testBudget(),
    meter: new TestMeter(),
    dropped,
    drop: (reason, items) => void dropped.set(reason, (dropped.get(reason) ?? 0) + items),
    listen: options.listen ?? (() => Promise.reject(new Error("no listener in this test"))),
    listensOn() {},
    report() {},
    use: () => undefined,
    service: {
      startedMs: 0,
      isReady: () => true,
      edges: () => [],
      components: () => [],
      extensions: () => [],
      recentErrors: () => [],
    },
  };
}
