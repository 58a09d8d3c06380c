"""The explorer's queries."""
