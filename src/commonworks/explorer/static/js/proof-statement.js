/**
 * Is this statement in a log whose root was anchored? Step by step, as docs/spec/proof.md has them.
 */

import { ProofError, equal, keccak256, sha256 } from "./proof-bytes.js";
import { readStatementProof } from "./proof-form.js";
import { EDDSA, ES256, thumbprint, verify } from "./proof-keys.js";
import {
  climb,
  decodeReceipt,
  decodeStatement,
  leafHash,
  logIdentity,
  parseCheckpoint,
  receiptKeyId,
  sigStructure,
  splitTransparent,
  verifyCheckpoint,
  verifyReceipt,
} from "./proof-log.js";
import { checkFinalised, checkNetwork, checkOnChain, checkWallet } from "./proof-onchain.js";
import { checkCommitment } from "./proof-epoch.js";
import { evidenceWords, rangesInOrder, word } from "./proof-payout.js";
import { Steps } from "./proof-steps.js";

const ALGORITHMS = new Map([
  [EDDSA, "Ed25519"],
  [ES256, "ES256"],
]);

/** Verify a statement proof. `chain`: a WalletChain or null. Total: a bad file is a failed step. */
export async function checkStatementProof(document, chain = null) {
  const steps = new Steps();
  let proof;
  try {
    proof = readStatementProof(document);
    steps.add("form", "ok", { values: { statement: proof.statement } });
  } catch (error) {
    steps.refuse("form", error);
    return steps.end();
  }
  await checkStatement(steps, proof.statement, proof.device, proof.identity, proof.network.id);
  await checkInclusion(steps, proof.statement, proof.inclusion);
  await checkLog(steps, proof);
  checkNetwork(steps, proof.network);
  const asked = await checkWallet(steps, proof.network, chain);
  await checkAnchor(steps, proof, asked);
  await checkEvidence(steps, proof, asked);
  return steps.end({ open: proof.anchor === null });
}

/**
 * Verify a file as `commonworks receipt get` writes it: a statement that carries its receipts.
 *
 * `keys`: {receipt: bytes or null, device: {algorithm, public_key} or null, log: bytes or null,
 * network: bytes or null}, what the reader expects, from elsewhere; `told` says that the receipt
 * key came from this site.
 */
export async function checkTransparent(data, keys) {
  const steps = new Steps();
  let statement;
  let receipt;
  try {
    const [split, receipts] = splitTransparent(data);
    statement = split;
    receipt = decodeReceipt(receipts[0]);
    steps.add("receipt_form", "ok", {
      values: {
        statement,
        network: receipt.network,
        log: receipt.logId,
        position: receipt.position,
        size: receipt.size,
      },
    });
  } catch (error) {
    steps.refuse("receipt_form", error);
    return { ...steps.end(), receipt: null };
  }
  await checkStatement(steps, statement, keys.device, null, receipt.network);
  await checkReceiptKey(steps, receipt, keys);
  const root = await checkInclusion(steps, statement, { ...receipt, root: null });
  await checkReceiptSignature(steps, receipt, root, keys.receipt);
  return { ...steps.end({ open: keys.receipt === null }), receipt };
}

// --- the statement itself -----------------------------------------------------------------------

async function checkStatement(steps, data, device, identity, networkId) {
  let statement = null;
  try {
    statement = decodeStatement(data);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    steps.add("statement", "skip", { reason: error.code, where: error.where });
  }
  if (statement !== null) {
    const { kind, kid, network, time, sealed } = statement;
    const wrong = network !== null && !equal(network, networkId);
    steps.add("statement", wrong ? "fail" : "ok", {
      reason: wrong ? "other_network" : null,
      values: { kind, sealed: sealed ? "yes" : "no", time, kid, network },
    });
  }
  // What no reader of statements can decode is named by its leaf hash (docs/spec/statement.md, 4).
  const leaf = await leafHash(data);
  const signed = statement === null ? null : await sha256(statement.message);
  const byLeaf = identity !== null && !(signed !== null && equal(signed, identity));
  if (byLeaf && (equal(leaf, identity) || signed === null)) {
    steps.same("leaf_identity", leaf, identity, "wrong_identity");
  } else if (signed !== null) {
    const values = { message: statement.message };
    steps.same("identity", signed, identity ?? signed, "wrong_identity", { values });
  }
  await checkDevice(steps, statement, device);
}

