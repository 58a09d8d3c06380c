"""The explorer's models."""
