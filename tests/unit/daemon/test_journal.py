"""The journal keeps what was acknowledged, and gives it back at its steps."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon import journal as journal_module
from daemon.errors import CheckpointError
from daemon.journal import Entry, Journal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def steps_of(entries: object) -> list[tuple[int, int]]:
    return [(entry.step, entry.sequence) for entry in entries]  # type: ignore[attr-defined]


def only_segment(folder: Path) -> Path:
    [path] = folder.glob("journal-*.jsonl")
    return path


def test_entries_come_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r-1")
    entry = journal.append("feed", 12, {"text": "привет \ud800 \n ☃", "origin": "api"})
    journal.append("set", 12, {"key": "x", "value": [1, None, 2.5]})
    assert entry == Entry(
        sequence=1, step=12, kind="feed", payload={"text": "привет \ud800 \n ☃", "origin": "api"}
    )
    again = Journal(tmp_path / "r-1")
    assert again.entries == journal.entries
    assert again.last_sequence == 2
    assert again.defects == ()
    assert again.append("feed", 13, {}).sequence == 3


def test_lines_are_json(tmp_path: Path) -> None:
    Journal(tmp_path).append("feed", 5, {"text": "a"})
    record = json.loads(only_segment(tmp_path).read_text())
    assert record["step"] == 5
    assert len(record["crc"]) == 8


def test_what_a_checkpoint_lacks(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in (3, 5, 5, 9):
        journal.append("feed", step, {})
    assert steps_of(journal.replay_from(0, 0)) == [(3, 1), (5, 2), (5, 3), (9, 4)]
    assert steps_of(journal.replay_from(5, 1)) == [(5, 2), (5, 3), (9, 4)]
    assert steps_of(journal.replay_from(5, 2)) == [(5, 3), (9, 4)]
    assert steps_of(journal.replay_from(6, 3)) == [(9, 4)]
    assert steps_of(journal.replay_from(9, 4)) == []


def test_entries_of_a_lost_future_keep_their_steps(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("feed", 1500, {"text": "first life"})
    # A crash; learning continues from step 1000, and something new comes in on the way.
    journal.append("feed", 1200, {"text": "second life"})
    assert steps_of(journal.replay_from(1000, 0)) == [(1200, 2), (1500, 1)]
    # Saved right at the step where the older one is due, before it took effect: it holds the newer number.
    assert steps_of(journal.replay_from(1500, 2)) == [(1500, 1)]
    assert steps_of(journal.replay_from(1500, 1)) == []


def test_an_entry_brought_forward_counts_once_and_after_what_was_received_before_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "r-1")
    journal.append("feed", 182, {"text": "first life"})
    journal.append("feed", 1, {"text": "second life"})
    brought = journal.bring_forward(journal.entries[0], 1)
    assert (brought.step, brought.sequence, brought.payload) == (1, 3, {"text": "first life"})
    journal.append("feed", 2, {"text": "given behind it"})
    for same in (journal, Journal(tmp_path / "r-1")):
        assert steps_of(same.replay_from(0, 0)) == [(1, 2), (1, 3), (2, 4)]
        assert steps_of(same.replay_from(1, 3)) == [(2, 4)]
    # A fork of what was saved before it was brought forward holds it, too.
    fork = journal.fork(tmp_path / "r-2", 0, 0, newest=1)
    assert [entry.payload["text"] for entry in fork.entries] == ["first life"]


@pytest.mark.parametrize("cut", [1, 2, 10, 30])
def test_a_torn_tail_is_cut(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    for step in range(3):
        journal.append("feed", step, {"text": "x" * 50})
    path = only_segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(tmp_path)
    assert steps_of(again.entries) == [(0, 1), (1, 2)]
    assert again.defects == ()
    again.append("feed", 7, {})
    assert steps_of(Journal(tmp_path).entries) == [(0, 1), (1, 2), (7, 3)]


def test_a_zeroed_tail_is_cut(tmp_path: Path) -> None:
    Journal(tmp_path).append("feed", 1, {})
    path = only_segment(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(4096))
    assert steps_of(Journal(tmp_path).entries) == [(1, 1)]


def test_a_whole_last_line_that_is_wrong_is_damage(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("feed", 1, {"text": "abc"})
    journal.append("feed", 2, {"text": "abc"})
    path = only_segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-40] + b"?" + path.read_bytes()[-39:])
    again = Journal(tmp_path)
    assert steps_of(again.entries) == [(1, 1)]
    assert len(again.defects) == 1


def test_damage_inside_is_named_and_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in range(4):
        journal.append("feed", step, {"text": "abc"})
    path = only_segment(tmp_path)
    whole = path.read_bytes()
    damaged = whole.replace(b"abc", b"abd", 2).replace(b"abd", b"abc", 1)
    path.write_bytes(damaged)
    again = Journal(tmp_path)
    assert steps_of(again.entries) == [(0, 1), (2, 3), (3, 4)]
    assert again.defects == (
        f"{path.name}: 1 damaged line(s) left out; the file as it was is {path.name}.damaged",
    )
    assert list(tmp_path.iterdir()) == [path]  # to open it changes nothing
    assert path.read_bytes() == damaged
    again.append("feed", 9, {})
    assert path.with_name(f"{path.name}.damaged").read_bytes() == damaged
    assert Journal(tmp_path).defects == ()
    assert steps_of(Journal(tmp_path).entries) == [(0, 1), (2, 3), (3, 4), (9, 5)]


def test_truncation_voids_what_was_to_come_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in (5, 10, 20):
        journal.append("feed", step, {})
    journal.truncate_after(10)
    journal.append("feed", 15, {})
    meant = [(5, 1), (10, 2), (15, 5)]
    assert steps_of(journal.entries) == meant
    assert steps_of(Journal(tmp_path).entries) == meant


def test_a_fork_takes_over_what_was_received_and_is_still_to_come(tmp_path: Path) -> None:
    parent = Journal(tmp_path / "parent")
    parent.append("feed", 90, {"text": "past"})
    parent.append("sleep", 150, {"steps": 50})
    parent.append("feed", 160, {"text": "given later"})
    fork = parent.fork(tmp_path / "fork", 100, 1, newest=2)
    assert [(entry.step, entry.kind) for entry in fork.entries] == [(150, "sleep")]
    assert len(parent.entries) == 3


def test_forking_again_after_a_crash_completes_and_repeats_nothing(tmp_path: Path) -> None:
    parent = Journal(tmp_path / "parent")
    for step in (150, 160, 170):
        parent.append("feed", step, {})
    Journal(tmp_path / "fork").append("feed", 150, {})  # a first try got so far
    fork = parent.fork(tmp_path / "fork", 100, 0, newest=3)
    assert steps_of(fork.entries) == [(150, 1), (160, 2), (170, 3)]
    fork.append("feed", 101, {"text": "of its own"})
    again = parent.fork(tmp_path / "fork", 100, 0, newest=3)
    assert again.entries == fork.entries


def test_opening_another_runs_journal_leaves_a_line_being_written_alone(tmp_path: Path) -> None:
    Journal(tmp_path).append("feed", 1, {})
    path = only_segment(tmp_path)
    half = path.read_bytes() + b'{"sequence":2,"st'
    path.write_bytes(half)
    Journal(tmp_path)
    assert path.read_bytes() == half


def test_segments_are_dropped_from_the_front(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=200)
    for step in range(20):
        journal.append("feed", step, {"text": "y" * 60})
    before = sorted(tmp_path.glob("*.jsonl"))
    assert len(before) > 5
    dropped = journal.drop_before(10)
    assert dropped == before[: len(dropped)]
    assert dropped
    assert steps_of(journal.replay_from(10, 10)) == [(step, step + 1) for step in range(10, 20)]
    again = Journal(tmp_path, segment_bytes=200)
    assert again.entries == journal.entries
    assert journal.drop_before(1000)
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    assert Journal(tmp_path).append("feed", 30, {}).sequence == 21


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)
    journal.append("feed", 1, {})
    journal.append("feed", 2, {})
    last = max(tmp_path.glob("*.jsonl"))
    last.write_bytes(b"torn")
    assert Journal(tmp_path).append("feed", 3, {}).sequence == 2  # the torn one was never acknowledged
    journal = Journal(tmp_path, segment_bytes=1)
    journal.append("feed", 4, {})
    journal.drop_before(4)
    assert Journal(tmp_path).last_sequence == 3


def test_a_full_disk_takes_nothing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append("feed", 1, {})
    held = only_segment(tmp_path).read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(journal_module, "sync_file", full)
        with pytest.raises(CheckpointError, match="No space left on device"):
            journal.append("feed", 2, {"text": "lost"})
    assert only_segment(tmp_path).read_bytes() == held
    assert journal.append("feed", 3, {}).sequence == 2
    assert steps_of(Journal(tmp_path).entries) == [(1, 1), (3, 2)]


def test_what_is_not_json_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for payload in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(ValueError, match="JSON"):
            journal.append("feed", 1, payload)
    with pytest.raises(ValueError, match="truncate_after"):
        journal.append("journal_truncated", 1, {})
    assert Journal(tmp_path).entries == ()


def test_what_a_dead_writer_left_is_swept(tmp_path: Path) -> None:
    Journal(tmp_path).append("feed", 1, {})
    (tmp_path / ".saving-journal-000000000002.jsonl.999999999_1.abcd").write_text("half")
    journal = Journal(tmp_path)
    assert steps_of(journal.entries) == [(1, 1)]
    journal.append("feed", 2, {})
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="could not be written"):
        Journal(tmp_path / "file" / "r-1").append("feed", 1, {})


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(max_size=40), min_size=1, max_size=6),
    flip=st.integers(0, 10**9),
)
def test_any_flipped_bit_loses_at_most_two_lines_and_invents_none(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], flip: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder)
    for step, text in enumerate(texts):
        journal.append("feed", step, {"text": text})
    path = only_segment(folder)
    raw = bytearray(path.read_bytes())
    bit = flip % (len(raw) * 8)
    raw[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(raw)
    left = Journal(folder).entries
    assert set(steps_of(left)) <= set(steps_of(journal.entries))
    assert all(entry in journal.entries for entry in left)
    assert len(left) >= len(texts) - 2


def test_what_is_forgotten_is_taken_out_of_entries_and_off_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=120)
    for step, text in enumerate(["keep this", "a secret here", "another secret", "keep that"]):
        journal.append("feed", step, {"text": text})
    journal.truncate_after(3)
    files = sorted(tmp_path.glob("journal-*.jsonl"))
    assert len(files) > 1

    def edit(entry: Entry) -> Mapping[str, Any] | None:
        text = entry.payload["text"]
        if text.startswith("another"):
            return None
        return {**entry.payload, "text": text.replace("secret", "      ")}

    assert journal.redact(edit) == 2
    assert journal.redact(edit) == 0
    assert not any(b"secret" in path.read_bytes() for path in files)
    again = Journal(tmp_path, segment_bytes=120)
    assert again.entries == journal.entries
    assert [(entry.sequence, entry.kind) for entry in again.entries] == [
        (1, "feed"),
        (2, "feed"),
        (3, "void"),
        (4, "feed"),
    ]
    assert again.entries[1].payload == {"text": "a        here"}
    assert (again.append("feed", 9, {"text": "more"}).sequence, again.defects) == (6, ())
    assert journal.last_sequence == 5
