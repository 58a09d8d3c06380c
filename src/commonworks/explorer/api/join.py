"""Routes of the slice join."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["join"])
