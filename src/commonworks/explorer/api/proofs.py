"""Routes of the slice proofs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["proofs"])
