/** The log contract. Encoders, levels and sampling: `src/self-telemetry/log-writer.ts`. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Plain values only; secrets never. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** ERROR: data was lost or an operator is needed. WARN: something went wrong and was recovered. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  with(fields: LogFields): Logger;
}

export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLogger,
};
