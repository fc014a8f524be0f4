/** Random numbers that a seed repeats, and the distributions of the demo's traffic. */

/** z of the 99th percentile of a normal distribution. */
const z99 = 2.3263478740408408;

/** One sequence; the same seed and name give the same numbers, other names independent ones (sfc32). */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(seed: number, name: string) {
    [this.#a, this.#b, this.#c] = stateOf(`${seed} ${name}`);
    for (let i = 0; i < 15; i++) this.next();
  }

  /** From 0 to below 1. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#count) | 0;
    this.#count = (this.#count + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** From 0 to below `end`. */
  integer(end: number): number {
    return Math.floor(this.next() * end);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.integer(from.length)]!;
  }

  /** Shares need not sum up to 1. */
  weighted<T>(from: readonly { readonly value: T; readonly share: number }[]): T {
    let rest = this.next() * from.reduce((sum, { share }) => sum + share, 0);
    return (from.find(({ share }) => (rest -= share) < 0) ?? from.at(-1)!).value;
  }

  /** The time to the next event of a Poisson process. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  logNormal({ median, p99 }: LogNormal): number {
    return median * Math.exp((this.normal() * Math.log(p99 / median)) / z99);
  }
}

export interface LogNormal {
  readonly median: number;
  readonly p99: number;
}

/** Ranks 0 to count - 1; rank r comes with a share of 1 / (r + 1)^exponent. */
export class Zipf {
  readonly #cumulative: Float64Array;

  constructor(count: number, exponent: number) {
    this.#cumulative = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += (rank + 1) ** -exponent;
      this.#cumulative[rank] = sum;
    }
  }

  draw(random: Random): number {
    const wanted = random.next() * this.#cumulative.at(-1)!;
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Three words out of a text (FNV-1a with different starts). */
function stateOf(text: string): [number, number, number] {
  const word = (start: number) => {
    let hash = start;
    for (let i = 0; i < text.length; i++) {
      hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
    }
    return hash | 0;
  };
  return [word(2166136261), word(1540483477), word(668265263)];
}
