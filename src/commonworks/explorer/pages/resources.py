"""Routes of the slice resources."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["resources"])
