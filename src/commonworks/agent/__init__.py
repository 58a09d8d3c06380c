"""The agent role: signs readings, delivers them, keeps them until a closed range has them."""

from commonworks.agent.answers import Refused
from commonworks.agent.devices import Device, Reading
from commonworks.agent.service import Agent, AgentSettings, GatewayAddress

__all__ = ["Agent", "AgentSettings", "Device", "GatewayAddress", "Reading", "Refused"]
