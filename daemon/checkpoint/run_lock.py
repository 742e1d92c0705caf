"""The trainer's own lock on a run, held by the operating system and so released at any death."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from daemon.errors import ConflictError, UsageError
from daemon.system.file_lock import try_lock
from daemon.system.paths import reason, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

LOCK = "LOCK"
POLL_SECONDS = 0.05
LONGEST_LOOK_SECONDS = 1.0


class RunLock:
    """One run's lock, a context manager; its holder alone writes the run's replay, journal, checkpoints.

    Args:
        home: the home folder.
        run_id: the run.
        timeout_seconds: how long to wait for a holder that is still saving; 0 tries once.
        waiting: called once, with the holder's process id (None if unknown), before waiting begins.
        monotonic: seconds that never go back.
        pause: how to let time pass between tries.
    """

    def __init__(
        self,
        home: Path,
        run_id: str,
        *,
        timeout_seconds: float = 0.0,
        waiting: Callable[[int | None], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        if not run_id or Path(run_id).name != run_id or run_id in {".", ".."}:
            raise UsageError(f"{run_id!r} is not a run's id. See them: synapsed runs")
        self.path = home / "replay" / run_id / LOCK
        self._run_id = run_id
        self._timeout_seconds = timeout_seconds
        self._waiting = waiting
        self._monotonic = monotonic
        self._pause = pause
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, waiting as long as allowed.

        Raises:
            ConflictError: another process still holds it.
            UsageError: the file system does not support locks.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait_for(descriptor)
            with contextlib.suppress(OSError):  # a full disk: the lock holds, only its holder has no name
                os.ftruncate(descriptor, 0)
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.write(descriptor, str(os.getpid()).encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, for removing it would let two hold it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """Process id of whoever took the lock last."""
        try:
            text = self.path.read_text("ascii")
        except (OSError, ValueError):
            return None
        return int(text) if text.isdecimal() else None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _wait_for(self, descriptor: int) -> None:
        left, reported, looked = self._timeout_seconds, False, self._monotonic()
        while not self._try(descriptor):
            now = self._monotonic()
            # Frozen meanwhile, the holder has most likely had no time either.
            left, looked = left - min(now - looked, LONGEST_LOOK_SECONDS), now
            if left <= 0:
                holder = self.holder()
                by = f" by process {holder}" if holder else ""
                raise ConflictError(
                    f"Run {self._run_id} is still held{by} ({self.path}). "
                    "Wait until it has saved, or end that process, then try again"
                )
            if not reported and self._waiting is not None:
                self._waiting(self.holder())
            reported = True
            self._pause(POLL_SECONDS)

    def _try(self, descriptor: int) -> bool:
        try:
            return try_lock(descriptor)
        except OSError as error:
            raise UsageError(
                f"the file system of {shown(self.path.parent)} does not support locks ({reason(error)}): "
                "two trainers could write there at once; choose another --home"
            ) from error
