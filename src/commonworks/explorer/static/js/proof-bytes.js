/**
 * Bytes, numbers in text, and the two hashes: the small change of the proof viewer.
 *
 * Rule: strict. A value has one spelling; every other one is refused with a `ProofError`, so that
 * nobody is shown a proof that another verifier would read differently.
 */

import { keccak_256 } from "../vendor/noble-hashes/sha3.js";

/** Something is wrong with what we were given. `code` is from the list in `proof_words.py`. */
export class ProofError extends Error {
  /**
   * @param {string} code
   * @param {string} where the field or rule, for people
   */
  constructor(code, where = "") {
    super(where ? `${code}: ${where}` : code);
    this.code = code;
    this.where = where;
  }
}

/** Largest tree size: what every implementation of the log's format can count. */
export const SIZE_MAX = 2n ** 63n - 1n;
export const WORD_MAX = 2n ** 256n - 1n;
export const HASH_BYTES = 32;

/** Return the bytes of `0x` and lower-case hexadecimal, `length` of them where it is given. */
export function fromHex(text, length = null) {
  if (typeof text !== "string" || !/^0x(?:[0-9a-f]{2})*$/.test(text)) {
    throw new ProofError("bad_hex");
  }
  const bytes = new Uint8Array((text.length - 2) / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = Number.parseInt(text.slice(2 + 2 * at, 4 + 2 * at), 16);
  }
  if (length !== null && bytes.length !== length) throw new ProofError("bad_length");
  return bytes;
}

/** Return bytes as `0x` and lower-case hexadecimal. */
export function toHex(bytes) {
  return "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return the bytes of standard base64 in its one canonical spelling. */
export function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw new ProofError("bad_base64");
  }
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new ProofError("bad_base64");
  return bytes;
}

/** Return bytes as standard base64. */
export function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Return UTF-8. Throws on an unpaired surrogate, which UTF-8 cannot carry. */
export function fromText(text) {
  if (/\p{Surrogate}/u.test(text)) throw new ProofError("bad_text");
  return new TextEncoder().encode(text);
}

/** Return one array out of several. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Return whether two byte strings are the same. */
export function equal(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Return -1, 0 or 1 as `left` comes before, with or after `right`, byte by byte. */
export function compare(left, right) {
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at++) {
    if (left[at] !== right[at]) return left[at] < right[at] ? -1 : 1;
  }
  return Math.sign(left.length - right.length);
}

/** Return a whole number from its one decimal spelling: no sign, no leading zeros. */
export function fromDigits(text, maximum = WORD_MAX) {
  if (typeof text !== "string" || !/^(?:0|[1-9][0-9]{0,77})$/.test(text)) {
    throw new ProofError("bad_number");
  }
  const value = BigInt(text);
  if (value > maximum) throw new ProofError("bad_number");
  return value;
}

/** Return a number as big-endian bytes. */
export function toBigEndian(value, length) {
  const bytes = new Uint8Array(length);
  let rest = BigInt(value);
  for (let at = length - 1; at >= 0; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new ProofError("bad_number");
  return bytes;
}

/** Return the number that big-endian bytes say. */
export function fromBigEndian(bytes) {
  return bytes.length ? BigInt(toHex(bytes)) : 0n;
}

/** Return the number that little-endian bytes say. */
export function fromLittleEndian(bytes) {
  return fromBigEndian(Uint8Array.from(bytes).reverse());
}

/** Return Keccak-256, the chain's hash. */
export function keccak256(bytes) {
  return keccak_256(bytes);
}

/** Return whether this browser hands out WebCrypto here: only over https or from this machine. */
export function hasWebCrypto() {
  return globalThis.crypto?.subtle !== undefined;
}

/** Return SHA-256, by the browser's own implementation. */
export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Return the 20 bytes of an address in its one spelling, EIP-55. */
export function fromAddress(text) {
  if (typeof text !== "string" || !/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new ProofError("bad_address");
  }
  const bytes = fromHex(text.toLowerCase());
  if (toAddress(bytes) !== text) throw new ProofError("bad_address");
  return bytes;
}

/** Return an address as EIP-55 text: a letter is a capital where the hash's digit is 8 or more. */
export function toAddress(bytes) {
  const digits = toHex(bytes).slice(2);
  const hash = toHex(keccak256(fromText(digits))).slice(2);
  const mixed = Array.from(digits, (digit, at) =>
    Number.parseInt(hash[at], 16) >= 8 ? digit.toUpperCase() : digit,
  );
  return "0x" + mixed.join("");
}
