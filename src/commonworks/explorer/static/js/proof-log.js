/**
 * Logs: statements, the SHA-256 tree of RFC 9162, signed checkpoints and receipts.
 * As docs/spec/{statement,log,receipt}.md say. Nothing here asks anybody anything.
 */

import {
  HASH_BYTES,
  ProofError,
  SIZE_MAX,
  compare,
  concat,
  equal,
  fromBase64,
  fromBigEndian,
  fromDigits,
  fromText,
  sha256,
  toBigEndian,
} from "./proof-bytes.js";
import { CborMap, Tag, decode, encode } from "./proof-cbor.js";
import { EDDSA, ES256, SIGNATURE_BYTES, thumbprint, verify } from "./proof-keys.js";

export const STATEMENT_BYTES_MAX = 65_535;
export const PATH_MAX = 64;
export const NOTE_BYTES_MAX = 16_384;
export const RECEIPT_BYTES_MAX = 4_096;
const SIGN1 = 18n;
const CONTENT_TYPE = 3;
const PREIMAGE_CONTENT_TYPE = 259;
const RECEIPTS = 394;
/** Tags of typed arrays (RFC 8746), the only ones in a payload. */
const ARRAY_TAGS = [64n, 69n, 70n, 71n, 72n, 77n, 78n, 79n];
const KINDS = ["binding", "report", "order", "site", "replace"];

// --- the tree -----------------------------------------------------------------------------------

/** Return the hash of an entry as a leaf (RFC 6962, 2.1). */
export function leafHash(entry) {
  return sha256(concat(Uint8Array.of(0), entry));
}

