"""What waits for one client of the live feed: bounded, metrics coalesced, events kept."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ROWS = 2_000
MAX_FRAMES = 1_000
OVERFLOW_SECONDS = 10.0

Frame = dict[str, Any]


class Mailbox:
    """Frames for one client, taken in order; never blocks whoever puts something in.

    A run's deltas melt into one while they wait, up to `max_rows`; more rows are dropped and counted.
    Events and operations are never dropped: when more than `max_frames` wait, or rows were dropped, it
    overflows, and `overflowed_for` tells since when.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        max_rows: int = MAX_ROWS,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        self._monotonic = monotonic
        self._max_rows = max_rows
        self._max_frames = max_frames
        self._frames: deque[Frame] = deque()
        self._deltas: dict[str, Frame] = {}  # by run: the delta in `_frames` that new ones melt into
        self._runs: dict[str, Frame] = {}
        self._dropped = 0
        self._overflow_since: float | None = None
        self._news = asyncio.Event()
        self.closed_with: str | None = None

    def put(self, frame: Frame) -> None:
        """Add a frame, or melt it into one of its kind that still waits."""
        kind = frame["type"]
        if kind == "delta":
            self._put_delta(frame)
        elif kind == "run" and frame["run"]["id"] in self._runs:
            self._runs[frame["run"]["id"]]["run"] = frame["run"]
        else:
            if kind == "run":
                frame = dict(frame)
                self._runs[frame["run"]["id"]] = frame
            self._frames.append(frame)
            if len(self._frames) > self._max_frames:
                self._note_overflow()
        self._news.set()

    def close(self, reason: str) -> None:
        """Nothing more comes; the client is told `reason` after what waits."""
        self.closed_with = reason
        self._news.set()

    def overflowed_for(self) -> float:
        """Seconds since the mailbox began to overflow; 0 when it does not."""
        return 0.0 if self._overflow_since is None else self._monotonic() - self._overflow_since

    async def take(self) -> Frame | None:
        """The next frame, once there is one; None when the mailbox is closed and empty."""
        while not self._frames and not self._dropped:
            if self.closed_with is not None:
                return None
            self._news.clear()
            await self._news.wait()
        if not self._frames:
            self._overflow_since = None
            dropped, self._dropped = self._dropped, 0
            return {"type": "gap", "dropped": dropped}
        frame = self._frames.popleft()
        if frame["type"] == "delta":
            self._deltas.pop(frame["run"], None)
        elif frame["type"] == "run":
            self._runs.pop(frame["run"]["id"], None)
        if not self._frames and not self._dropped:
            self._overflow_since = None
        return frame

    def _put_delta(self, frame: Frame) -> None:
        waiting = self._deltas.get(frame["run"])
        if waiting is None:
            waiting = {**frame, "columns": {}, "points": [], "readings": []}
            self._deltas[frame["run"]] = waiting
            self._frames.append(waiting)
        rows = len(waiting["columns"].get("step", ())) + len(waiting["points"])
        new_rows = len(frame["columns"].get("step", ())) + len(frame["points"])
        columns, points = waiting["columns"], waiting["points"]
        if rows and rows + new_rows > self._max_rows:
            self._dropped += new_rows
            self._note_overflow()
        else:
            columns = _joined(columns, frame["columns"])
            points = points + frame["points"]
        newest = {reading["name"]: reading for reading in (*waiting["readings"], *frame["readings"])}
        sample = frame.get("sample", waiting.get("sample"))
        waiting.update(frame, columns=columns, points=points, readings=list(newest.values()))
        if sample is not None:
            waiting["sample"] = sample

    def _note_overflow(self) -> None:
        if self._overflow_since is None:
            self._overflow_since = self._monotonic()


def _joined(first: dict[str, list[Any]], second: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of both, of equal length; a column that one lacks has nulls there.

    >>> _joined({"step": [1], "bpc": [8.0]}, {"step": [2]})
    {'step': [1, 2], 'bpc': [8.0, None]}
    """
    before, after = len(first.get("step", ())), len(second.get("step", ()))
    names = list(dict.fromkeys((*first, *second)))
    return {name: [*first.get(name, [None] * before), *second.get(name, [None] * after)] for name in names}
