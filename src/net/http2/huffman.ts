/**
 * Huffman-coded strings of HPACK (RFC 7541 section 5.2), read four bits a step. The shortest code has five bits,
 * so a step ends at most one symbol.
 *
 *     step = steps[state << 4 | bits]  =  emits 1 | symbol 8 | next state 8     (-1: not a code)
 */
import { huffmanLengths } from "./hpack-static.ts";

const endOfString = 256;
const emits = 1 << 16;

interface Tree {
  /** Children of each inner node: another inner node (>= 0) or a symbol (~symbol). */
  readonly children: [number, number][];
}

/** Canonical codes: ordered by length, then by symbol, each is the one before plus one. */
function buildTree(): Tree {
  const children: [number, number][] = [[Number.NaN, Number.NaN]];
  const symbols = huffmanLengths
    .map((length, symbol) => ({ length, symbol }))
    .toSorted((a, b) => a.length - b.length || a.symbol - b.symbol);
  let code = 0;
  let previous = symbols[0]!.length;
  for (const { length, symbol } of symbols) {
    code *= 2 ** (length - previous);
    previous = length;
    insert(children, code, length, symbol);
    code++;
  }
  return { children };
}

function insert(children: [number, number][], code: number, length: number, symbol: number): void {
  let node = 0;
  for (let bit = length - 1; bit > 0; bit--) {
    const side = (code >>> bit) & 1 ? 1 : 0;
    if (Number.isNaN(children[node]![side])) {
      children[node]![side] = children.push([Number.NaN, Number.NaN]) - 1;
    }
    node = children[node]![side]!;
  }
  children[node]![code & 1 ? 1 : 0] = ~symbol;
}

function buildSteps({ children }: Tree): Int32Array {
  const steps = new Int32Array(children.length * 16).fill(-1);
  for (let state = 0; state < children.length; state++) {
    for (let bits = 0; bits < 16; bits++) steps[state * 16 + bits] = stepOf(children, state, bits);
  }
  return steps;
}

function stepOf(children: readonly [number, number][], state: number, bits: number): number {
  let node = state;
  let symbol = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node]![(bits >>> bit) & 1 ? 1 : 0];
    if (child >= 0) {
      node = child;
      continue;
    }
    if (~child === endOfString) return -1;
    symbol = emits | (~child << 8);
    node = 0;
  }
  return symbol | node;
}

/** Where a string may end: behind a code, or up to seven bits into the code of all ones. */
function endStates({ children }: Tree): Uint8Array {
  const mayEnd = new Uint8Array(children.length);
  let node = 0;
  for (let bits = 0; bits <= 7; bits++) {
    mayEnd[node] = 1;
    node = children[node]![1];
  }
  return mayEnd;
}

class Tables {
  readonly scratch = Buffer.allocUnsafeSlow(64 * 1024);
  readonly steps: Int32Array;
  readonly mayEnd: Uint8Array;

  constructor(tree: Tree) {
    this.steps = buildSteps(tree);
    this.mayEnd = endStates(tree);
  }
}
/** Made for the first coded string. */
let tables: Tables | undefined;

/** The text of a coded string of at most 16 KiB, as latin-1; undefined: it is not well-formed. */
export function decodeHuffman(b: Uint8Array, from: number, to: number): string | undefined {
  tables ??= new Tables(buildTree());
  const { steps, mayEnd, scratch } = tables;
  let state = 0;
  let length = 0;
  for (let at = from; at < to; at++) {
    const octet = b[at]!;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const step = steps[(state << 4) | ((octet >>> shift) & 15)]!;
      if (step < 0) return undefined;
      if (step >= emits) scratch[length++] = (step >>> 8) & 255;
      state = step & 255;
    }
  }
  return mayEnd[state] === 1 ? scratch.toString("latin1", 0, length) : undefined;
}
