"""What signing in and wallets are told."""

from __future__ import annotations

from pydantic import Field

from commonworks.explorer.web.model import Address, Model, Party, Time


class SessionState(Model):
    """Who signed in."""

    account: Party | None = Field(description="Null: nobody did.")
    expires_at: Time | None = Field(description="When it is over, real time.")


class MessageWanted(Model):
    """Who wants to sign in."""

    account: Address


class MessageToSign(Model):
    """What the wallet signs (EIP-4361) with `personal_sign`."""

    message: str
    expires_at: Time = Field(description="Until when it is worth something, real time.")


class SignIn(Model):
    """A signed message."""

    message: str = Field(max_length=2_000, description="As it was signed.")
    signature: str = Field(
        max_length=8_194,
        pattern=r"^0x([0-9a-fA-F]{2})+$",
        description="65 bytes of a key, or whatever a contract account stands by (ERC-1271).",
    )


class WalletGuide(Model):
    """What a browser's wallet needs to know, and the words of its dialogs."""

    chain_id: int
    chain_name: str
    rpc: list[str] = Field(description="Endpoints of the chain that a wallet may be told.")
    texts: dict[str, str] = Field(description="Sentences in the language asked for, by key.")
