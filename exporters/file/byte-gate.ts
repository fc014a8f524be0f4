/** Lets work through while the bytes inside are below a bound; the rest waits in order. */
export class ByteGate {
  readonly #limitBytes: number;
  #insideBytes = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get insideBytes(): number {
    return this.#insideBytes;
  }

  /** Resolves when there is room; what alone exceeds the bound goes through when nothing else is inside. */
  async enter(bytes: number): Promise<void> {
    while (this.#insideBytes > 0 && this.#insideBytes + bytes > this.#limitBytes) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    this.#insideBytes += bytes;
  }

  leave(bytes: number): void {
    this.#insideBytes -= bytes;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
