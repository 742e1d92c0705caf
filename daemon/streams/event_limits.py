"""How often events report what happens all the time, and how many names one of them lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_reported(number: int) -> bool:
    """Whether the end of a pass is an event: over a tiny source only every 10th, then every 100th is.

    >>> [number for number in range(1, 400) if is_reported(number)][8:]
    [9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300]
    """
    return set(str(number)[1:]) <= {"0"}


def first_of(names: Sequence[str]) -> str:
    """The first three of a list of names, and how many more there are.

    >>> first_of(["a", "b"]), first_of(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
