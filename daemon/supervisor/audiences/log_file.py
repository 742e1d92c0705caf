"""Files that logs go to: rotated, never blocking, and safe to show in a terminal."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
from typing import TYPE_CHECKING

from daemon.supervisor.audiences.threaded import Delivery
from daemon.system.escaping import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.supervisor.audiences.backlog import Frame

LIMIT_BYTES = 4 * 1024 * 1024


class LogFile(logging.handlers.RotatingFileHandler):
    """A rotated file: when the disk is full a line is lost, and nothing else.

    It is opened with its first line, and written by one thread.
    """

    def __init__(self, path: Path, *, limit_bytes: int = LIMIT_BYTES, kept_files: int = 2) -> None:
        self._lost = 0
        super().__init__(path, maxBytes=limit_bytes, backupCount=kept_files, encoding="utf-8", delay=True)

    def createLock(self) -> None:  # noqa: N802 - the name is logging's
        """None: closing all logs at the end of the process would otherwise wait for a thread that waits for a disk."""
        self.lock = None

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, with control characters escaped."""
        return shown(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; behind lost ones a line with their number comes first."""
        before = self._lost
        super().emit(record)
        if before and self._lost == before:
            self._lost = 0
            lost = f"{before} lines before this one are lost: the disk did not take them"
            super().emit(logging.LogRecord(record.name, logging.WARNING, "", 0, lost, None, None))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the name is logging's
        """Count the line; a traceback for each would bury the terminal's other output."""
        self._lost += 1

    def close(self) -> None:
        """Close the file; what a full disk did not take is lost."""
        with contextlib.suppress(OSError, ValueError):
            super().close()

    def abandon(self) -> None:
        """Abandon a file that its thread still waits for, or the end of the process would wait as well."""
        self.stream = None


class ThreadedHandler(logging.Handler):
    """Passes records to a LogFile on a thread of its own: whoever logs never waits for a disk."""

    def __init__(self, file: LogFile) -> None:
        super().__init__(logging.WARNING)
        self._file = file
        self._delivery = Delivery(self._write, name="problems log", finish=file.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record for the thread."""
        self._delivery.put({"type": "record", "record": record})

    def _write(self, frame: Frame) -> None:
        if frame["type"] == "record":
            self._file.emit(frame["record"])
        else:
            missing = f"{frame['dropped_frames']} lines are missing here: the disk did not take them in time"
            self._file.emit(logging.LogRecord(__name__, logging.WARNING, "", 0, missing, None, None))

    def close(self) -> None:
        """Write what waits."""
        if not self._delivery.close():
            self._file.abandon()
        super().close()


@contextlib.contextmanager
def problems_logged(path: Path, *, limit_bytes: int = LIMIT_BYTES, kept_files: int = 2) -> Iterator[None]:
    """Send every warning of this process to a file while this lasts; what a person follows is training.log.

    The foreground view prints what a person needs; without a handler Python would print the rest as well, and wait for
    whoever reads that.
    """
    file = LogFile(path, limit_bytes=limit_bytes, kept_files=kept_files)
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler = ThreadedHandler(file)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
