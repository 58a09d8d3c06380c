"""A wallet for a browser under test: EIP-1193 and EIP-6963, with a key that a test owns.

The page talks to it as to any wallet. What it signs with, and what it reads from the chain, lives
here in Python, because the page itself may connect to nothing but its own site.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from playwright.sync_api import Page

REFUSED: Final = 4001
UNKNOWN_CHAIN: Final = 4902
GAS_FREE: Final = 5_000_000
"""Gas limit where an estimate refuses; the embedded chain asks nothing for it."""

ICON: Final = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"

_SCRIPT: Final = """
(() => {
  const call = window[%(function)s];
  const heard = new Map();
  const provider = {
    async request({ method, params }) {
      const { result, error } = await call(method, params ?? []);
      if (error) throw Object.assign(new Error(error.message), { code: error.code });
      return result;
    },
    on(name, tell) { heard.set(name, [...(heard.get(name) ?? []), tell]); },
    removeListener() {},
    emit(name, value) { for (const tell of heard.get(name) ?? []) tell(value); },
  };
  window[%(function)s + "Provider"] = provider;
  if (%(old)s) { window.ethereum = provider; return; }
  const detail = Object.freeze({ info: Object.freeze(%(info)s), provider });
  const announce = () => dispatchEvent(
    new CustomEvent("eip6963:announceProvider", { detail }));
  addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


class WalletRefusedError(Exception):
    """What a wallet answers instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(kw_only=True)
class Wallet:
    """One wallet with one account."""

    account: LocalAccount
    chain: str
    """JSON-RPC endpoint of the network's chain."""
    name: str = "Test wallet"
    chain_id: int | None = None
    """Chain that it is on; None: the network's."""
    knows_chain: bool = True
    """Whether it can switch to the network's chain without being told where it is."""
    old: bool = False
    """Offer itself as window.ethereum only."""
    refuses: set[str] = field(default_factory=set)
    """Methods that its owner says no to."""
    broke: bool = False
    """Its account cannot pay for gas."""
    asked: list[tuple[str, list[Any]]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def inject(self, page: Page) -> None:
        """Put it into every page that is opened from now on."""
        function = "wallet" + "".join(letter for letter in self.name if letter.isalnum())
        page.expose_function(function, self.answer)
        info = {
            "uuid": f"00000000-0000-4000-8000-{abs(hash(self.name)) % 10**12:012d}",
            "name": self.name,
            "icon": ICON,
            "rdns": f"test.{function.lower()}",
        }
        values = {
            "function": json.dumps(function),
            "info": json.dumps(info),
            "old": json.dumps(self.old),
        }
        page.add_init_script(_SCRIPT % values)

    def answer(self, method: str, params: list[Any]) -> dict[str, Any]:
        """Answer a request of the page."""
        self.asked.append((method, params))
        if method in self.refuses:
            return {"error": {"code": REFUSED, "message": "User rejected the request."}}
        try:
            return {"result": self._methods.get(method, self._forward(method))(params)}
        except WalletRefusedError as error:
            return {"error": {"code": error.code, "message": str(error)}}

    @property
    def _methods(self) -> dict[str, Callable[[list[Any]], Any]]:
        return {
            "eth_requestAccounts": lambda _: [self.account.address],
            "eth_accounts": lambda _: [self.account.address],
            "eth_chainId": lambda _: hex(self._chain_id),
            "wallet_switchEthereumChain": self._switch,
            "wallet_addEthereumChain": self._add,
            "personal_sign": self._sign,
            "eth_sendTransaction": self._send,
        }

    @property
    def _chain_id(self) -> int:
        return self._own_chain if self.chain_id is None else self.chain_id

    @property
    def _own_chain(self) -> int:
        return int(self.rpc("eth_chainId"), 16)

    def _switch(self, params: list[Any]) -> None:
        if not self.knows_chain:
            raise WalletRefusedError(UNKNOWN_CHAIN, "Unrecognized chain ID.")
        self.chain_id = int(params[0]["chainId"], 16)

    def _add(self, params: list[Any]) -> None:
        assert params[0]["rpcUrls"] == [self.chain]
        assert params[0]["chainName"]
        self.knows_chain = True
        self.chain_id = int(params[0]["chainId"], 16)

    def _sign(self, params: list[Any]) -> str:
        assert params[1] == self.account.address
        message = encode_defunct(hexstr=params[0])
        return "0x" + bytes(self.account.sign_message(message).signature).hex()

    def _send(self, params: list[Any]) -> str:
        wish = params[0]
        assert wish["from"].lower() == self.account.address.lower()
        if self._chain_id != self._own_chain:
            raise WalletRefusedError(-32603, "another chain")
        if self.broke:
            raise WalletRefusedError(-32000, "insufficient funds for gas * price + value")
        count = self.rpc("eth_getTransactionCount", self.account.address, "pending")
        signed = self.account.sign_transaction(
            {
                "type": 2,
                "chainId": self._own_chain,
                "nonce": int(count, 16),
                "to": wish["to"],
                "data": wish["data"],
                "value": int(wish["value"], 16),
                "gas": GAS_FREE,
                "maxFeePerGas": 0,
                "maxPriorityFeePerGas": 0,
            }
        )
        tx = str(self.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))
        self.sent.append(tx)
        return tx

    def _forward(self, method: str) -> Callable[[list[Any]], Any]:
        return lambda params: self.rpc(method, *params)

    def rpc(self, method: str, *params: Any) -> Any:
        """Ask the chain."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        request = urllib.request.Request(
            self.chain, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        if "error" in found:
            raise WalletRefusedError(found["error"]["code"], found["error"]["message"])
        return found["result"]
