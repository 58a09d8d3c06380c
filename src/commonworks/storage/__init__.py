"""Durable bytes: the Store port on a folder, and indexes that can be rebuilt from the log."""
