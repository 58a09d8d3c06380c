"""Killing the embedded chain at any moment, and what its tests share."""
