"""Disks that are full or broken: a real small one, where it can be mounted, and simulated ones."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from brain.memory.segments import SegmentFile
from daemon import journal
from daemon.streams import decoding
from daemon.system.durable import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.trainer_protocol import RunState
    from tests.still_loop import StillLoop

FILLER = "filler"


class FailingDisk:
    """Every write of checkpoints, replay and journal fails with `error` while there is one.

    Args:
        monkeypatch: puts it all back.
        parts: which of these write to that disk.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *parts: str, number: int = errno.ENOSPC, fails: bool = True
    ) -> None:
        self.error: OSError | None = OSError(number, os.strerror(number)) if fails else None
        self._number = number
        writers: dict[str, tuple[Any, str]] = {
            "checkpoint": (Disk, "write_part"),
            "replay": (SegmentFile, "append"),
            "journal": (journal.Journal, "_put"),
            "cache": (decoding, "_put"),
        }
        for part in parts or writers:
            owner, name = writers[part]
            monkeypatch.setattr(owner, name, self._unless_failing(getattr(owner, name)))
        monkeypatch.setattr("daemon.system.retry.RETRY_SECONDS", 0.0)

    def fail(self) -> None:
        """From now on."""
        self.error = OSError(self._number, os.strerror(self._number))

    def mend(self) -> None:
        """There is room again."""
        self.error = None

    def _unless_failing(self, write: Any) -> Any:
        def checked(*arguments: Any, **settings: Any) -> Any:
            if self.error is not None:
                raise self.error
            return write(*arguments, **settings)

        return checked


@contextlib.contextmanager
def small_disk(folder: Path, *, mebibytes: int) -> Iterator[Path]:
    """A file system of this size at `folder`; skips the test where none may be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root")
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    tried = subprocess.run(mount, check=False, capture_output=True, text=True, timeout=30)
    if tried.returncode:
        pytest.skip(f"a small disk cannot be mounted: {tried.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=30)


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / FILLER).open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def clear(folder: Path) -> None:
    """Make room again."""
    (folder / FILLER).unlink(missing_ok=True)


def states(loop: StillLoop) -> list[RunState | str]:
    """What the run was, one after another."""
    return [event["data"]["after"] for event in loop.events() if event["kind"] == "state_changed"]
