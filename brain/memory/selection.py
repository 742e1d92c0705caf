"""What is to be forgotten: a passage, some sources, or all since a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from brain.errors import SettingsError
from brain.memory.passages import PIECE, PassageSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from brain.memory.passages import IntArray, Rows


@dataclass(frozen=True, kw_only=True)
class SourceSpan:
    """A source by the number it had from one step to before another; None: to the end."""

    index: int
    from_step: int = 0
    before_step: int | None = None


class Search(Protocol):
    """Finds rows, a block at a time; `keys` name them."""

    def look(self, keys: IntArray, rows: Rows) -> None:
        """Look at a block of rows; keys (n,)."""

    def found(self) -> IntArray:
        """Keys of the rows that are meant, ascending."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Exactly one of three.

    Attributes:
        text: a passage, at least PIECE bytes.
        sources: numbers of sources, each within the steps at which it meant the same.
        since: all that was read at this step or later.

    Raises:
        SettingsError: the passage is too short, or it is not exactly one.
    """

    text: bytes = b""
    sources: tuple[SourceSpan, ...] = ()
    since: int | None = None

    def __post_init__(self) -> None:
        if bool(self.text) + bool(self.sources) + (self.since is not None) != 1:
            raise SettingsError("forget one thing at a time: a text, a source, or all since a step")
        if self.text and len(self.text) < PIECE:
            raise SettingsError(
                f"a text of {len(self.text)} bytes would be found everywhere; give at least {PIECE}"
            )

    def dated(self, step: IntArray, source: IntArray) -> NDArray[np.bool_]:
        """Which of what was read at these steps (n,) of these sources (n,) is selected; none if a text is."""
        meant = np.zeros(len(step), np.bool_)
        if self.since is not None:
            meant |= step >= self.since
        for span in self.sources:
            within = (source == span.index) & (step >= span.from_step)
            if span.before_step is not None:
                within &= step < span.before_step
            meant |= within
        return meant

    def search(self) -> Search:
        """A search for rows."""
        return PassageSearch(self.text) if self.text else _DatedSearch(self)


class _DatedSearch:
    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._found: list[IntArray] = [np.empty(0, np.int64)]

    def look(self, keys: IntArray, rows: Rows) -> None:
        self._found.append(keys[self._selection.dated(rows.step, rows.source)])

    def found(self) -> IntArray:
        return np.sort(np.concatenate(self._found))
