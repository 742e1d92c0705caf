"""Rows as they begin: what a table's columns hold until they are set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

FRESH_RUN: Mapping[str, Any] = {
    "config": {}, "state": "queued", "degraded": False, "session": 0, "step": 0, "samples": 0,
    "training_seconds": 0.0, "latest": {}, "latest_steps": {}, "readings": {}, "sources": [], "rolled_to": 0,
}  # fmt: skip
FRESH_READING: Mapping[str, Any] = {
    "value": None, "raw": None, "uncertainty": None, "samples": 0, "version": "1", "cost_ms": 0.0,
    "reason": None, "detail": {},
}  # fmt: skip
FRESH_EVENT: Mapping[str, Any] = {"severity": "info", "step": None, "message": "", "data": {}}
FRESH_CHECKPOINT: Mapping[str, Any] = {"pinned": False, "verified": True, "best": False}


def row_of(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are columns of the table; what else a newer trainer may send is left out."""
    return {name: value for name, value in values.items() if name in table.c}
