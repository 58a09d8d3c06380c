"""Routes of the slice session."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["session"])
