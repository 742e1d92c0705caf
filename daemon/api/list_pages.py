"""Cursors: where a list continues, opaque to the client."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from daemon.errors import UsageError

Limit = Annotated[int, Query(ge=1, le=500, description="Most items to return.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before.")]

# What can be no name of anything; PostgreSQL takes no NUL.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"


def offset_of(cursor: str | None) -> int:
    """The position a cursor of a listed-by-position page stands for.

    >>> offset_of("o40")
    40
    """
    if cursor is None:
        return 0
    if not cursor.startswith("o") or not cursor[1:].isdecimal() or not cursor.isascii() or len(cursor) > 12:
        raise _foreign_cursor(cursor)
    return int(cursor[1:])


def _foreign_cursor(cursor: str) -> UsageError:
    return UsageError(
        f"the cursor {cursor!r} is not one of this list; take `next` of the page before", path="cursor"
    )


def page_after(items: list[dict[str, Any]], cursor: str | None, limit: int) -> dict[str, Any]:
    """A page of a list, newest first, that changes between two pages: it continues behind the last item shown.

    >>> saved = [{"id": "c", "created_at": "3"}, {"id": "b", "created_at": "2"}, {"id": "a", "created_at": "1"}]
    >>> page = page_after(saved, None, 1)
    >>> page_after([{"id": "d", "created_at": "4"}, *saved], page["next"], 1)["items"][0]["id"]
    'b'
    """
    start = 0
    if cursor is not None:
        created_at, _, last = cursor.partition("~")
        if not last:
            raise _foreign_cursor(cursor)
        ids = [item["id"] for item in items]
        # One that was deleted since is passed over by its time.
        older = (i for i, item in enumerate(items) if item["created_at"] < created_at)
        start = ids.index(last) + 1 if last in ids else next(older, len(items))
    shown = items[start : start + limit]
    more = start + limit < len(items)
    return {"items": shown, "next": f"{shown[-1]['created_at']}~{shown[-1]['id']}" if more else None}


def page_of(items: list[dict[str, object]], cursor: str | None, limit: int) -> dict[str, object]:
    """A page of a list that is at hand as a whole and does not change."""
    start = offset_of(cursor)
    end = start + limit
    return {"items": items[start:end], "next": f"o{end}" if end < len(items) else None}
