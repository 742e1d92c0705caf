"""SQLAlchemy statements as text for the driver, for those that run with every batch: building costs more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ClauseElement, Engine


def driver_text(statement: ClauseElement, engine: Engine, columns: Iterable[str] | None = None) -> str:
    """The statement in the form of the engine's driver; parameters go in as tuples, in order of the text.

    Args:
        statement: a Core statement; values it holds are left out, only their places are kept.
        engine: whose dialect to write.
        columns: of an insert.
    """
    dialect = engine.dialect
    if not dialect.positional:
        dialect = type(dialect)(paramstyle="format")  # type: ignore[call-arg]  # of every DefaultDialect
    return str(statement.compile(dialect=dialect, column_keys=None if columns is None else list(columns)))
