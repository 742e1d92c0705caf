"""Logs that are emptied, renamed and linked elsewhere while they are followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch

from daemon.config.tree import EvaluationConfig
from daemon.events import DocumentSkipped, SourceChanged
from daemon.trainer.measures.held_out_loss import HeldOutEvaluation
from tests.unit.daemon.streams.opening import Opener, numbered, through_json, write_tree
from tests.unit.daemon.streams.test_following import append, read_all
from tests.unit.daemon.trainer.measures.test_held_out_loss import FakeBrain

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


@pytest.mark.fault(
    "Rotated logs",
    tried="`: > svc.log` while its writer keeps its offset, so that NULs stand in front",
    happens="the hole is skipped, the new text is read, an event reports that it was rewritten",
)
def test_a_log_emptied_under_its_writer(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "svc.log"
    with path.open("wb", buffering=0) as writer:
        writer.write(numbered(100_000))
        stream = opener(path, at_end="wait")
        read_all(stream)
        os.truncate(path, 0)
        writer.write(b"a line behind the hole\n")
        opener.seconds += 1.0
        assert read_all(stream) == {"svc.log": b"a line behind the hole\n"}
        writer.write(b"and one more\n")
        opener.seconds += 1.0
        stream = opener(path, at_end="wait", cursor=through_json(stream.cursor()))
        assert read_all(stream) == {"svc.log": b"and one more\n"}
    assert len(opener.messages(SourceChanged)) == 1
    assert opener.messages(DocumentSkipped) == []


@pytest.mark.fault(
    "Rotated logs",
    tried="`ln -sfn app-2.log current.log`, and the same with a linked folder",
    happens="links are followed again at each look: what they lead to now is read, from its beginning",
)
def test_a_link_that_is_set_again(tmp_path: Path, opener: Opener) -> None:
    write_tree(tmp_path, {"1/app.log": "the first\n", "2/app.log": "the second one\n"})
    file, folder = tmp_path / "current.log", tmp_path / "current"
    file.symlink_to("1/app.log")
    folder.symlink_to("1")
    streams = [opener(path, at_end="wait") for path in (file, folder)]
    assert [list(read_all(stream).values()) for stream in streams] == [[b"the first\n"]] * 2
    for path, target in ((file, "2/app.log"), (folder, "2")):
        (tmp_path / "new").symlink_to(target)
        (tmp_path / "new").replace(path)
    opener.seconds += 1.0
    assert [list(read_all(stream).values()) for stream in streams] == [[b"the second one\n"]] * 2


@pytest.mark.fault(
    "Rotated logs",
    tried="a followed file becomes binary, then text again; another is deleted, and comes back",
    happens="events say what is passed over and why, and when it is read again",
)
def test_a_file_that_is_passed_over(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a.log": "text\n", "b.log": "text\n"})
    stream = opener(folder, at_end="wait")
    read_all(stream)
    write_tree(folder, {"a.log": b"\0\1\2\0"})
    (folder / "b.log").rename(tmp_path / "away")
    opener.seconds += 1.0
    assert read_all(stream) == {}
    write_tree(folder, {"a.log": "text again\n"})
    (tmp_path / "away").rename(folder / "b.log")
    append(folder / "b.log", b"more\n")
    opener.seconds += 1.0
    assert read_all(stream) == {"a.log": b"text again\n", "b.log": b"more\n"}
    assert len(opener.messages(DocumentSkipped)) == 1
    changes = "; ".join(opener.messages(SourceChanged))
    assert "b.log cannot be read now" in changes
    assert "b.log can be read again" in changes
    assert "a.log holds text that can be read" in changes


@pytest.mark.fault(
    "Rotated logs",
    tried="a run over an empty log to which all text comes later",
    happens="the held-out set follows the listing; its blocks are scored and never learned from",
)
def test_what_arrives_later_is_held_out_too(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "svc.log"
    path.touch()
    stream = opener(path, at_end="wait", held_out_share=0.01)
    evaluation = HeldOutEvaluation(EvaluationConfig(every_steps=1), stream, device=torch.device("cpu"))
    assert not evaluation.due(1, session_seconds=1e9)
    text = numbered(800_000)
    append(path, text)
    opener.seconds += 1.0
    learned = read_all(stream)["svc.log"]
    held = stream.held_out(0)
    assert len(learned) == len(text) - sum(len(held.read(index)[0]) for index in range(len(held)))
    assert evaluation.due(2, session_seconds=1e9)
    (loss,) = evaluation.score_all(FakeBrain(), 2, lambda: None)  # type: ignore[arg-type]
    assert (loss.source, loss.coverage) == ("svc.log", 1.0)


@pytest.mark.fault(
    "Rotated logs",
    tried="a followed link leads to a folder, to itself, nowhere, then back to its file; alone and in a folder",
    happens="an event reports why it cannot be read each time the reason changes, once; then it is read on",
)
@pytest.mark.parametrize("inside", [False, True])
def test_why_a_link_cannot_be_read_is_reported(tmp_path: Path, opener: Opener, inside: bool) -> None:
    (tmp_path / "folder").mkdir()
    file = write_tree(tmp_path, {"app.log": "text\n"}) / "app.log"
    link = write_tree(tmp_path, {"d/other": "other\n"}) / "d" / "link.log"
    link.symlink_to(file)
    stream = opener(link.parent if inside else link, at_end="wait")
    read_all(stream)
    reasons = []
    for target in (tmp_path / "folder", link, tmp_path / "nowhere", file):
        link.unlink()
        link.symlink_to(target)
        before = len(opener.messages(SourceChanged))
        for _ in range(2):
            opener.seconds += 1.0
            assert read_all(stream) == {}
        reasons += opener.messages(SourceChanged)[before:]
    source = "d" if inside else "link.log"
    found = [reason.removeprefix(f"Source {source} changed: link.log ") for reason in reasons]
    assert [one.partition(" cannot")[0] for one in found] == [
        "(it is a folder)",
        "(Too many levels of symbolic links)",
        "(No such file or directory)",
        "can be read again",
    ]
    append(file, b"more\n")
    opener.seconds += 1.0
    assert read_all(stream) == {"link.log": b"more\n"}
