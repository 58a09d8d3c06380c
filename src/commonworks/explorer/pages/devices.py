"""Routes of the slice devices."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["devices"])
