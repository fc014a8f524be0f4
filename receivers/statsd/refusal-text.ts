/** What a refusal means, in the Collector's words where it has them. */
import { gaugeCode, type Line, type Refusal } from "./line.ts";

const longestShown = 200;

/** The text of an error, with what the line says. */
export function refusalText(refusal: Refusal, line: Line): string {
  const said = textOf(line.bytes, line.errorStart, line.errorEnd);
  return texts[refusal](said, line);
}

type Text = (said: string, line: Line) => string;

const because = (cause: string): Text => {
  return (_, line) => `cannot take metric ${JSON.stringify(nameOf(line))}: ${cause}`;
};

const texts: Readonly<Record<Refusal, Text>> = {
  format: (said, line) =>
    line.errorEnd === line.end
      ? `invalid message format: ${said}`
      : `invalid <name>:<value> format: ${said}`,
  empty_name: () => "empty metric name",
  empty_value: () => "empty metric value",
  type: (said) => `unsupported metric type: ${said}`,
  value: (said) => `parse metric value string: ${said}`,
  non_finite: (said, line) =>
    `discarding metric ${JSON.stringify(nameOf(line))}: invalid ${/nan/iu.test(said) ? "NaN" : "infinite"} value`,
  sample_rate: (said) => `parse sample rate: ${said}`,
  tag: (said) => `invalid tag format: ${JSON.stringify(said)}`,
  timestamp: (said, line) =>
    line.typeCode > gaugeCode
      ? "only GAUGE and COUNT metrics support a timestamp"
      : `invalid timestamp: ${said}`,
  part: (said) => `unrecognized message part: ${said}`,
  too_long: () => "the line is longer than 65,527 bytes",
  negative_counter: because(
    "a counter only goes up; for counters that also go down set is_monotonic_counter: false",
  ),
  overflow: because("its sum in this interval is larger than the number can be"),
  unmapped_type: because(
    "timer_histogram_mapping is written and does not name its type; add the type or remove the mapping",
  ),
  series_limit: because("max_series is reached, and so is the limit of overflow series"),
  set_limit: because("the set has 10,000 distinct values in this interval; more are not kept"),
  memory_budget: () => "the memory for aggregates and for lines that have begun is used up",
};

/** What to do about a refusal whose text does not say it. */
export const hints: Partial<Record<Refusal, string>> = {
  tag: "a tag is key:value; tags without a value need enable_simple_tags: true",
};

const nameOf = (line: Line) => textOf(line.bytes, line.start, line.nameEnd);

function textOf(bytes: Uint8Array, start: number, end: number): string {
  const shown = Math.min(end, start + longestShown);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, shown - start).toString("utf8");
  return shown < end ? `${text}…` : text;
}
