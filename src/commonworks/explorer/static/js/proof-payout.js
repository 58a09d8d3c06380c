/**
 * What the chain commits to: the payout tree, an epoch's digest, its evidence, the network's id.
 * As docs/spec/{payout-tree,digest}.md say: Keccak-256 over the words of Solidity's ABI.
 */

import { HASH_BYTES, compare, concat, fromText, keccak256, toBigEndian } from "./proof-bytes.js";

export const SIBLINGS_MAX = 64;

// --- Solidity's ABI: words of 32 bytes, big-endian ----------------------------------------------

/** Return a number as a word. */
export function word(value) {
  return toBigEndian(value, 32);
}

/** Return an address as a word. */
export function addressWord(bytes) {
  return concat(new Uint8Array(12), bytes);
}

/** Return the first four bytes of a call: which function. */
export function selector(signature) {
  return keccak256(fromText(signature)).subarray(0, 4);
}

// --- the payout tree ----------------------------------------------------------------------------

/** Return {words, inner, leaf} of (asset, account, earned, spent): hashed twice. */
export function payoutLeaf({ asset, account, earned, spent }) {
  const words = concat(addressWord(asset), addressWord(account), word(earned), word(spent));
  const inner = keccak256(words);
  return { words, inner, leaf: keccak256(inner) };
}

/** Return the hash of two nodes, the smaller one first (OpenZeppelin's StandardMerkleTree). */
export function payoutParent(one, other) {
  return keccak256(compare(one, other) < 0 ? concat(one, other) : concat(other, one));
}

/** Walk from a leaf up to a root: one {left, right, hash} for each sibling. */
export function climbPayouts(leaf, siblings) {
  let node = leaf;
  return siblings.map((sibling) => {
    const [left, right] = compare(node, sibling) < 0 ? [node, sibling] : [sibling, node];
    node = payoutParent(node, sibling);
    return { left, right, hash: node };
  });
}

// --- an epoch -----------------------------------------------------------------------------------

/** Hashes of a commitment in the order in which they are hashed. */
export const COMMITMENT_HASHES = [
  "previous_digest",
  "evidence_hash",
  "facts_hash",
  "policy_hash",
  "rules_hash",
  "result_hash",
  "state_hash",
  "payout_root",
];

/** Return the bytes that an epoch's digest is the hash of: 13 + 3n words. */
export function digestWords(networkId, epoch, commitment) {
  const head = [
    networkId,
    word(epoch),
    ...COMMITMENT_HASHES.map((name) => commitment[name]),
    word(commitment.minted_wei),
  ];
  const totals = commitment.totals.map(({ asset, earned, spent }) =>
    concat(addressWord(asset), word(earned), word(spent)),
  );
  const offset = word(HASH_BYTES * (head.length + 1));
  return concat(...head, offset, word(totals.length), ...totals);
}

/** Return whether totals name each asset once, in ascending order: the one way to write them. */
export function totalsInOrder(totals) {
  return totals.every(({ asset }, at) => at === 0 || compare(totals[at - 1].asset, asset) < 0);
}

/** Return the bytes that an epoch's evidence hash is the hash of. */
export function evidenceWords(epoch, ranges) {
  const rows = ranges.map(({ log_id, first, size, root }) =>
    concat(log_id, word(first), word(size), root),
  );
  return concat(word(epoch), word(64), word(rows.length), ...rows);
}

/** Return whether ranges are well-formed: ascending by log, none empty. */
export function rangesInOrder(ranges) {
  return ranges.every(
    ({ log_id, first, size }, at) =>
      first < size && (at === 0 || compare(ranges[at - 1].log_id, log_id) < 0),
  );
}

/** Return the bytes that a network's id is the hash of: chain, contracts, time, manifest. */
export function networkWords(network) {
  const contracts = ["settlement", "token", "devices", "nodes", "vault", "policy"];
  const head = [
    word(network.chain_id),
    ...contracts.map((name) => addressWord(network[name])),
    word(network.genesis_time),
    word(network.epoch_length_s),
    network.manifest_hash,
  ];
  const name = fromText("commonworks/1");
  const padded = concat(name, new Uint8Array(HASH_BYTES - name.length));
  return concat(word(HASH_BYTES * (head.length + 1)), ...head, word(name.length), padded);
}
