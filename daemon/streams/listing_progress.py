"""Signs of life while a source is listed, and an event where that takes long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from daemon.events import ListingContinued

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.events import Event

FIRST_REPORT_SECONDS = 5.0


class ListingProgress:
    """Called with the number of files found so far; emits events after 5 s, 10 s, 20 s and so on.

    Args:
        source: its name.
        emit: takes the events.
        progressed: a sign of life; raises what ends the listing.
        monotonic: seconds that never go back.
    """

    def __init__(
        self,
        source: str,
        emit: Callable[[Event], None],
        progressed: Callable[[], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._emit = emit
        self._progressed = progressed
        self._monotonic = monotonic
        self._began = monotonic()
        self._next_report_seconds = FIRST_REPORT_SECONDS

    def __call__(self, num_files: int) -> None:
        """More files are found; raises what `progressed` raises."""
        self._progressed()
        seconds = self._monotonic() - self._began
        if seconds >= self._next_report_seconds:
            self._emit(ListingContinued(source=self._source, num_files=num_files, seconds=round(seconds, 1)))
            self._next_report_seconds = 2 * max(seconds, self._next_report_seconds)
