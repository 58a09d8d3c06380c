"""Routes of the slice transactions."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["transactions"])
