"""Pages of a list, and the opaque cursor that leads to the next one."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from daemon.errors import UsageError

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


@dataclass(frozen=True)
class Page:
    """Some items of a list; `next` leads to those after them, None at the end."""

    items: list[dict[str, Any]]
    next: str | None


def encode_cursor(place: dict[str, Any]) -> str:
    """An opaque text for a place in a list.

    >>> decode_cursor(encode_cursor({"before": 7}), "before")
    [7]
    """
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *names: str) -> list[Any]:
    """The values under `names`, in that order.

    Raises:
        UsageError: when this list did not give out the cursor.
    """
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        values = [place[name] for name in names]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"cursor {cursor!r} was not given by this list; ask again without one, then follow `next`",
            path="cursor",
        ) from error
    if not all(isinstance(value, int | float | str) for value in values):
        raise UsageError(
            f"cursor {cursor!r} was not given by this list; ask again without one, then follow `next`",
            path="cursor",
        )
    return values


def checked_limit(limit: int) -> int:
    """A page size within bounds.

    Raises:
        UsageError: when it is not between 1 and 500.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise UsageError(f"limit is {limit}; it must be between 1 and {MAX_LIMIT}")
    return limit
