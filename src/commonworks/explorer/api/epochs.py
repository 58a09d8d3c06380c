"""Routes of the slice epochs."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["epochs"])
