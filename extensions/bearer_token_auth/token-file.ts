/** A file with a token a line, read again when it changes: orchestrators replace it while clients send. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Timer } from "../../src/clock.ts";
import type { Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";

/** A mounted secret is replaced by a symbolic link, which a watch would miss; reading some bytes costs nothing. */
const lookEveryMs = 1000;
const maxBytes = 1024 * 1024;

export class TokenFile {
  readonly #path: string;
  readonly #settings: Pick<Settings, "clock" | "log">;
  readonly #onTokens: (tokens: readonly string[]) => void;
  #timer: Timer | undefined;
  #digest = "";
  #problem: string | undefined;

  constructor(
    path: string,
    settings: Pick<Settings, "clock" | "log">,
    onTokens: (tokens: readonly string[]) => void,
  ) {
    this.#path = path;
    this.#settings = settings;
    this.#onTokens = onTokens;
  }

  /** Reads it for the first time; throws CONFIG_INVALID when there is no token in it. */
  open(): void {
    this.#read();
    this.#timer = this.#settings.clock.every(lookEveryMs, () => this.#look());
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** What cannot be read leaves the tokens as they are; said once until it can. */
  #look(): void {
    try {
      if (this.#read())
        this.#settings.log.info("bearer tokens were read again", { path: this.#path });
      this.#problem = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#problem) return;
      this.#problem = message;
      this.#settings.log.error("the bearer tokens stay as they were", { error: message });
    }
  }

  /** False: the file is as it was. */
  #read(): boolean {
    const text = contentOf(this.#path);
    const digest = createHash("sha256").update(text).digest("base64");
    if (digest === this.#digest) return false;
    const tokens = text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    if (tokens.length === 0) throw unreadable(this.#path, "there is no token in it");
    this.#digest = digest;
    this.#onTokens(tokens);
    return true;
  }
}

function contentOf(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unreadable(path, (error as Error).message);
  }
  if (bytes.length > maxBytes) throw unreadable(path, `it is larger than ${maxBytes} bytes`);
  return bytes.toString("utf8");
}

const unreadable = (path: string, cause: string) =>
  new TelemetryError("CONFIG_INVALID", `cannot read token file ${path}: ${cause}`);
