"""A file that was asked for is whole or not there, and what keeps it from being written is one line with its name."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
import torch

from daemon import whole_file as module
from daemon.errors import UnwritableError, UsageError
from daemon.whole_file import check_writable, whole_file

if TYPE_CHECKING:
    from pathlib import Path


def test_it_appears_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "x") as file:
        file.write(b"content")
        assert not (tmp_path / "x").exists()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"content")]


class Full:
    """A disk that takes no more."""

    def __init__(self, file: object) -> None:
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        self.error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise self.error

    def flush(self) -> None: ...


def test_what_a_library_makes_of_a_full_disk_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_Noting", Full)
    with pytest.raises(UnwritableError) as raised, whole_file(tmp_path / "x.pt") as file:
        torch.save({"weight": torch.zeros(3)}, file)
    assert str(raised.value) == (
        f"{tmp_path / 'x.pt'} cannot be written: no space left on device; make room, or choose another place"
    )
    assert not list(tmp_path.iterdir())


def test_an_error_that_is_not_of_the_file_passes_through(tmp_path: Path) -> None:
    with pytest.raises(KeyError), whole_file(tmp_path / "x"):
        raise KeyError("its own")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "force", "why"),
    [
        ("nowhere/x", False, "there is no folder"),
        ("fodler/x", False, "did you mean .*folder"),
        ("file/x", True, "is a file, no folder"),
        ("folder", True, "is a folder; name a file in it"),
        ("file", False, "is there already; replace it with --force, or name another with -o"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_takes_time(
    tmp_path: Path, target: str, force: bool, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("there")
    with pytest.raises(UsageError, match=why):
        check_writable(tmp_path / target, force=force, option="-o")
    if not (tmp_path / target).exists():
        with pytest.raises(UnwritableError, match=why), whole_file(tmp_path / target):
            raise AssertionError("it was opened")
    check_writable(tmp_path / "file", force=True, option="-o")
    assert len(list(tmp_path.iterdir())) == 2
