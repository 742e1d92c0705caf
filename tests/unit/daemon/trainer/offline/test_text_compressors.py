"""Compressors beside a loss: those that are there, and none that is not or fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from daemon.trainer.offline.text_compressors import compressed_bpc

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TEXT = b"the same line again, number %d\n" * 200


def test_what_is_not_installed_or_fails_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyppmd", None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert compressed_bpc(TEXT) == {}
    program = tmp_path / "zpaq"
    monkeypatch.setattr("shutil.which", lambda _: str(program))
    program.write_text('#!/bin/sh\nhead -c 620 "$3" > "$2"\n')
    program.chmod(0o755)
    assert compressed_bpc(TEXT) == {"zpaq -m5": 8 * 620 / len(TEXT)}
    program.write_text("#!/bin/sh\nexit 1\n")
    assert compressed_bpc(TEXT) == {}
