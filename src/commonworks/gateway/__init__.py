"""The gateway role: logs statements, answers with receipts, anchors its log. Logic over ports."""

from commonworks.gateway.access import (
    SealedRequest,
    authorize,
    encode_authorization,
    request_text,
)
from commonworks.gateway.positions import MemoryPositions, Positions
from commonworks.gateway.service import NOTE_KEY, RECEIPT_KEY, Gateway, GatewaySettings, Status

__all__ = [
    "NOTE_KEY",
    "RECEIPT_KEY",
    "Gateway",
    "GatewaySettings",
    "MemoryPositions",
    "Positions",
    "SealedRequest",
    "Status",
    "authorize",
    "encode_authorization",
    "request_text",
]
