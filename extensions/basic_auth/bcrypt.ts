/**
 * bcrypt (Provos and Mazières, A Future-Adaptable Password Scheme, 1999), which Node does not bring.
 *
 *     entry = "$2" [aby] "$" cost "$" salt digest     cost: 2 digits     salt: 22 characters     digest: 31
 *
 * Salt (16 bytes) and digest (23) are base64 of the alphabet below. The work doubles with each cost: it is done in
 * steps of a fraction of a millisecond.
 */
import { piWords } from "./pi-words.ts";

const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const standard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const subkeys = 18;
const boxWords = 1024;
/** Longer passwords are cut, by definition. */
const maxKeyBytes = 72;
const stepsPerPause = 2;
const plaintext = Buffer.from("OrpheanBeholderScryDoubt");

/** The 31 characters of the digest. */
export function* bcryptDigest(
  password: Uint8Array,
  salt: string,
  cost: number,
): Generator<void, string> {
  const saltWords = wordsOf(decoded(salt).subarray(0, 16), 4);
  const key = Buffer.concat([password, Buffer.alloc(1)]).subarray(0, maxKeyBytes);
  const keyWords = wordsOf(key, subkeys);
  const blowfish = new Blowfish();
  blowfish.expand(keyWords, saltWords);
  const saltKey = Uint32Array.from({ length: subkeys }, (_, i) => saltWords[i % 4]!);
  for (let i = 0; i < 2 ** cost; i++) {
    blowfish.expand(keyWords, noSalt);
    blowfish.expand(saltKey, noSalt);
    if (i % stepsPerPause === 0) yield;
  }
  return encoded(blowfish.encrypted(wordsOf(plaintext, 6)).subarray(0, 23));
}

const noSalt = new Uint32Array(4);

/** Big-endian words of bytes that are repeated as needed. */
function wordsOf(bytes: Uint8Array, count: number): Uint32Array {
  const words = new Uint32Array(count);
  let at = 0;
  for (let i = 0; i < count * 4; i++) {
    words[i >> 2] = (words[i >> 2]! << 8) | bytes[at]!;
    at = at + 1 === bytes.length ? 0 : at + 1;
  }
  return words;
}

class Blowfish {
  readonly #p: Uint32Array;
  readonly #s: Uint32Array;
  #left = 0;
  #right = 0;

  constructor() {
    const words = piWords(subkeys + boxWords);
    this.#p = words.slice(0, subkeys);
    this.#s = words.slice(subkeys);
  }

  /** Mixes a key, and a salt, into the subkeys and boxes. */
  expand(key: Uint32Array, salt: Uint32Array): void {
    const p = this.#p;
    for (let i = 0; i < subkeys; i++) p[i]! ^= key[i]!;
    this.#left = 0;
    this.#right = 0;
    this.#fill(p, salt, 0);
    this.#fill(this.#s, salt, subkeys);
  }

  #fill(words: Uint32Array, salt: Uint32Array, before: number): void {
    for (let i = 0; i < words.length; i += 2) {
      const at = (before + i) & 3;
      this.#left ^= salt[at]!;
      this.#right ^= salt[at + 1]!;
      this.#encipher();
      words[i] = this.#left;
      words[i + 1] = this.#right;
    }
  }

  /** Plain arithmetic on two words: this is all of the work. */
  #encipher(): void {
    const p = this.#p;
    const s = this.#s;
    let l = this.#left ^ p[0]!;
    let r = this.#right;
    for (let i = 1; i <= 16; i += 2) {
      r ^=
        (((s[l >>> 24]! + s[256 + ((l >>> 16) & 255)]!) ^ s[512 + ((l >>> 8) & 255)]!) +
          s[768 + (l & 255)]!) ^
        p[i]!;
      l ^=
        (((s[r >>> 24]! + s[256 + ((r >>> 16) & 255)]!) ^ s[512 + ((r >>> 8) & 255)]!) +
          s[768 + (r & 255)]!) ^
        p[i + 1]!;
    }
    this.#left = r ^ p[17]!;
    this.#right = l;
  }

  /** The words, each pair enciphered 64 times, as bytes. */
  encrypted(words: Uint32Array): Buffer {
    const bytes = Buffer.alloc(words.length * 4);
    for (let i = 0; i < words.length; i += 2) {
      this.#left = words[i]!;
      this.#right = words[i + 1]!;
      for (let round = 0; round < 64; round++) this.#encipher();
      bytes.writeInt32BE(this.#left | 0, i * 4);
      bytes.writeInt32BE(this.#right | 0, i * 4 + 4);
    }
    return bytes;
  }
}

function decoded(text: string): Buffer {
  const base64 = Array.from(text, (c) => standard[alphabet.indexOf(c)]).join("");
  return Buffer.from(base64, "base64");
}

function encoded(bytes: Buffer): string {
  const base64 = bytes.toString("base64").replace(/=+$/u, "");
  return Array.from(base64, (c) => alphabet[standard.indexOf(c)]).join("");
}
