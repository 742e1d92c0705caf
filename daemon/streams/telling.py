"""How much of what happens often, or to many, is told in events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_told(number: int) -> bool:
    """Whether the end of this pass is an event: of many over a tiny source only every 10th, 100th.

    >>> [number for number in range(1, 400) if is_told(number)][8:]
    [9, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300]
    """
    return set(str(number)[1:]) <= {"0"}


def some_of(names: Sequence[str]) -> str:
    """Names for a line: three of them at most.

    >>> some_of(["a", "b"]), some_of(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
