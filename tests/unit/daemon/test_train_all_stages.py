"""Stages that are done are known again; what was killed, changed or is gone is not done."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daemon.train_all_stages import RECORDS, Records, fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fingerprint_follows_settings_and_data(tmp_path: Path) -> None:
    text = tmp_path / "book.txt"
    text.write_text("one")
    known = fingerprint("mingru", {"width": 8}, data=[str(text)])
    assert fingerprint("mingru", {"width": 8}, data=[str(text)]) == known
    others = [
        fingerprint("mamba2", {"width": 8}, data=[str(text)]),
        fingerprint("mingru", {"width": 9}, data=[str(text)]),
        fingerprint("mingru", {"width": 8}, data=[str(tmp_path / "gone.txt")]),
    ]
    os.utime(text, ns=(1, 1))
    others.append(fingerprint("mingru", {"width": 8}, data=[str(text)]))
    assert len({known, *others}) == 5


def test_a_stage_is_done_while_its_files_are_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "mingru" / "mingru_lm.pt"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    Records(tmp_path).record("mingru", "abc", [file])
    assert Records(tmp_path).is_done("mingru", "abc")
    assert Records(tmp_path).fingerprint_of("mingru") == "abc"
    assert not Records(tmp_path).is_done("mingru", "abd")
    assert not Records(tmp_path).is_done("mamba2", "abc")
    file.write_bytes(b"other weights")
    assert not Records(tmp_path).is_done("mingru", "abc")
    file.unlink()
    assert not Records(tmp_path).is_done("mingru", "abc")


def test_records_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    for content in ("", "[1]", '{"mingru": 1}', "{"):
        (tmp_path / RECORDS).write_text(content)
        assert Records(tmp_path).fingerprint_of("mingru") is None
