/**
 * Signatures of devices and gateways, under the closed predicates of docs/spec/keys.md.
 *
 * WebCrypto does the curves. What it leaves open at the edges is decided here before it is asked:
 * low s for ES256; canonical encodings, no small order and S < L for Ed25519.
 */

import {
  ProofError,
  concat,
  fromBigEndian,
  fromLittleEndian,
  sha256,
} from "./proof-bytes.js";
import { CborMap, encode } from "./proof-cbor.js";

export const EDDSA = -8;
export const ES256 = -7;
export const SIGNATURE_BYTES = 64;
/** Bytes of a raw public key: the point of Ed25519, x and y of P-256. */
export const KEY_BYTES = new Map([
  [EDDSA, 32],
  [ES256, 64],
]);

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_PRIME = 2n ** 255n - 19n;
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
/** y of the eight points whose order divides the cofactor; some differ in the sign of x only. */
const SMALL_ORDER_Y = [
  0n,
  1n,
  0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
  ED25519_PRIME - 1n,
];

/** Return the COSE key thumbprint (RFC 9679): the key id that statements and receipts carry. */
export async function thumbprint(algorithm, raw) {
  const pairs =
    algorithm === EDDSA
      ? [[1n, 1n], [-1n, 6n], [-2n, raw]]
      : [[1n, 2n], [-1n, 1n], [-2n, raw.subarray(0, 32)], [-3n, raw.subarray(32)]];
  return sha256(encode(new CborMap(pairs)));
}

/**
 * Return whether a signature verifies strictly.
 * Throws ProofError `no_ed25519` where the browser does not have that curve: not a verdict.
 */
export async function verify(algorithm, raw, message, signature) {
  if (signature.length !== SIGNATURE_BYTES || raw.length !== KEY_BYTES.get(algorithm)) return false;
  return algorithm === EDDSA
    ? verifyEd25519(raw, message, signature)
    : verifyES256(raw, message, signature);
}

async function verifyES256(raw, message, signature) {
  const r = fromBigEndian(signature.subarray(0, 32));
  const s = fromBigEndian(signature.subarray(32));
  // ECDSA takes (r, n - s) wherever it takes (r, s); only the lower one is a signature here.
  if (r === 0n || r >= P256_ORDER || s === 0n || s > P256_ORDER / 2n) return false;
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  let key;
  try {
    const point = concat(Uint8Array.of(4), raw);
    key = await crypto.subtle.importKey("raw", point, curve, false, ["verify"]);
  } catch (error) {
    if (error.name === "DataError") return false; // no point of the curve
    throw error;
  }
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, signature, message);
}

async function verifyEd25519(raw, message, signature) {
  if (fromLittleEndian(signature.subarray(32)) >= ED25519_ORDER) return false;
  if (!isStrictPoint(raw) || !isStrictPoint(signature.subarray(0, 32))) return false;
  let key;
  try {
    key = await crypto.subtle.importKey("raw", raw, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    if (error.name === "DataError") return false;
    if (error.name === "NotSupportedError") throw new ProofError("no_ed25519");
    throw error;
  }
  return crypto.subtle.verify({ name: "Ed25519" }, key, signature, message);
}

/** Return whether 32 bytes are a canonical encoding (y < p) of no point of small order. */
function isStrictPoint(encoded) {
  const y = fromLittleEndian(encoded) & ((1n << 255n) - 1n);
  return y < ED25519_PRIME && !SMALL_ORDER_Y.includes(y);
}
