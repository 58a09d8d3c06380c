"""Routes of the slice nodes."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["nodes"])
