/** The fraction of pi as 32-bit words: Blowfish's tables begin as these digits. */

/** Bits beyond what is asked for, for what the series rounds off. */
const guardBits = 64n;
let known = new Uint32Array(0);

/** Computed once, in some milliseconds. */
export function piWords(count: number): Uint32Array {
  if (known.length < count) known = computed(count);
  return known.subarray(0, count);
}

/** Machin: pi = 16 arctan(1/5) - 4 arctan(1/239). */
function computed(count: number): Uint32Array<ArrayBuffer> {
  const bits = BigInt(count) * 32n;
  const one = 1n << (bits + guardBits);
  const pi = 16n * arctanOfInverse(5n, one) - 4n * arctanOfInverse(239n, one);
  const fraction = (pi - 3n * one) >> guardBits;
  const hex = fraction.toString(16).padStart(count * 8, "0");
  return Uint32Array.from({ length: count }, (_, i) => parseInt(hex.slice(i * 8, i * 8 + 8), 16));
}

/** In units of 1 / one. */
function arctanOfInverse(x: bigint, one: bigint): bigint {
  const square = x * x;
  let power = one / x;
  let sum = power;
  for (let n = 3n, sign = -1n; power > 0n; n += 2n, sign = -sign) {
    power /= square;
    sum += (sign * power) / n;
  }
  return sum;
}
