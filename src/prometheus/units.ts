/** UCUM units as Prometheus spells them (OpenTelemetry: Prometheus compatibility, "Metric metadata"). */
const mainUnits: ReadonlyMap<string, string> = new Map([
  ["d", "days"],
  ["h", "hours"],
  ["min", "minutes"],
  ["s", "seconds"],
  ["ms", "milliseconds"],
  ["us", "microseconds"],
  ["ns", "nanoseconds"],
  ["By", "bytes"],
  ["KiBy", "kibibytes"],
  ["MiBy", "mebibytes"],
  ["GiBy", "gibibytes"],
  ["TiBy", "tibibytes"],
  // The specification writes kBy, the Collector KBy.
  ["kBy", "kilobytes"],
  ["KBy", "kilobytes"],
  ["MBy", "megabytes"],
  ["GBy", "gigabytes"],
  ["TBy", "terabytes"],
  ["m", "meters"],
  ["V", "volts"],
  ["A", "amperes"],
  ["J", "joules"],
  ["W", "watts"],
  ["g", "grams"],
  ["Cel", "celsius"],
  ["Hz", "hertz"],
  ["1", ""],
  ["%", "percent"],
]);

const perUnits: ReadonlyMap<string, string> = new Map([
  ["s", "second"],
  ["m", "minute"],
  ["h", "hour"],
  ["d", "day"],
  ["w", "week"],
  ["mo", "month"],
  ["y", "year"],
]);

export interface UnitSuffixes {
  /** `bytes` of `By/s`; empty: none. */
  readonly main: string;
  /** `per_second` of `By/s`; empty: none. */
  readonly per: string;
}

/** The words a unit adds to a metric's name; a part in braces (`{packet}`) adds none. */
export function unitSuffixes(unit: string): UnitSuffixes {
  const slash = unit.indexOf("/");
  const main = part(slash < 0 ? unit : unit.slice(0, slash));
  const per = slash < 0 ? "" : part(unit.slice(slash + 1));
  return {
    main: mainUnits.get(main) ?? main,
    per: per === "" ? "" : `per_${perUnits.get(per) ?? per}`,
  };
}

function part(text: string): string {
  const trimmed = text.trim();
  return /[{}]/u.test(trimmed) ? "" : trimmed;
}

/** A unit's word with only characters that metric names may have. */
export function cleanUnit(unit: string): string {
  return unit
    .replace(/[^a-zA-Z0-9:]/gu, "_")
    .replace(/__+/gu, "_")
    .replace(/^_/u, "");
}

/** The unit as OpenMetrics' UNIT line has it: `bytes_per_second`. */
export function unitName(unit: string, utf8 = false): string {
  const suffixes = unitSuffixes(unit);
  const main = utf8 ? suffixes.main : cleanUnit(suffixes.main);
  const per = utf8 ? suffixes.per : cleanUnit(suffixes.per);
  const joined = main !== "" && per !== "" ? `${main}_${per}` : main + per;
  return joined.replace(/^_/u, "").replace(/_$/u, "");
}
