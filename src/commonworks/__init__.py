"""Commonworks: the open stack for community-owned infrastructure."""
