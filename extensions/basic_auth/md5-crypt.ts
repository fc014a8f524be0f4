/**
 * MD5 crypt, Apache's (`htpasswd -m`) and Unix': a thousand rounds of MD5 over password and salt in changing order.
 *
 *     entry  = magic salt "$" digest     magic: "$apr1$" or "$1$"     salt: up to 8 characters     digest: 22
 *     digest = the 16 bytes in the order below, 3 at a time as 4 characters of 6 bits, lowest bits first
 */
import { createHash } from "node:crypto";

const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const order = [
  [0, 6, 12],
  [1, 7, 13],
  [2, 8, 14],
  [3, 9, 15],
  [4, 10, 5],
] as const;
const rounds = 1000;

const md5 = (...parts: readonly Uint8Array[]) => {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** The digest, as it stands behind the salt. */
export function md5CryptDigest(password: Uint8Array, magic: string, saltText: string): string {
  const salt = Buffer.from(saltText, "latin1");
  let sum = firstSum(password, magic, salt);
  for (let round = 0; round < rounds; round++) {
    const isOdd = round % 2 === 1;
    const parts = [isOdd ? password : sum];
    if (round % 3 !== 0) parts.push(salt);
    if (round % 7 !== 0) parts.push(password);
    parts.push(isOdd ? sum : password);
    sum = md5(...parts);
  }
  return encoded(sum);
}

function firstSum(password: Uint8Array, magic: string, salt: Uint8Array): Buffer {
  const inner = md5(password, salt, password);
  const parts: Uint8Array[] = [password, Buffer.from(magic), salt];
  for (let left = password.length; left > 0; left -= 16) parts.push(inner.subarray(0, left));
  const zero = Buffer.from([0]);
  for (let bits = password.length; bits > 0; bits >>= 1) {
    parts.push((bits & 1) === 1 ? zero : password.subarray(0, 1));
  }
  return md5(...parts);
}

function encoded(sum: Uint8Array): string {
  let text = "";
  for (const [a, b, c] of order) text += characters((sum[a]! << 16) | (sum[b]! << 8) | sum[c]!, 4);
  return text + characters(sum[11]!, 2);
}

function characters(bits: number, count: number): string {
  let text = "";
  for (let i = 0; i < count; i++) text += alphabet[(bits >> (6 * i)) & 63];
  return text;
}
