"""What waits for one audience: bounded, metrics coalesced, events kept."""

from __future__ import annotations

from collections import deque
from typing import Any

MAX_ROWS = 2_000
MAX_FRAMES = 1_000

Frame = dict[str, Any]


class Backlog:
    """Frames in order, each a dictionary with its `type`.

    A run's deltas are merged into one while they wait, up to `max_rows`; further rows are dropped and counted. Of a
    run's own frames the newest counts. Beyond `max_frames` others are dropped and counted, unless `keep_all`.
    """

    def __init__(
        self, *, max_rows: int = MAX_ROWS, max_frames: int = MAX_FRAMES, keep_all: bool = False
    ) -> None:
        self._max_rows = max_rows
        self._max_frames = max_frames
        self._keep_all = keep_all
        self._frames: deque[Frame] = deque()
        self._deltas: dict[str, Frame] = {}  # by run: the delta in `_frames` that new ones are merged into
        self._runs: dict[str, Frame] = {}
        self._dropped_rows = 0
        self._dropped_frames = 0

    def __bool__(self) -> bool:
        return bool(self._frames or self._dropped_rows or self._dropped_frames)

    def put(self, frame: Frame) -> bool:
        """Add a frame, or merge it into one of its kind that still waits; False where that was too much."""
        kind = frame["type"]
        if kind == "delta" and frame["run"] in self._deltas:
            return self._merge(self._deltas[frame["run"]], frame)
        if kind == "run" and frame["run"]["id"] in self._runs:
            self._runs[frame["run"]["id"]]["run"] = frame["run"]
            return True
        full = len(self._frames) >= self._max_frames
        if full and not self._keep_all and kind not in ("delta", "run"):  # of those there is one a run
            self._dropped_frames += 1
            return False
        if kind == "delta":
            waiting = {**frame, "columns": {}, "points": [], "readings": []}
            self._deltas[frame["run"]] = waiting
            self._frames.append(waiting)
            return self._merge(waiting, frame) and not full
        if kind == "run":
            frame = dict(frame)  # others hold it, too
            self._runs[frame["run"]["id"]] = frame
        self._frames.append(frame)
        return not full

    def take(self) -> Frame | None:
        """The oldest frame, None when nothing waits; behind the last one, how much was dropped."""
        if not self._frames:
            if not self:
                return None
            gap = {"type": "gap", "dropped": self._dropped_rows}
            if self._dropped_frames:
                gap["dropped_frames"] = self._dropped_frames
            self._dropped_rows = self._dropped_frames = 0
            return gap
        frame = self._frames.popleft()
        if frame["type"] == "delta":
            self._deltas.pop(frame["run"], None)
        elif frame["type"] == "run":
            self._runs.pop(frame["run"]["id"], None)
        return frame

    def _merge(self, waiting: Frame, frame: Frame) -> bool:
        """Whether the frame's rows fit; its totals are taken over in any case."""
        rows = len(waiting["columns"].get("step", ())) + len(waiting["points"])
        new_rows = len(frame["columns"].get("step", ())) + len(frame["points"])
        columns, points = waiting["columns"], waiting["points"]
        fits = not rows or rows + new_rows <= self._max_rows
        if fits:
            columns = _joined(columns, frame["columns"])
            points = points + frame["points"]
        else:
            self._dropped_rows += new_rows
        newest = {reading["name"]: reading for reading in (*waiting["readings"], *frame["readings"])}
        sample = frame.get("sample", waiting.get("sample"))
        waiting.update(frame, columns=columns, points=points, readings=list(newest.values()))
        if sample is not None:
            waiting["sample"] = sample
        return fits


def _joined(first: dict[str, list[Any]], second: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Columns of both, of equal length; a column that one lacks has nulls there.

    >>> _joined({"step": [1], "bpc": [8.0]}, {"step": [2]})
    {'step': [1, 2], 'bpc': [8.0, None]}
    """
    before, after = len(first.get("step", ())), len(second.get("step", ()))
    names = list(dict.fromkeys((*first, *second)))
    return {name: [*first.get(name, [None] * before), *second.get(name, [None] * after)] for name in names}
