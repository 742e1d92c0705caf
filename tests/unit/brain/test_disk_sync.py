"""Syncing where the system or the file system has another way, or none."""

from __future__ import annotations

import errno
import os
import sys
import types
from typing import TYPE_CHECKING

import pytest

from brain.disk_sync import sync_directory, sync_file

if TYPE_CHECKING:
    from pathlib import Path

FULL_SYNC = 51


class FakeFcntl(types.ModuleType):
    """macOS's own call, which fails on request."""

    F_FULLFSYNC = FULL_SYNC

    def __init__(self, number: int | None = None) -> None:
        super().__init__("fcntl")
        self._number = number
        self.asked: list[tuple[int, int]] = []

    def fcntl(self, descriptor: int, command: int) -> int:
        self.asked.append((descriptor, command))
        if self._number is not None:
            raise OSError(self._number, os.strerror(self._number))
        return 0


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Descriptors that plain fsync was asked for."""
    asked: list[int] = []
    monkeypatch.setattr(os, "fsync", asked.append)
    return asked


def on_macos(monkeypatch: pytest.MonkeyPatch, number: int | None) -> FakeFcntl:
    fake = FakeFcntl(number)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "fcntl", fake)
    return fake


def test_macos_goes_through_the_drives_cache(monkeypatch: pytest.MonkeyPatch, synced: list[int]) -> None:
    fake = on_macos(monkeypatch, None)
    sync_file(7)
    assert (fake.asked, synced) == ([(7, FULL_SYNC)], [])


@pytest.mark.parametrize("number", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY])
def test_a_file_system_without_that_call_is_synced_plainly(
    monkeypatch: pytest.MonkeyPatch, synced: list[int], number: int
) -> None:
    on_macos(monkeypatch, number)
    sync_file(7)
    assert synced == [7]


def test_a_medium_that_fails_is_a_failure(monkeypatch: pytest.MonkeyPatch, synced: list[int]) -> None:
    on_macos(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        sync_file(7)
    assert synced == []


def failing(number: int) -> object:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))  # as network and FAT file systems answer
    sync_directory(tmp_path)
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        sync_directory(tmp_path)


def test_windows_opens_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a folder was opened"))
    sync_directory(tmp_path)
