"""Chains: the client for any EVM chain, and the embedded chain that a network starts with."""
