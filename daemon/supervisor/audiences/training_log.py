"""logs/training.log: what a person follows with `synapsed logs -f`: status lines and events, rotated."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from daemon.supervisor.audiences.log_file import LogFile
from daemon.system.counting import dated
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.supervisor.clock import Clock

STATUS_EVERY_SECONDS = 5.0
LIMIT_BYTES = 8 * 1024 * 1024
KEPT_FILES = 2
MISSING = "–"
LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class TrainingLog:
    """An Audience that writes lines for people."""

    def __init__(
        self, path: Path, clock: Clock, *, limit_bytes: int = LIMIT_BYTES, kept_files: int = KEPT_FILES
    ) -> None:
        self._clock = clock
        self._status_at: dict[str, float] = {}
        self._latest: dict[str, dict[str, float | None]] = {}
        self._steps: dict[str, dict[str, int]] = {}
        self._handler = LogFile(path, limit_bytes=limit_bytes, kept_files=kept_files)
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
        # A logger of its own, outside the tree: nobody else's lines get in, and these go nowhere else.
        self._logger = logging.Logger("synapsed.training", logging.INFO)  # noqa: LOG001
        self._logger.addHandler(self._handler)

    def on_run(self, run: dict[str, Any]) -> None:
        """Remember the newest metrics; a change of state comes as an event."""
        self._latest.setdefault(run["id"], {}).update(run["latest"])
        self._steps.setdefault(run["id"], {}).update(run.get("latest_steps") or {})

    def on_delta(self, delta: dict[str, Any]) -> None:
        """A status line every few seconds."""
        latest, steps = self._latest.setdefault(delta["run"], {}), self._steps.setdefault(delta["run"], {})
        for metric, values in delta["columns"].items():
            if values:
                latest[metric], steps[metric] = values[-1], delta["step"]
        for metric, step, _time, value in delta["points"]:
            latest[metric], steps[metric] = value, step
        for reading in delta["readings"]:
            latest[reading["name"]] = reading["value"]
            steps[reading["name"]] = reading.get("step", delta["step"])
        now = self._clock.monotonic()
        if (
            delta["columns"]
            and now - self._status_at.get(delta["run"], -STATUS_EVERY_SECONDS) >= STATUS_EVERY_SECONDS
        ):
            self._status_at[delta["run"]] = now
            self._logger.info("%s", status_line(delta["step"], latest, delta["training_seconds"], steps))

    def on_event(self, event: dict[str, Any]) -> None:
        """One line an event."""
        self._logger.log(LEVELS.get(event["severity"], logging.INFO), "%s", one_line(str(event["message"])))

    def on_operation(self, operation: dict[str, Any]) -> None:
        """Failures only; the rest shows in events."""
        if operation["state"] == "failed":
            self._logger.warning("%s failed: %s", operation["action"], one_line(str(operation["error"])))

    def on_gap(self, dropped: int) -> None:
        """Lines were dropped while the file took nothing."""
        self._logger.warning("%d lines are missing here: the disk did not take them in time", dropped)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()

    def abandon(self) -> None:
        """Abandon the file: a thread still waits for it."""
        self._handler.abandon()


def status_line(step: int, latest: dict[str, float | None], seconds: float, steps: dict[str, int]) -> str:
    """The state of training in one line; what is not available is a dash, what is old has its step.

    >>> status_line(1234, {"phi": 0.452, "recent_bpc": 2.914}, 154.0, {"phi": 50})
    'Step    1234 | Φ=0.452 (step 50) | Agency=– | BPC=2.91 | Time: 2m 34s'
    """
    loss = "recent_bpc" if "recent_bpc" in latest else "bpc"
    shown = [
        f"{label}={dated(number(value, digits), steps.get(name) if value is not None else None, now=step)}"
        for label, name, digits in (("Φ", "phi", 3), ("Agency", "agency", 3), ("BPC", loss, 2))
        for value in (latest.get(name),)
    ]
    return " | ".join([f"Step {step:7d}", *shown, f"Time: {duration(seconds)}"])


def number(value: float | None, digits: int) -> str:
    """A number, or a dash where there is none."""
    return MISSING if value is None else f"{value:.{digits}f}"


def duration(seconds: float) -> str:
    """Time as people write it.

    >>> duration(34.2), duration(154), duration(93784)
    ('34s', '2m 34s', '26h 3m')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"
