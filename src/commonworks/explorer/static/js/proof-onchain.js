/**
 * The steps that compare a value with the chain: asked through a wallet where there is one, else
 * compared with what this site told, and then said to be just that.
 */

import { equal, keccak256, toHex } from "./proof-bytes.js";
import { networkWords, word } from "./proof-payout.js";

/** Add the step that a network's id follows from its chain, contracts, times and manifest. */
export function checkNetwork(steps, network) {
  if (network.manifest_hash === null) {
    return steps.add("network", "skip", { reason: "no_manifest", values: { network: network.id } });
  }
  const words = networkWords(network);
  return steps.same("network", keccak256(words), network.id, "wrong_network_id", {
    values: { words, settlement: network.settlement, chain: network.chain_id },
  });
}

/**
 * Find out whether a wallet may be asked about a network: it is on that chain, and the contract
 * there says that network's id. Returns the chain to ask or null, and adds the step that says so.
 */
export async function checkWallet(steps, network, chain) {
  if (chain === null) {
    steps.add("wallet", "skip", { reason: "no_wallet" });
    return null;
  }
  try {
    let found = await chain.chainId();
    if (found !== network.chain_id) {
      await chain.changeTo(network.chain_id);
      found = await chain.chainId();
    }
    if (found !== network.chain_id) {
      steps.add("wallet", "skip", { reason: "other_chain", values: { chain: network.chain_id } });
      return null;
    }
    const id = await chain.networkId(network.settlement);
    const values = { chain: found, settlement: network.settlement };
    return steps.same("wallet", id, network.id, "other_network", { values }) ? chain : null;
  } catch (error) {
    steps.add("wallet", "skip", { reason: "wallet_failed", where: messageOf(error) });
    return null;
  }
}

/**
 * Add the step that `computed` is what the chain holds.
 *
 * `told`: the value as this site has it; `ask`: asks the chain for it; `log`: {tx, event, key,
 * matches} says which log of which transaction must say the same.
 */
export async function checkOnChain(steps, id, computed, { chain, told, ask, log, reason, values }) {
  if (!equal(computed, told)) {
    return steps.same(id, computed, told, reason, { values });
  }
  if (chain === null) {
    return steps.add(id, "told", { reason: "told_by_site", values, result: told });
  }
  try {
    const held = await ask();
    if (!equal(held, computed)) return steps.same(id, computed, held, reason, { values });
    const logs = await chain.logs(log.settlement, log.tx);
    const said = logs?.some(
      (entry) => entry.event === log.event && equal(entry.key, log.key) && log.matches(entry),
    );
    if (logs !== null && !said) {
      return steps.add(id, "fail", { reason: "not_in_transaction", values, result: held });
    }
    const transaction = logs === null ? null : toHex(log.tx);
    return steps.add(id, "ok", {
      reason: logs === null ? "unknown_transaction" : "told_by_chain",
      values: { ...values, transaction },
      result: held,
    });
  } catch (error) {
    return steps.add(id, "told", {
      reason: "wallet_failed",
      where: messageOf(error),
      values,
      result: told,
    });
  }
}

/** Add the step that a digest is the one that the chain finalised for its epoch. */
export function checkFinalised(steps, network, finality, chain) {
  const { epoch } = finality.commitment;
  return checkOnChain(steps, "finalised", finality.digest, {
    chain,
    told: finality.digest,
    ask: () => chain.digestOf(network.settlement, epoch),
    log: {
      settlement: network.settlement,
      tx: finality.tx,
      event: "Finalised",
      key: word(epoch),
      matches: ({ first }) => equal(first, finality.digest),
    },
    reason: "wrong_digest",
    values: { epoch },
  });
}

function messageOf(error) {
  return String(error?.message ?? error).slice(0, 200);
}
