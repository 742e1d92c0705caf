"""What every tier of replay can do: draw slots of the table it shares with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.memory.policies.port import IntArray


class Tier(Protocol):
    """Draws from a part of the table; which part is said at each draw, for it grows."""

    def draw(self, n: int, first: int, end: int) -> IntArray:
        """N slots of first … end - 1 (at least one), with replacement, (n,)."""

    def state(self) -> dict[str, Any]:
        """JSON-able."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state` was taken."""
