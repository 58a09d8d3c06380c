/**
 * Asking the chain through the reader's own wallet (EIP-1193): nobody need believe this site.
 *
 * Only reading: `eth_call` to the Settlement contract and `eth_getTransactionReceipt`, whose logs
 * are decoded here. No account is asked for and nothing is signed.
 */

import { concat, equal, fromHex, fromText, keccak256, toHex } from "./proof-bytes.js";
import { selector, word } from "./proof-payout.js";

const ANNOUNCE_MS = 300;
/** Settlement's Result: eight hashes, what was minted, the totals. */
const RESULT = `(${"bytes32,".repeat(8)}uint256,(address,uint256,uint256)[])`;
const ANCHORED = keccak256(fromText("Anchored(bytes32,uint64,bytes32)"));
const FINALISED = keccak256(fromText(`Finalised(uint64,bytes32,${RESULT})`));
const CLOSED = keccak256(fromText("Closed(uint64,bytes32,(bytes32,uint64,uint64,bytes32)[])"));

/** Return the wallets that announce themselves (EIP-6963), or the one that took the old place. */
export async function findWallets() {
  const found = new Map();
  const hear = (event) => {
    const { info, provider } = event.detail ?? {};
    if (info?.uuid && provider) found.set(info.uuid, { name: String(info.name), provider });
  };
  globalThis.addEventListener("eip6963:announceProvider", hear);
  globalThis.dispatchEvent(new Event("eip6963:requestProvider"));
  await new Promise((resolve) => setTimeout(resolve, found.size ? 0 : ANNOUNCE_MS));
  globalThis.removeEventListener("eip6963:announceProvider", hear);
  if (!found.size && globalThis.ethereum?.request) {
    found.set("ethereum", { name: "", provider: globalThis.ethereum });
  }
  return [...found.values()];
}

/** A chain as a wallet's provider answers for it. */
export class WalletChain {
  constructor(provider) {
    this.provider = provider;
  }

  /** Return the chain's id. */
  async chainId() {
    return BigInt(await this.provider.request({ method: "eth_chainId" }));
  }

  /** Ask the wallet to change to a chain; whether it did shows in `chainId`. */
  async changeTo(chainId) {
    const params = [{ chainId: "0x" + chainId.toString(16) }];
    await this.provider.request({ method: "wallet_switchEthereumChain", params });
  }

  /** Return the word that a function of a contract answers. */
  async ask(contract, signature, ...words) {
    const call = { to: toHex(contract), data: toHex(concat(selector(signature), ...words)) };
    const answer = await this.provider.request({ method: "eth_call", params: [call, "latest"] });
    return fromHex(String(answer).toLowerCase(), 32);
  }

  networkId(settlement) {
    return this.ask(settlement, "networkId()");
  }

  /** Return the root that a log's gateway anchored at a size; zero where it did not. */
  anchorOf(settlement, logId, size) {
    return this.ask(settlement, "anchorOf(bytes32,uint64)", logId, word(size));
  }

  /** Return the digest of a finalised epoch, zero before. */
  digestOf(settlement, epoch) {
    return this.ask(settlement, "digestOf(uint64)", word(epoch));
  }

  /** Return the evidence hash of a closed epoch, zero before. */
  evidenceHashOf(settlement, epoch) {
    return this.ask(settlement, "evidenceHashOf(uint64)", word(epoch));
  }

  /** Return the logs of a contract in a transaction, decoded as far as we need; null: not there. */
  async logs(contract, tx) {
    const receipt = await this.provider.request({
      method: "eth_getTransactionReceipt",
      params: [toHex(tx)],
    });
    if (receipt === null) return null;
    return receipt.logs
      .filter((entry) => entry.address.toLowerCase() === toHex(contract))
      .map((entry) => decodeLog(entry))
      .filter((entry) => entry !== null);
  }
}

/** Return {event, key, first, second} of a log of Settlement: indexed word, then data words. */
export function decodeLog({ topics, data }) {
  const [topic, key] = topics.slice(0, 2).map((item) => fromHex(item.toLowerCase(), 32));
  const events = new Map([
    [ANCHORED, "Anchored"],
    [CLOSED, "Closed"],
    [FINALISED, "Finalised"],
  ]);
  for (const [wanted, event] of events) {
    if (topic && key && equal(topic, wanted)) {
      const bytes = fromHex(data.toLowerCase());
      return { event, key, first: bytes.subarray(0, 32), second: bytes.subarray(32, 64) };
    }
  }
  return null;
}
