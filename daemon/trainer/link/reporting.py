"""Reports go up the pipe in batches, at most ten a second; a step never waits for them.

Metrics live in a bounded buffer and count what they drop when the supervisor lags; events are never dropped.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import TYPE_CHECKING, Any

from daemon.trainer_protocol import HOT_METRICS, Report, RunState

if TYPE_CHECKING:
    from brain.ports import Reading
    from daemon.events import Event
    from daemon.trainer.link.pipe import Pipe

INTERVAL_SECONDS = 0.1
MAX_BUFFERED_ROWS = 20_000
COLUMNS = ("step", "time", *HOT_METRICS)


class Reporter:
    """Collects between reports and sends from its own thread.

    A report is sent only if the loop has shown a sign of life since the last one: it is the heartbeat, and a
    hanging loop must not look alive.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._alive = threading.Event()
        self._closing = threading.Event()
        self._state = RunState.STARTING
        self._totals = (0, 0, 0.0)
        self._degraded: dict[str, str] = {}
        self._dropped = 0
        self._sample: str | None = None
        self._columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
        self._points: list[tuple[str, int, float, float]] = []
        self._events: list[dict[str, Any]] = []
        self._readings: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._send_loop, name="reporter", daemon=True)
        self._thread.start()

    def alive(self, state: RunState, *, step: int, samples: int, training_seconds: float) -> None:
        """Sign of life, with the totals as they stand."""
        self._state = state
        self._totals = (step, samples, training_seconds)
        self._alive.set()

    def still_alive(self) -> None:
        """Sign of life in the middle of work, with the totals as they stood before it."""
        self._alive.set()

    def row(self, **metrics: float) -> None:
        """One step's hot metrics: `step`, `time` and HOT_METRICS."""
        with self._lock:
            if len(self._columns["step"]) >= MAX_BUFFERED_ROWS:
                self._dropped += 1
                return
            for name in COLUMNS:
                self._columns[name].append(metrics[name])

    def point(self, metric: str, step: int, value: float) -> None:
        """One sparse value."""
        with self._lock:
            if len(self._points) >= MAX_BUFFERED_ROWS:
                self._dropped += 1
                return
            self._points.append((metric, step, time.time(), value))

    def event(self, event: Event) -> None:
        """A fact, never dropped."""
        with self._lock:
            self._events.append(event.record())
        self._alive.set()

    def reading(self, reading: Reading, step: int) -> None:
        """A measurement of a vital sign, and its value as a point when there is one."""
        with self._lock:
            self._readings.append({**dataclasses.asdict(reading), "step": step, "time": time.time()})
        if reading.value is not None:
            self.point(reading.name, step, reading.value)

    def sample(self, text: str) -> None:
        """What the brain generates now."""
        with self._lock:
            self._sample = text

    def set_degraded(self, cause: str, reason: str | None) -> bool:
        """Raise or clear one cause of the `degraded` flag; True when that changed anything."""
        before = self._degraded.get(cause)
        if reason is None:
            self._degraded.pop(cause, None)
        else:
            self._degraded[cause] = reason
        return before != reason

    def close(self) -> None:
        """Send what is left and end the thread."""
        self._closing.set()
        self._alive.set()
        self._thread.join(timeout=5.0)

    def _send_loop(self) -> None:
        while not self._closing.is_set():
            self._alive.wait()
            self._closing.wait(INTERVAL_SECONDS)
            self._alive.clear()
            self._pipe.send(self._take())

    def _take(self) -> Report:
        with self._lock:
            columns, self._columns = self._columns, {name: [] for name in COLUMNS}
            points, self._points = self._points, []
            events, self._events = self._events, []
            readings, self._readings = self._readings, []
            sample, self._sample = self._sample, None
        step, samples, training_seconds = self._totals
        return Report(
            state=self._state.value,
            step=step,
            samples=samples,
            training_seconds=training_seconds,
            degraded="; ".join(self._degraded.values()) or None,
            columns=columns if columns["step"] else {},
            points=points,
            events=events,
            readings=readings,
            sample=sample,
            dropped=self._dropped,
        )
