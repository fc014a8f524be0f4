/** A file of secrets, read again when it changes: orchestrators replace it while clients send. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Timer } from "../clock.ts";
import type { Settings } from "../component.ts";
import { TelemetryError } from "../errors.ts";

/** A mounted secret is replaced by a symbolic link, which a watch would miss; reading some bytes costs nothing. */
const lookEveryMs = 1000;
const maxBytes = 1024 * 1024;

export interface WatchedContent {
  readonly path: string;
  /** For texts: "token file", and what is in it, "bearer tokens". */
  readonly file: string;
  readonly content: string;
  /** Throws when the text cannot be used: then what was taken before stays. */
  take(text: string): void;
}

export class WatchedFile {
  readonly #watched: WatchedContent;
  readonly #settings: Pick<Settings, "clock" | "log">;
  #timer: Timer | undefined;
  #digest = "";
  #problem: string | undefined;

  constructor(watched: WatchedContent, settings: Pick<Settings, "clock" | "log">) {
    this.#watched = watched;
    this.#settings = settings;
  }

  /**
   * Takes the content, unless it is as it was: false.
   * Throws CONFIG_INVALID when it cannot be read or is larger than 1 MiB, and what `take` throws.
   */
  read(): boolean {
    const text = this.#text();
    const digest = createHash("sha256").update(text).digest("base64");
    if (digest === this.#digest) return false;
    this.#watched.take(text);
    this.#digest = digest;
    return true;
  }

  /** Reads it every second, until close. */
  watch(): void {
    this.#timer = this.#settings.clock.every(lookEveryMs, () => this.#look());
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A problem is said once until the file can be read. */
  #look(): void {
    const { path, content } = this.#watched;
    try {
      if (this.read()) this.#settings.log.info(`${content} were read again`, { path });
      this.#problem = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#problem) return;
      this.#problem = message;
      this.#settings.log.error(`the ${content} stay as they were`, { error: message });
    }
  }

  #text(): string {
    const { path, file } = this.#watched;
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (cause) {
      throw unreadable(file, path, (cause as Error).message);
    }
    if (bytes.length > maxBytes) {
      throw unreadable(file, path, `it is larger than ${maxBytes} bytes`);
    }
    return bytes.toString("utf8");
  }
}

const unreadable = (file: string, path: string, cause: string) =>
  new TelemetryError("CONFIG_INVALID", `cannot read ${file} ${path}: ${cause}`);
