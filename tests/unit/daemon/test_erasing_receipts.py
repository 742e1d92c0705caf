"""Receipts of what was forgotten: kept privately, applied to what was saved before, and wiped when nothing is."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from brain.memory.selection import Selection, SourceSpan
from daemon.erasing_receipts import ERASED, Receipt, Receipts
from daemon.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"Jolanda answers at 0341 480 2291."


def receipt(**changes: Any) -> Receipt:
    fields = {
        "run": "r", "number": 4, "step": 90, "time": "2026-01-01T00:00:00+00:00", "kind": "text",
        "asked": "33 bytes", "text": TEXT, "sha256": "00", **changes,
    }  # fmt: skip
    return Receipt(**fields)


def saved_as(number: int, *, step: int = 50, samples: int = 400, journal: int = 1) -> Any:
    return SimpleNamespace(sequence=number, step=step, samples=samples, journal=journal)


def test_what_is_written_is_read_again_and_by_nobody_else(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    by_source = receipt(number=5, kind="source", text=None, asked="novels", sources=((1, 0, 7), (2, 7, None)))
    since = receipt(number=6, kind="since", text=None, asked="2h", since=80)
    for one in (since, receipt(), by_source):
        receipts.put(one)
    assert receipts.all() == [receipt(), by_source, since]
    assert [one.what for one in receipts.all()] == ["a text of 33 bytes", "source novels", "all since 2h"]
    assert receipt().selection == Selection(text=TEXT)
    assert by_source.selection.sources == (
        SourceSpan(index=1, before_step=7),
        SourceSpan(index=2, from_step=7),
    )
    assert since.selection == Selection(since=80)
    assert TEXT.decode() not in json.dumps(receipt().order)
    if sys.platform != "win32":
        (path, *_) = sorted((tmp_path / "forgotten").iterdir())
        assert path.stat().st_mode & 0o077 == 0
        assert (tmp_path / "forgotten").stat().st_mode & 0o077 == 0


def test_it_applies_to_what_was_saved_before_the_first_checkpoint_without_it(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.put(receipt(saved=3))
    assert receipts.lacking(saved_as(2)) == [receipt(saved=3)]
    assert receipts.lacking(saved_as(3)) == []
    receipts.put(receipt())  # not in a checkpoint yet: its journal entry brings it about
    assert receipts.lacking(saved_as(0)) == []


def test_a_checkpoint_from_before_anything_of_it_was_read_needs_no_receipt(tmp_path: Path) -> None:
    fresh = saved_as(1, step=0, samples=0, journal=0)
    fed = saved_as(1, step=0, samples=0, journal=1)
    text = receipt(saved=3, state=ERASED)
    assert (text.lacked_by(fresh), text.lacked_by(fed), text.lacked_by(saved_as(1))) == (False, True, True)
    since = receipt(saved=3, kind="since", text=None, since=50)
    assert (since.lacked_by(saved_as(1, step=49)), since.lacked_by(saved_as(1))) == (False, True)
    source = receipt(saved=3, kind="source", text=None, sources=((1, 50, 60), (2, 60, None)))
    assert (source.lacked_by(saved_as(1, step=49)), source.lacked_by(saved_as(1))) == (False, True)
    receipts = Receipts(tmp_path)
    receipts.put(text)
    receipts.seal([fresh])
    assert receipts.all()[0].text is None


def test_the_text_goes_with_the_last_checkpoint_of_before_and_leaves_its_hash(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.put(receipt(saved=3, state=ERASED))
    receipts.seal([saved_as(2), saved_as(5)])
    assert receipts.all()[0].text == TEXT
    path = next((tmp_path / "forgotten").iterdir())
    link = tmp_path / "old"
    os.link(path, link)  # the old content, wherever it lies
    receipts.seal([saved_as(5)])
    (sealed,) = receipts.all()
    assert sealed == receipt(saved=3, state=ERASED, text=None)
    assert b"SnB" not in path.read_bytes()
    if sys.platform != "win32":
        assert not link.read_bytes().strip(b"\0")
    # Of a copy from elsewhere that is loaded all the same too much is forgotten, not too little.
    assert sealed.selection == Selection(since=0)


def test_a_receipt_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    receipts = Receipts(tmp_path)
    receipts.put(receipt(saved=3))
    path = next((tmp_path / "forgotten").iterdir())
    path.write_text("{")
    with pytest.raises(CheckpointError, match="of what was forgotten cannot be read"):
        receipts.lacking(saved_as(1))
    receipts.put(dataclasses.replace(receipt(), number=4))
    receipts.drop(receipt())
    assert receipts.all() == []