/** Return the hash of an inner node over its two children (RFC 6962, 2.1). */
export function nodeHash(left, right) {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/**
 * Walk an inclusion path from a leaf hash up to a root (RFC 9162, 2.1.3.2, steps 1 to 4).
 *
 * Returns {root, nodes, fault}: `nodes` has one {left, right, hash} for each sibling; `root` is
 * null and `fault` a code where the path cannot fit the position and the tree's size.
 */
export async function climb(leaf, position, size, path) {
  const nodes = [];
  if (position < 0n || position >= size || size > SIZE_MAX) {
    return { root: null, nodes, fault: "position_outside" };
  }
  if (path.length > PATH_MAX) return { root: null, nodes, fault: "path_too_long" };
  let at = position;
  let last = size - 1n;
  let node = leaf;
  for (const sibling of path) {
    if (last === 0n) return { root: null, nodes, fault: "path_too_long" };
    const onRight = (at & 1n) === 1n || at === last;
    const [left, right] = onRight ? [sibling, node] : [node, sibling];
    node = await nodeHash(left, right);
    nodes.push({ left, right, hash: node });
    if (onRight) {
      while ((at & 1n) === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n
    ? { root: node, nodes, fault: null }
    : { root: null, nodes, fault: "path_too_short" };
}

// --- statements ---------------------------------------------------------------------------------

/** Return the bytes that are signed: the Sig_structure without external data (RFC 9052, 4.4). */
export function sigStructure(protectedHeader, payload) {
  return encode(["Signature1", protectedHeader, new Uint8Array(), payload]);
}

/** Return the parts of a tagged COSE_Sign1; both headers decoded. Throws ProofError. */
export function decodeSign1(data) {
  const item = decode(data);
  if (!(item instanceof Tag) || item.number !== SIGN1) throw new ProofError("not_sign1");
  const parts = item.value;
  if (!Array.isArray(parts) || parts.length !== 4) throw new ProofError("not_sign1");
  const [protectedHeader, unprotected, payload, signature] = parts;
  if (!(protectedHeader instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw new ProofError("not_sign1");
  }
  if (payload !== null && !(payload instanceof Uint8Array)) throw new ProofError("not_sign1");
  const headers = protectedHeader.length ? decode(protectedHeader) : new CborMap([]);
  for (const map of [headers, unprotected]) {
    if (!(map instanceof CborMap)) throw new ProofError("not_sign1");
    if (map.keys().some((key) => key instanceof Uint8Array)) throw new ProofError("not_sign1");
  }
  if (protectedHeader.length && !headers.pairs.length) throw new ProofError("not_sign1");
  return { protectedHeader, headers, unprotected, payload, signature };
}

/**
 * Return a statement's parts: {kind, sealed, algorithm, kid, message, signature, network, time}.
 *
 * `message` is what was signed. `network` and `time` are null where the content is sealed or not
 * that of a statement. Throws ProofError where the bytes have not the form of a statement.
 */
export function decodeStatement(data) {
  if (data.length > STATEMENT_BYTES_MAX) throw new ProofError("too_large");
  const signed = decodeSign1(data);
  const { headers } = signed;
  if (signed.payload === null || signed.unprotected.pairs.length) {
    throw new ProofError("not_statement");
  }
  const sealed = headers.get(CONTENT_TYPE) === undefined;
  const labels = sealed ? [1n, 4n, 258n, 259n] : [1n, 3n, 4n];
  const found = headers.keys();
  if (found.length !== labels.length || !labels.every((label) => found.includes(label))) {
    throw new ProofError("not_statement");
  }
  const algorithm = headers.get(1);
  const kid = headers.get(4);
  if (algorithm !== BigInt(EDDSA) && algorithm !== BigInt(ES256)) {
    throw new ProofError("not_statement");
  }
  if (!(kid instanceof Uint8Array) || kid.length !== HASH_BYTES) {
    throw new ProofError("not_statement");
  }
  if (sealed && (headers.get(258) !== -16n || signed.payload.length !== HASH_BYTES)) {
    throw new ProofError("not_statement");
  }
  const type = headers.get(sealed ? PREIMAGE_CONTENT_TYPE : CONTENT_TYPE);
  const kind = KINDS.find(
    (name) => type === `application/vnd.commonworks.${name}${sealed ? ".sealed" : ""}+cbor`,
  );
  if (kind === undefined || (sealed && kind === "binding")) throw new ProofError("not_statement");
  return {
    kind,
    sealed,
    algorithm: Number(algorithm),
    kid,
    message: sigStructure(signed.protectedHeader, signed.payload),
    signature: signed.signature,
    ...(sealed ? { network: null, time: null } : publicContent(signed.payload)),
  };
}

function publicContent(payload) {
  const fields = decode(payload, ARRAY_TAGS);
  if (!(fields instanceof CborMap)) throw new ProofError("not_statement");
  const network = fields.get("network");
  const time = fields.get("time");
  return {
    network: network instanceof Uint8Array ? network : null,
    time: typeof time === "bigint" ? time : null,
  };
}

/** Return [statement, receipts] of a statement that carries its receipts (RFC 9942, label 394). */
export function splitTransparent(data) {
  const signed = decodeSign1(data);
  const receipts = signed.unprotected.get(RECEIPTS);
  const isBytes = (item) => item instanceof Uint8Array;
  const wellFormed = Array.isArray(receipts) && receipts.every(isBytes);
  if (!wellFormed || !receipts.length || signed.unprotected.pairs.length !== 1) {
    throw new ProofError("no_receipt");
  }
  const { protectedHeader, payload, signature } = signed;
  const parts = [protectedHeader, new CborMap([]), payload, signature];
  return [encode(new Tag(SIGN1, parts)), receipts];
}

// --- receipts -----------------------------------------------------------------------------------

/** Return the protected header of a receipt: its layout is constant (docs/spec/receipt.md, 3). */
export function receiptProtected(kid, network, logId, size) {
  const pairs = [
    [1n, BigInt(ES256)],
    [4n, kid],
    [395n, 1n],
    [-65537n, network],
    [-65538n, logId],
    [-65539n, toBigEndian(size, 8)],
  ];
  return encode(new CborMap(pairs));
}

/** Return a receipt's parts, its form checked to the last byte; no signature is verified here. */
export function decodeReceipt(data) {
  if (data.length > RECEIPT_BYTES_MAX) throw new ProofError("too_large");
  const { protectedHeader, headers, unprotected, payload, signature } = decodeSign1(data);
  if (payload !== null || signature.length !== SIGNATURE_BYTES) throw new ProofError("bad_receipt");
  const field = (label, length) => {
    const value = headers.get(label);
    if (!(value instanceof Uint8Array) || value.length !== length) {
      throw new ProofError("bad_receipt");
    }
    return value;
  };
  const [kid, network, logId] = [4, -65537, -65538].map((label) => field(label, HASH_BYTES));
  const size = fromBigEndian(field(-65539, 8));
  const proofs = unprotected.get(396);
  const inclusion = proofs instanceof CborMap ? proofs.get(-1) : null;
  const isOne = Array.isArray(inclusion) && inclusion.length === 1;
  if (!isOne || !(inclusion[0] instanceof Uint8Array)) {
    throw new ProofError("bad_receipt");
  }
  const proof = decode(inclusion[0]);
  if (!Array.isArray(proof) || proof.length !== 3) throw new ProofError("bad_receipt");
  const [proofSize, position, path] = proof;
  const isHash = (item) => item instanceof Uint8Array && item.length === HASH_BYTES;
  if (typeof position !== "bigint" || !Array.isArray(path) || !path.every(isHash)) {
    throw new ProofError("bad_receipt");
  }
  if (path.length > PATH_MAX) throw new ProofError("path_too_long");
  if (proofSize !== size || size < 1n || size > SIZE_MAX) throw new ProofError("bad_receipt");
  if (position < 0n || position >= size) throw new ProofError("position_outside");
  // A wrong algorithm or structure, and labels that are not ours, show here: the layout is fixed.
  const onlyOurs = equal(receiptProtected(kid, network, logId, size), protectedHeader);
  if (!onlyOurs || unprotected.pairs.length !== 1 || proofs.pairs.length !== 1) {
    throw new ProofError("bad_receipt");
  }
  return { kid, network, logId, size, position, path, signature, protectedHeader };
}

/** Return whether a receipt's signature over a root verifies under a gateway's receipt key. */
export async function verifyReceipt(receipt, root, key) {
  return verify(ES256, key, sigStructure(receipt.protectedHeader, root), receipt.signature);
}

// --- checkpoints --------------------------------------------------------------------------------

/** Return a log's identity: SHA-256(origin || 0x0A || 0x01 || public key) (C2SP signed-note). */
export function logIdentity(origin, noteKey) {
  return sha256(concat(fromText(origin), Uint8Array.of(10, 1), noteKey));
}

/** Return {text, origin, size, root, signatures} of a signed checkpoint (docs/spec/log.md, 4). */
export function parseCheckpoint(note) {
  if (fromText(note).length > NOTE_BYTES_MAX) throw new ProofError("too_large");
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n") || /[\u0000-\u0009\u000b-\u001f]/.test(note)) {
    throw new ProofError("bad_note");
  }
  const text = note.slice(0, split + 1);
  const lines = text.split("\n");
  if (lines.length !== 4) throw new ProofError("bad_note");
  const root = fromBase64(lines[2]);
  if (root.length !== HASH_BYTES) throw new ProofError("bad_note");
  const signatures = note.slice(split + 2, -1).split("\n").map(parseSignature);
  return { text, origin: lines[0], size: fromDigits(lines[1], SIZE_MAX), root, signatures };
}

function parseSignature(line) {
  const match = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line);
  if (match === null) throw new ProofError("bad_note");
  const raw = fromBase64(match[2]);
  if (raw.length <= 4) throw new ProofError("bad_note");
  return { name: match[1], keyId: raw.subarray(0, 4), signature: raw.subarray(4) };
}

/** Return whether a checkpoint carries its log's signature, and none under its name that fails. */
export async function verifyCheckpoint(checkpoint, noteKey, logId) {
  const own = checkpoint.signatures.filter(
    ({ name, keyId }) => name === checkpoint.origin && compare(keyId, logId.subarray(0, 4)) === 0,
  );
  if (!own.length) return false;
  for (const { signature } of own) {
    if (!(await verify(EDDSA, noteKey, fromText(checkpoint.text), signature))) return false;
  }
  return true;
}

/** Return the key id of a gateway's receipt key. */
export function receiptKeyId(key) {
  return thumbprint(ES256, key);
}
