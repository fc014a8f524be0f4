import type { Problem } from "./types.ts";

/** Names come from the application; beyond so many different problems nothing more is said. */
const maxDifferent = 100;

/** Says each problem once, and never throws: what goes wrong here must not reach the application. */
export class Problems {
  readonly #said = new Set<string>();
  #tell: (problem: Problem) => void;

  constructor(tell: ((problem: Problem) => void) | undefined) {
    this.#tell = tell ?? warn;
  }

  /** The process ends: its event loop, which emitWarning waits for, will not turn again. */
  leave(): void {
    if (this.#tell === warn) this.#tell = warnNow;
  }

  /** `about` tells problems of one code apart: an instrument's name. */
  report(code: string, message: string, about = ""): void {
    const key = `${code} ${about}`;
    if (this.#said.has(key) || this.#said.size >= maxDifferent) return;
    this.#said.add(key);
    try {
      this.#tell({ code, message });
    } catch {
      // The application's own callback failed; there is nobody left to tell.
    }
  }
}

function warn({ code, message }: Problem): void {
  process.emitWarning(message, { type: "TelemetryWarning", code });
}

/** What emitWarning does in the next turn; --no-warnings and the application's listeners count as there. */
function warnNow({ code, message }: Problem): void {
  process.emit("warning", Object.assign(new Error(message), { name: "TelemetryWarning", code }));
}

/** Of whatever was thrown; by shape, because an Error may come from another realm. */
export function messageOf(error: unknown): string {
  try {
    if (typeof error !== "object" || error === null) return `a ${typeof error} was thrown`;
    const message = "message" in error ? String(error.message) : "";
    // A connection refused by several addresses has an empty message.
    return message === "" && "code" in error ? String(error.code) : message;
  } catch {
    return "an error that cannot be read";
  }
}
