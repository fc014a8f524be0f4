import { messageOf } from "../problems.ts";
import type { CacheRecorder } from "./recorder.ts";

/** The bytes of each entry, as the application's sizeOf said when it was stored: so the sum stays exact. */
export class EntrySizes {
  bytes = 0;
  readonly #sizeOf: (value: unknown, key: unknown) => number;
  readonly #recorder: CacheRecorder;
  readonly #sizes = new Map<unknown, number>();

  constructor(sizeOf: (value: unknown, key: unknown) => number, recorder: CacheRecorder) {
    this.#sizeOf = sizeOf;
    this.#recorder = recorder;
  }

  get entries(): number {
    return this.#sizes.size;
  }

  weigh(key: unknown, value: unknown): void {
    const size = this.#ask(value, key);
    this.bytes += size - (this.#sizes.get(key) ?? 0);
    this.#sizes.set(key, size);
  }

  forget(key: unknown): void {
    const size = this.#sizes.get(key);
    if (size === undefined) return;
    this.#sizes.delete(key);
    this.bytes -= size;
  }

  clear(): void {
    this.#sizes.clear();
    this.bytes = 0;
  }

  #ask(value: unknown, key: unknown): number {
    try {
      const size: unknown = this.#sizeOf(value, key);
      if (typeof size === "number" && size >= 0 && size <= Number.MAX_VALUE) return size;
      this.#recorder.complain("sizeOf returned no number of bytes; 0 is taken");
    } catch (error) {
      this.#recorder.complain(`sizeOf failed, 0 bytes are taken: ${messageOf(error)}`);
    }
    return 0;
  }
}