async function checkDevice(steps, statement, device) {
  if (statement === null || device === null) {
    steps.add("device_signature", "skip", { reason: statement === null ? "unreadable" : "no_key" });
    return;
  }
  const { algorithm, public_key: key } = device;
  const kid = await thumbprint(algorithm, key);
  const named = equal(kid, statement.kid) && algorithm === statement.algorithm;
  steps.add("device_key", named ? "ok" : "fail", {
    reason: named ? null : "wrong_key",
    values: { algorithm: ALGORITHMS.get(algorithm), key, expected: named ? null : statement.kid },
    result: kid,
  });
  const values = { message: statement.message, signature: statement.signature };
  await signatureStep(steps, "device_signature", values, () =>
    verify(algorithm, key, statement.message, statement.signature),
  );
}

/** Add a step for a signature; a curve that the browser lacks is no verdict. */
async function signatureStep(steps, id, values, check) {
  try {
    const good = await check();
    steps.add(id, good ? "ok" : "fail", { reason: good ? null : "bad_signature", values });
  } catch (error) {
    if (!(error instanceof ProofError) || error.code !== "no_ed25519") throw error;
    steps.add(id, "skip", { reason: "no_ed25519", values });
  }
}

// --- the log ------------------------------------------------------------------------------------

/** Add the steps from leaf to root; return the root or null. Without `root` nothing is compared. */
async function checkInclusion(steps, entry, { position, size, path, root }) {
  const leaf = await leafHash(entry);
  steps.add("leaf", "ok", { values: { prefix: "0x00", statement: entry }, result: leaf });
  const climbed = await climb(leaf, position, size, path);
  climbed.nodes.forEach(({ left, right, hash }, at) => {
    const values = { prefix: "0x01", left, right };
    steps.add("node", "ok", { number: at + 1, values, result: hash });
  });
  const values = { position, size };
  if (climbed.root === null) {
    steps.add("root", "fail", { reason: climbed.fault, values });
  } else {
    steps.same("root", climbed.root, root ?? climbed.root, "wrong_root", { values });
  }
  return climbed.root;
}

async function checkLog(steps, { log, checkpoint, statement, inclusion }) {
  const id = await logIdentity(log.origin, log.note_key);
  const values = { origin: log.origin, key: log.note_key };
  steps.same("log", id, log.id, "wrong_log", { values });
  if (checkpoint === null) {
    steps.add("checkpoint", "skip", { reason: "no_checkpoint" });
    return;
  }
  try {
    const head = parseCheckpoint(checkpoint.note);
    if (head.origin !== log.origin) throw new ProofError("wrong_log");
    const { root, fault } = await climb(
      await leafHash(statement),
      inclusion.position,
      head.size,
      checkpoint.path,
    );
    if (root === null) throw new ProofError(fault);
    steps.same("checkpoint_root", root, head.root, "wrong_root", { values: { size: head.size } });
    await signatureStep(steps, "checkpoint", { note: checkpoint.note, key: log.note_key }, () =>
      verifyCheckpoint(head, log.note_key, log.id),
    );
  } catch (error) {
    steps.refuse("checkpoint", error);
  }
}

// --- the chain ----------------------------------------------------------------------------------

async function checkAnchor(steps, { network, log, inclusion, anchor }, chain) {
  if (anchor === null) {
    steps.add("anchor", "skip", { reason: "not_anchored" });
    return;
  }
  if (anchor.size !== inclusion.size) {
    steps.add("anchor", "fail", { reason: "other_size", values: { size: anchor.size } });
    return;
  }
  await checkOnChain(steps, "anchor", inclusion.root, {
    chain,
    told: anchor.root,
    ask: () => chain.anchorOf(network.settlement, log.id, inclusion.size),
    log: {
      settlement: network.settlement,
      tx: anchor.tx,
      event: "Anchored",
      key: log.id,
      matches: ({ first, second }) =>
        equal(first, word(inclusion.size)) && equal(second, inclusion.root),
    },
    reason: "wrong_anchor",
    values: { log: log.id, size: inclusion.size, transaction: anchor.tx },
  });
}

