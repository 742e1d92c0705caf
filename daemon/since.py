"""Since when: a step, a time, or how long ago, as a person types it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from daemon.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_AGO = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, *, now: datetime | None = None) -> int | datetime:
    """A step or a moment; a time without a zone is this machine's.

    >>> parse_since("1200"), parse_since("2h", now=datetime(2026, 1, 1, 12, tzinfo=UTC)).isoformat()
    (1200, '2026-01-01T10:00:00+00:00')

    Raises:
        UsageError: it is none of these, or lies ahead.
    """
    now = now or datetime.now(UTC)
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) < 16:
        return int(text)
    if (ago := _AGO.fullmatch(text)) is not None:
        try:
            return now - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
        except OverflowError:
            return datetime.fromtimestamp(0, UTC)
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"since {text!r}: a step (1200), a time (2026-01-31T18:00) or how long ago (90m, 2h, 3d) is expected",
            path="since",
        ) from None
    if moment > now:
        raise UsageError(
            f"since {text!r} lies ahead: it is {now.isoformat(timespec='seconds')} now", path="since"
        )
    return moment


def step_since(text: str, step_at: Callable[[float], int | None]) -> int:
    """The first step that was experienced since; 0 where nothing is known of what came before.

    Args:
        text: as it was typed.
        step_at: steps that were finished at a moment, unix seconds.

    Raises:
        UsageError: see parse_since.
    """
    since = parse_since(text)
    return since if isinstance(since, int) else step_at(since.timestamp()) or 0
