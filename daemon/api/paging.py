"""Cursors: where a list goes on, as text that means nothing to the client."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from daemon.errors import UsageError

Limit = Annotated[int, Query(ge=1, le=500, description="At most so many items.")]
Cursor = Annotated[str | None, Query(max_length=200, description="What `next` of the page before said.")]


def offset_of(cursor: str | None) -> int:
    """The position a cursor of a listed-by-position page stands for.

    >>> offset_of("o40")
    40
    """
    if cursor is None:
        return 0
    if not cursor.startswith("o") or not cursor[1:].isdecimal() or not cursor.isascii() or len(cursor) > 12:
        raise UsageError(
            f"the cursor {cursor!r} is not one of this list; take `next` of the page before", path="cursor"
        )
    return int(cursor[1:])


def page_of(items: list[dict[str, object]], cursor: str | None, limit: int) -> dict[str, object]:
    """A page of a list that is at hand as a whole."""
    start = offset_of(cursor)
    end = start + limit
    return {"items": items[start:end], "next": f"o{end}" if end < len(items) else None}
