"""What can be asked of the writer: small frozen orders, queued by any thread and carried out by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Step-aligned metrics of a session: `step`, `time` and further columns of equal length."""

    run: str
    session: int
    columns: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Sparse values of a session as (metric, step, time, value)."""

    run: str
    session: int
    points: Sequence[tuple[str, int, float, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """New rows of a table."""

    table: Table
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Change the row with this key; if there is none and `fresh` is given, insert both."""

    table: Table
    key: Mapping[str, Any]
    values: Mapping[str, Any]
    fresh: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Delete the rows of a table whose `column` is below `below`."""

    table: Table
    column: str
    below: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSome:
    """Delete some rows with `remove`; `removed` holds how many, once it is done."""

    remove: Callable[[Connection], int]
    removed: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSession:
    """A new session of a run; from `first_step` on its rows supersede those of earlier ones."""

    run: str
    number: int
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutLog:
    """Once all before it is committed, leave nothing of what that changed in the log beside a SQLite file."""


Write = Columns | Points | Insert | Put | Remove | RemoveSome | StartSession | CutLog


def rows_of(write: Write) -> int:
    """Metric rows in an order; only these are bounded in the queue."""
    if isinstance(write, Columns):
        return len(write.columns.get("step", ()))
    return len(write.points) if isinstance(write, Points) else 0
