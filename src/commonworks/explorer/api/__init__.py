"""The explorer's api."""
