/**
 * The form of proof files (docs/spec/proof.md): from text to values, or an error with its place.
 *
 * Rule: exactly the members that the format names, each in its one spelling and below its bound.
 * What is not read here is not checked later, so nothing unknown is let through.
 */

import {
  ProofError,
  SIZE_MAX,
  WORD_MAX,
  fromAddress,
  fromDigits,
  fromHex,
} from "./proof-bytes.js";
import { EDDSA, ES256, KEY_BYTES } from "./proof-keys.js";
import { NOTE_BYTES_MAX, PATH_MAX, STATEMENT_BYTES_MAX } from "./proof-log.js";
import { COMMITMENT_HASHES, SIBLINGS_MAX } from "./proof-payout.js";

export const FILE_BYTES_MAX = 524_288;
export const STATEMENT_FORMAT = "commonworks-statement-proof-v1";
export const PAYOUT_FORMAT = "commonworks-payout-proof-v1";
const TOTALS_MAX = 64;
const RANGES_MAX = 256;
const TEXT_MAX = 400;

// --- readers of single values: (value) -> decoded, or ProofError --------------------------------

const hash = (value) => fromHex(value, 32);
const address = (value) => fromAddress(value);
const amount = (value) => fromDigits(value, WORD_MAX);
const size = (value) => fromDigits(value, SIZE_MAX);

function count(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new ProofError("bad_number");
  return BigInt(value);
}

function text(maximum = TEXT_MAX) {
  return (value) => {
    if (typeof value !== "string" || value.length > maximum) throw new ProofError("bad_text");
    return value;
  };
}

function statement(value) {
  if (typeof value === "string" && value.length > 2 + 2 * STATEMENT_BYTES_MAX) {
    throw new ProofError("too_large");
  }
  return fromHex(value);
}

function exactly(wanted) {
  return (value) => {
    if (value !== wanted) throw new ProofError("bad_format");
    return value;
  };
}

function optional(read) {
  return (value) => (value === null ? null : read(value));
}

function list(read, maximum, code = "too_many") {
  return (value) => {
    if (!Array.isArray(value)) throw new ProofError("bad_form");
    if (value.length > maximum) throw new ProofError(code);
    return value.map((item, at) => inside(at, () => read(item)));
  };
}

function record(readers) {
  return (value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      throw new ProofError("bad_form");
    }
    for (const name of Object.keys(value)) {
      if (!Object.hasOwn(readers, name)) throw new ProofError("unknown_member", name.slice(0, 80));
    }
    const read = {};
    for (const [name, reader] of Object.entries(readers)) {
      if (!Object.hasOwn(value, name)) throw new ProofError("missing_member", name);
      read[name] = inside(name, () => reader(value[name]));
    }
    return read;
  };
}

/** Run a reader; what it throws says in which member it was. */
function inside(name, read) {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    throw new ProofError(error.code, error.where ? `${name}.${error.where}` : String(name));
  }
}

// --- the two formats ----------------------------------------------------------------------------

const network = record({
  id: hash,
  chain_id: count,
  settlement: address,
  token: address,
  devices: address,
  nodes: address,
  vault: address,
  policy: address,
  genesis_time: count,
  epoch_length_s: count,
  manifest_hash: optional(hash),
});

const log = record({
  id: hash,
  name: text(),
  origin: text(),
  note_key: hash,
  receipt_key: (value) => fromHex(value, 64),
});

const path = list(hash, PATH_MAX, "path_too_long");

function device(value) {
  const read = record({ device: count, algorithm, public_key: (key) => fromHex(key) })(value);
  if (read.public_key.length !== KEY_BYTES.get(read.algorithm)) {
    throw new ProofError("bad_length", "public_key");
  }
  return read;
}

function algorithm(value) {
  if (value !== EDDSA && value !== ES256) throw new ProofError("bad_number");
  return value;
}

const total = record({ asset: address, earned: amount, spent: amount });

const commitment = record({
  epoch: count,
  ...Object.fromEntries(COMMITMENT_HASHES.map((name) => [name, hash])),
  minted_wei: amount,
  totals: list(total, TOTALS_MAX),
});

const finality = record({ commitment, digest: hash, tx: hash, time: count });

const evidence = record({
  epoch: count,
  ranges: list(record({ log_id: hash, first: size, size, root: hash }), RANGES_MAX),
  evidence_hash: hash,
  tx: hash,
  finality: optional(finality),
});

const statementProof = record({
  format: exactly(STATEMENT_FORMAT),
  network,
  identity: hash,
  statement,
  log,
  inclusion: record({ position: size, size, path, root: hash }),
  anchor: optional(record({ size, root: hash, tx: hash, time: count })),
  checkpoint: optional(record({ note: text(NOTE_BYTES_MAX), path })),
  device: optional(device),
  evidence: optional(evidence),
});

const payoutProof = record({
  format: exactly(PAYOUT_FORMAT),
  network,
  leaf: record({ asset: address, account: address, earned: amount, spent: amount }),
  siblings: list(hash, SIBLINGS_MAX, "path_too_long"),
  finality,
  claim: optional(record({ epoch: count, earned: amount, claimed: amount, pays: amount })),
});

/** Return the document in a proof file's text; only its outermost form is looked at. */
export function parseProof(source) {
  if (source.length > FILE_BYTES_MAX) throw new ProofError("too_large");
  let document;
  try {
    document = JSON.parse(source);
  } catch {
    throw new ProofError("bad_json");
  }
  const format = document?.format;
  if (format !== STATEMENT_FORMAT && format !== PAYOUT_FORMAT) throw new ProofError("bad_format");
  return document;
}

/** Return a statement proof's values. Throws ProofError. */
export function readStatementProof(document) {
  return statementProof(document);
}

/** Return a payout proof's values. Throws ProofError. */
export function readPayoutProof(document) {
  return payoutProof(document);
}
