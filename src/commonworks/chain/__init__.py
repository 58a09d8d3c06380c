"""Adapters to EVM chains: client, deployment, accounts, and the embedded chain."""
