"""Adapters of the explorer: what `explorer.ports` asks for, over this folder and its chain."""
