"""The relay role: hands in what members signed and pays for it, within a budget. Over ports."""

from commonworks.relay.chain import Carried, Examined, Limits, RelayChain
from commonworks.relay.messages import Message, decode_message, encode_message
from commonworks.relay.reasons import REASONS, Reason
from commonworks.relay.service import Budget, Declined, Relay, Relayed

__all__ = [
    "REASONS",
    "Budget",
    "Carried",
    "Declined",
    "Examined",
    "Limits",
    "Message",
    "Reason",
    "Relay",
    "RelayChain",
    "Relayed",
    "decode_message",
    "encode_message",
]
