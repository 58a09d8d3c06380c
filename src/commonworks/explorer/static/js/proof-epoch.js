/**
 * Is this payout in the tree whose root the chain finalised, and does the epoch's digest follow
 * from its parts? Step by step, as docs/spec/proof.md lists them.
 */

import { equal, keccak256 } from "./proof-bytes.js";
import { readPayoutProof } from "./proof-form.js";
import { checkFinalised, checkNetwork, checkWallet } from "./proof-onchain.js";
import { climbPayouts, digestWords, payoutLeaf, totalsInOrder } from "./proof-payout.js";
import { Steps } from "./proof-steps.js";

/** Verify a payout proof. `chain`: a WalletChain or null. Total: a bad file is a failed step. */
export async function checkPayoutProof(document, chain = null) {
  const steps = new Steps();
  let proof;
  try {
    proof = readPayoutProof(document);
    steps.add("form", "ok");
  } catch (error) {
    steps.refuse("form", error);
    return steps.end();
  }
  const { network, leaf, siblings, finality } = proof;
  checkPayout(steps, leaf, siblings, finality.commitment.payout_root);
  checkTotal(steps, leaf, finality.commitment.totals);
  checkCommitment(steps, network, finality);
  checkNetwork(steps, network);
  const asked = await checkWallet(steps, network, chain);
  await checkFinalised(steps, network, finality, asked);
  return steps.end();
}

function checkPayout(steps, payout, siblings, expected) {
  const { words, inner, leaf } = payoutLeaf(payout);
  steps.add("payout_words", "ok", { values: { words }, result: inner });
  steps.add("payout_leaf", "ok", { values: { inner }, result: leaf });
  const nodes = climbPayouts(leaf, siblings);
  nodes.forEach(({ left, right, hash }, at) =>
    steps.add("payout_node", "ok", { number: at + 1, values: { left, right }, result: hash }),
  );
  steps.same("payout_root", nodes.at(-1)?.hash ?? leaf, expected, "wrong_root");
}

/** No account has more than the sum over all: the first thing that the Vault would refuse. */
function checkTotal(steps, { asset, earned, spent }, totals) {
  const total = totals.find((one) => equal(one.asset, asset));
  const fits = total !== undefined && earned <= total.earned && spent <= total.spent;
  steps.add("payout_total", fits ? "ok" : "fail", {
    reason: fits ? null : "beyond_total",
    values: { earned, spent, total_earned: total?.earned, total_spent: total?.spent },
  });
}

/** Add the step that an epoch's digest is the hash of its parts. */
export function checkCommitment(steps, network, { commitment, digest }) {
  if (!totalsInOrder(commitment.totals)) {
    return steps.add("digest", "fail", { reason: "totals_unordered" });
  }
  const words = digestWords(network.id, commitment.epoch, commitment);
  const values = { network: network.id, epoch: commitment.epoch, words };
  return steps.same("digest", keccak256(words), digest, "wrong_digest", { values });
}
