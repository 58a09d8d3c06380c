"""HTTP: a server for the gateway role, a client for everybody, and logs read over either."""

from commonworks.transport.client import HttpTransport
from commonworks.transport.gateway_app import GatewayApp
from commonworks.transport.logs import DirectoryLog, HttpLog
from commonworks.transport.server import serve

__all__ = ["DirectoryLog", "GatewayApp", "HttpLog", "HttpTransport", "serve"]
