"""Forms in which values leave the explorer: typed, documented, safe for JSON."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from eth_utils.address import to_checksum_address
from fastapi import Path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from commonworks.errors import InvalidInput
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext

NUMBER_MAX: Final = 2**63 - 1
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")


class Model(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Address = Annotated[
    str, Field(pattern=r"^0x[0-9a-fA-F]{40}$", description="Account or contract, EIP-55.")
]
Hash = Annotated[str, Field(pattern=r"^0x[0-9a-f]{64}$", description="32 bytes, hexadecimal.")]
Amount = Annotated[
    str,
    Field(pattern=r"^-?[0-9]{1,78}$", description="Whole number of smallest units, in digits."),
]
Time = Annotated[int, Field(description="Unix seconds, UTC, network time.")]


def _whole(value: Any) -> Any:
    """Return what JSON calls an integer: 5.0 is 5; `true` and `"5"` are none."""
    if isinstance(value, bool | str):
        raise ValueError("a whole number, please")
    return value


WHOLE: Final = BeforeValidator(_whole)
"""Last of a whole number's annotations in a body; in a path or a query all is text."""


class Party(Model):
    """An account with what people call it."""

    address: Address
    label: str | None = Field(description="Name that this explorer knows, for people.")


class DeviceRef(Model):
    """A device with what people call it."""

    device: int = Field(description="Its id on chain.")
    label: str | None = Field(description="Name that this explorer knows, for people.")
    resource: str | None = Field(description="What it contributes to; null where unknown.")


def address_text(address: bytes) -> str:
    """Return an address as EIP-55 text."""
    return to_checksum_address(address)


def hash_text(value: bytes) -> str:
    """Return bytes as 0x hexadecimal."""
    return "0x" + value.hex()


def amount_text(value: int) -> str:
    """Return an amount as digits: JSON numbers do not carry 256 bits."""
    return str(value)


def party(site: Site, address: bytes) -> Party:
    """Return an account as it is shown."""
    return Party(address=address_text(address), label=site.labels.get(address))


def device_ref(
    site: Site, device: int, thumbprint: bytes | None = None, resource: str | None = None
) -> DeviceRef:
    """Return a device as it is shown."""
    label = None if thumbprint is None else site.device_labels.get(thumbprint)
    return DeviceRef(device=device, label=label, resource=resource)


# --- what comes in a path or a query --------------------------------------------------------------


def address_bytes(text: str) -> bytes:
    """Return the bytes of an address; raise InvalidInput."""
    if _ADDRESS.fullmatch(text) is None:
        raise InvalidInput(
            gettext("%(text)s is no account", text=repr(text[:80])),
            hint=gettext("write 0x and 40 hexadecimal digits"),
        )
    return bytes.fromhex(text[2:])


def hash_bytes(text: str) -> bytes:
    """Return the bytes of a hash or an identity; raise InvalidInput."""
    if _HASH.fullmatch(text) is None:
        raise InvalidInput(
            gettext("%(text)s is no hash", text=repr(text[:80])),
            hint=gettext("write 64 hexadecimal digits"),
        )
    return bytes.fromhex(text.removeprefix("0x"))


def _address(text: Any) -> Any:
    return address_bytes(text)


def _hash(text: Any) -> Any:
    return hash_bytes(text)


AddressText = Annotated[
    str,
    Path(description="0x and 40 hexadecimal digits.", pattern=r"^0x[0-9a-fA-F]{40}$"),
]
"""Path parameter: an account; `address_bytes` turns it into bytes."""

HashText = Annotated[
    str, Path(description="64 hexadecimal digits.", pattern=r"^(0x)?[0-9a-fA-F]{64}$")
]
"""Path parameter: a hash or identity; `hash_bytes` turns it into bytes."""

Number = Annotated[int, Path(ge=0, le=NUMBER_MAX)]
"""Path parameter: a device, epoch or proposal number."""

AddressPath = Annotated[AddressText, AfterValidator(_address)]
"""Path parameter: an account; arrives as 20 bytes."""

HashPath = Annotated[HashText, AfterValidator(_hash)]
"""Path parameter: a hash or identity; arrives as 32 bytes."""
