"""Routes of the slice activity."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["activity"])
