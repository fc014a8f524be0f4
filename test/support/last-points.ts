/** What a sink knows when all has arrived: the last point of each series. */
import { type Attributes, type Point, resourceOf } from "./instrument-points.ts";
import type { OtlpHttpSink } from "./otlp-http-sink.ts";

export class LastPoints {
  readonly #points: readonly Point[];
  readonly #services: ReadonlySet<unknown>;

  constructor(sink: OtlpHttpSink) {
    const last = new Map<string, Point>();
    for (const point of sink.points()) last.set(seriesOf(point), point);
    this.#points = [...last.values()];
    this.#services = new Set(sink.taken.map(({ body }) => resourceOf(body)["service.name"]));
  }

  get services(): unknown[] {
    return [...this.#services];
  }

  get metrics(): string[] {
    return [...new Set(this.#points.map(({ metric }) => metric))].toSorted();
  }

  #of(metric: string): Point[] {
    return this.#points.filter((point) => point.metric === metric);
  }

  /** Values, or counts of histograms (which do not send a 0), by all their attributes; "-" stands for an absent one. */
  by(metric: string, ...keys: readonly string[]): Record<string, number | undefined> {
    return this.#by(metric, keys, ({ value, count }) => value ?? count ?? 0);
  }

  /** Sums of a histogram. */
  sums(metric: string, ...keys: readonly string[]): Record<string, number | undefined> {
    return this.#by(metric, keys, ({ sum }) => sum);
  }

  /** Of the only series of a histogram. */
  buckets(metric: string): readonly number[] | undefined {
    const [point, ...others] = this.#of(metric);
    if (others.length > 0) throw new Error(`${metric} has ${others.length + 1} series`);
    return point?.buckets;
  }

  #by<T>(metric: string, keys: readonly string[], read: (point: Point) => T): Record<string, T> {
    const rows = this.#of(metric).map((point) => {
      const undeclared = Object.keys(point.attributes).filter((key) => !keys.includes(key));
      if (undeclared.length > 0) throw new Error(`${metric} also has ${undeclared.join()}`);
      return [keys.map((key) => point.attributes[key] ?? "-").join(" "), read(point)] as const;
    });
    return Object.fromEntries(rows);
  }

  /** `METHOD route status error`. */
  get served(): Record<string, number | undefined> {
    return this.by(
      "http.server.request.duration",
      "http.request.method",
      "http.route",
      "http.response.status_code",
      "error.type",
      "url.scheme",
    );
  }
}

const seriesOf = ({ metric, attributes }: { metric: string; attributes: Attributes }) =>
  JSON.stringify([
    metric,
    Object.entries(attributes).toSorted(([a], [b]) => Number(a > b) - Number(a < b)),
  ]);