async function checkEvidence(steps, { network, log, inclusion, evidence }, chain) {
  if (evidence === null) {
    steps.add("range", "skip", { reason: "not_closed" });
    return;
  }
  const { epoch, ranges } = evidence;
  const range = ranges.find(({ log_id: id }) => equal(id, log.id));
  const { position } = inclusion;
  const holds = range !== undefined && range.first <= position && position < range.size;
  const sameTree = holds && range.size === inclusion.size && equal(range.root, inclusion.root);
  steps.add("range", sameTree ? "ok" : "fail", {
    reason: sameTree ? null : holds ? "other_range" : "outside_range",
    values: { epoch, position, first: range?.first, size: range?.size, root: range?.root },
  });
  const words = evidenceWords(epoch, ranges);
  const reason = rangesInOrder(ranges) ? "wrong_evidence" : "ranges_unordered";
  const computed = rangesInOrder(ranges) ? keccak256(words) : new Uint8Array(32);
  steps.same("evidence", computed, evidence.evidence_hash, reason, { values: { words } });
  await checkOnChain(steps, "closed", evidence.evidence_hash, {
    chain,
    told: evidence.evidence_hash,
    ask: () => chain.evidenceHashOf(network.settlement, epoch),
    log: {
      settlement: network.settlement,
      tx: evidence.tx,
      event: "Closed",
      key: word(epoch),
      matches: ({ first }) => equal(first, evidence.evidence_hash),
    },
    reason: "wrong_evidence",
    values: { epoch, transaction: evidence.tx },
  });
  if (evidence.finality === null) {
    steps.add("digest", "skip", { reason: "not_finalised" });
    return;
  }
  const { commitment } = evidence.finality;
  const part =
    equal(commitment.evidence_hash, evidence.evidence_hash) && commitment.epoch === epoch;
  steps.add("committed", part ? "ok" : "fail", {
    reason: part ? null : "other_epoch",
    values: { evidence: commitment.evidence_hash, epoch: commitment.epoch },
  });
  checkCommitment(steps, network, evidence.finality);
  await checkFinalised(steps, network, evidence.finality, chain);
}

// --- receipts -----------------------------------------------------------------------------------

async function checkReceiptKey(steps, receipt, keys) {
  const strange = (expected, found) => expected !== null && !equal(expected, found);
  if (strange(keys.network, receipt.network)) {
    steps.add("receipt_network", "fail", {
      reason: "other_network",
      values: { expected: keys.network },
      result: receipt.network,
    });
  } else {
    const known = keys.network !== null;
    steps.add("receipt_network", known ? "ok" : "skip", {
      reason: known ? null : "nothing_expected",
      result: receipt.network,
    });
  }
  if (keys.receipt === null) {
    steps.add("receipt_key", "skip", { reason: "no_receipt_key", values: { kid: receipt.kid } });
    return;
  }
  const kid = await receiptKeyId(keys.receipt);
  if (!equal(kid, receipt.kid) || strange(keys.log, receipt.logId)) {
    steps.same("receipt_key", kid, receipt.kid, "wrong_key", { values: { key: keys.receipt } });
    if (strange(keys.log, receipt.logId)) steps.add("receipt_log", "fail", { reason: "wrong_log" });
    return;
  }
  steps.add("receipt_key", keys.told ? "told" : "ok", {
    reason: keys.told ? "key_told_by_site" : null,
    values: { key: keys.receipt, log: receipt.logId },
    result: kid,
  });
}

async function checkReceiptSignature(steps, receipt, root, key) {
  if (root === null || key === null) {
    steps.add("receipt_signature", "skip", { reason: key === null ? "no_receipt_key" : "no_root" });
    return;
  }
  const message = sigStructure(receipt.protectedHeader, root);
  await signatureStep(steps, "receipt_signature", { message, signature: receipt.signature }, () =>
    verifyReceipt(receipt, root, key),
  );
}
