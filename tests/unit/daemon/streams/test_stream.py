"""Lanes, stretches, extents, passes, pushes and resumes of the stream."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from daemon.config.tree import StreamConfig
from daemon.errors import ConfigError, StreamError
from daemon.events import DocumentSkipped, PassFinished, SettingRestored, SourceChanged, SourceOpened
from daemon.streams.cursor import Cursor
from tests.unit.daemon.streams.opening import Opener, numbered, read_on, through_json, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.streams.stream import ExperienceStream


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


def assert_same_rows(
    one: ExperienceStream, other: ExperienceStream, *, lanes: int = 4, steps: int = 40
) -> None:
    for _ in range(steps):
        (a, _), (b, _) = one.next(range(lanes)), other.next(range(lanes))
        for name in ("bytes", "length", "lane", "reset", "source", "offset"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert a.document == b.document


def test_a_document_is_read_on_and_wraps_with_a_reset(tmp_path: Path, opener: Opener) -> None:
    text = numbered(200)
    stream = opener(write_tree(tmp_path / "d", {"a.txt": text}), lanes=1)
    data, resets = read_on(stream, 0, 5)
    assert data == text + text[:64]
    assert resets == [True, False, False, False, True]
    experience, _ = stream.next([0])
    assert experience.offset.tolist() == [64]
    assert experience.document == ("a.txt",)
    assert stream.passes_finished == 1


def test_a_short_row_is_padded_with_zeros_and_owned_by_the_caller(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a.txt": b"x" * 70}), lanes=2)
    stream.next([0])
    experience, _ = stream.next([0, 1])
    assert experience.length.tolist() == [6, 64]
    assert experience.bytes[0].tobytes() == b"x" * 6 + bytes(58)
    experience.bytes[0, 0] = 1  # writeable


def test_lanes_read_different_extents_in_parallel_and_carry_on_across_them(
    tmp_path: Path, opener: Opener
) -> None:
    text = numbered(64 * 1024)
    stream = opener(write_tree(tmp_path / "d", {"a.txt": text}), lanes=4)
    experience, _ = stream.next(range(4))
    assert experience.offset.tolist() == [0, 4096, 8192, 12288]
    alone = opener(write_tree(tmp_path / "d", {"a.txt": text}), lanes=1)
    data, resets = read_on(alone, 0, 1024)
    assert data == text
    assert sum(resets) == 1  # extents follow on each other when one lane takes them all


def test_documents_are_read_in_sorted_order(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"b.txt": "bb", "a/z.txt": "az", "a-b/c.txt": "abc", "a.txt": "a"})
    stream = opener(folder, lanes=1)
    assert [stream.next([0])[0].document[0] for _ in range(4)] == ["a/z.txt", "a-b/c.txt", "a.txt", "b.txt"]


def test_round_robin_changes_source_each_stretch_and_comes_back_to_its_place(
    tmp_path: Path, opener: Opener
) -> None:
    folders = [
        write_tree(tmp_path / name, {"t": numbered(30_000, seed=i)}) for i, name in enumerate("abc", 1)
    ]
    stream = opener(*folders, lanes=6)
    sources = [stream.next(range(6))[0] for _ in range(64)]
    assert sources[0].source.tolist() == [0, 1, 2, 0, 1, 2]
    assert all(np.bincount(step.source, minlength=3).tolist() == [2, 2, 2] for step in sources)
    lane = [(int(step.source[0]), int(step.offset[0]), bool(step.reset[0])) for step in sources]
    assert lane[15:17] == [(0, 960, False), (1, 8192, True)]  # lanes 1 and 4 are in it already
    assert lane[48] == (0, 1024, True)


def test_sequential_reads_a_pass_of_each_source_in_turn(tmp_path: Path, opener: Opener) -> None:
    folders = [write_tree(tmp_path / name, {"t": numbered(20_000, seed=i)}) for i, name in enumerate("ab")]
    stream = opener(*folders, lanes=3, mix="sequential")
    order = np.concatenate([stream.next(range(3))[0].source for _ in range(160)])
    assert order[:192].tolist() == [0] * 192  # then one lane finds no extent left and goes ahead
    assert Counter(order.tolist())[0] == 313  # 20,000 bytes in rows of 64
    assert order[-90:].tolist() == [1] * 90


def test_weighted_draws_by_weight_and_names_the_nearest_source(tmp_path: Path, opener: Opener) -> None:
    folders = [write_tree(tmp_path / name, {"t": numbered(50_000)}) for name in ("books", "code")]
    stream = opener(*folders, lanes=8, mix="weighted", weights={"books": 3.0})
    counts = np.bincount(np.concatenate([stream.next(range(8))[0].source for _ in range(800)]), minlength=2)
    assert counts.sum() == 6400
    assert 0.65 < counts[0] / 6400 < 0.85
    with pytest.raises(ConfigError, match="did you mean books"):
        opener(*folders, mix="weighted", weights={"boks": 1})
    with pytest.raises(ConfigError, match="at least 0"):
        opener(*folders, mix="weighted", weights={"books": -1})
    with pytest.raises(ConfigError, match="all 0"):
        opener(*folders, mix="weighted", weights={"books": 0, "code": 0})


@pytest.mark.parametrize("mix", ["sequential", "round_robin", "weighted"])
def test_a_cursor_resumes_exactly(tmp_path: Path, opener: Opener, mix: str) -> None:
    folders = [
        write_tree(tmp_path / name, {f"{i}.txt": numbered(3000 * i + 7, seed=i) for i in range(1, 6)})
        for name in ("one", "two")
    ]
    stream = opener(*folders, mix=mix, held_out_share=0.1)
    for _ in range(77):
        _, cursor = stream.next(range(4))
    stream.push(b"pushed " * 200, sequence=1, origin="test")
    for _ in range(20):
        _, cursor = stream.next(range(4))
    assert through_json(cursor) == cursor
    twin = opener(*folders, mix=mix, held_out_share=0.1, cursor=through_json(cursor))
    assert_same_rows(stream, twin, steps=600)
    assert through_json(stream.cursor()) == through_json(twin.cursor())


def test_a_cursor_does_not_grow_with_the_data(tmp_path: Path, opener: Opener) -> None:
    small = opener(write_tree(tmp_path / "s", {"a": numbered(100_000)}))
    large = opener(write_tree(tmp_path / "l", {f"{i:03}": numbered(10_000) for i in range(200)}))
    sizes = []
    for stream in (small, large):
        for _ in range(300):
            _, cursor = stream.next(range(4))
        sizes.append(len(json.dumps(cursor.to_json())))
    assert abs(sizes[0] - sizes[1]) < 200


def test_pushed_text_comes_next_is_read_once_and_counts_as_pushed(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(50_000)}), lanes=2)
    stream.next(range(2))
    assert stream.push(b"hello world", sequence=1, origin="page")
    assert not stream.push(b"", sequence=2, origin="page")
    rows = [stream.next(range(2))[0] for _ in range(60)]
    pushed = [(i, lane) for i, row in enumerate(rows) for lane in range(2) if row.source[lane] == 1]
    assert pushed == [(15, 0)]
    (step, lane), row = pushed[0], rows[15]
    assert row.bytes[lane, :11].tobytes() == b"hello world"
    assert row.reset[lane]
    assert row.document[lane] == "pushed/1"
    assert rows[step + 1].reset[lane]
    assert stream.cursor().pushed == ()
    info = stream.sources[-1]
    assert (info.name, info.num_documents, info.num_bytes) == ("pushed", 1, 11)
    assert len(stream.held_out(1)) == 0


def test_a_long_push_is_shared_by_lanes_and_read_whole(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(5_000)}), lanes=3)
    text = numbered(200_000, seed=9)
    stream.push(text, sequence=4, origin="api")
    got = bytearray(len(text))
    for _ in range(3200):
        experience, _ = stream.next(range(3))
        for row in np.flatnonzero(experience.source == 1):
            begin, length = int(experience.offset[row]), int(experience.length[row])
            got[begin : begin + length] = experience.bytes[row, :length].tobytes()
    assert bytes(got) == text
    assert stream.cursor().pushed == ()


def test_texts_are_distinguished_whatever_their_journal_entries_are_called(
    tmp_path: Path, opener: Opener
) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(5_000)}), lanes=1)
    texts = (b"of the second life", b"of the first life, meant for a later step", b"of a fork")
    for sequence, text in zip((2, 1, 1), texts, strict=True):
        assert stream.push(text, sequence=sequence, origin="journal")
    rows = [stream.next([0])[0] for _ in range(6)]
    read = [row.bytes[0, : row.length[0]].tobytes() for row in rows if row.source[0] == 1]
    assert b"".join(read) == b"".join(texts)


def test_too_much_pushed_text_is_refused_in_one_line(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": "text"}))
    stream.push(bytes(16 << 20), sequence=1, origin="api")
    with pytest.raises(StreamError, match="at most 16 MiB"):
        stream.require_room(1, origin="api")
    # What the journal holds was acknowledged: it is never refused.
    assert stream.push(b"x", sequence=2, origin="api")


def test_files_are_listed_again_between_passes(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a": "aaaa", "b": "bbbb"})
    stream = opener(folder, lanes=1)
    read_on(stream, 0, 2)
    (folder / "a").unlink()
    write_tree(folder, {"b": "changed", "c": "cccc"})
    data, _ = read_on(stream, 0, 2)
    assert data == b"changedcccc"
    assert opener.messages(SourceChanged) == ["Source d changed: 1 new, 1 changed, 1 gone"]
    assert opener.messages(PassFinished) == ["Source d: pass 1 finished"]


def test_a_file_that_shrinks_or_vanishes_under_a_lane_is_left(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a": numbered(30_000), "b": numbered(30_000), "c": "c"})
    stream = opener(folder, lanes=1)
    read_on(stream, 0, 2)
    (folder / "a").write_bytes(numbered(4_100))
    (folder / "b").unlink()
    documents = Counter(stream.next([0])[0].document[0] for _ in range(64))
    assert documents["c"] == 1
    assert "b" not in documents
    assert "shrank or vanished" in opener.messages(DocumentSkipped)[0]


def test_a_stream_of_vanished_sources_reports_it(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a": "a"})
    stream = opener(folder, lanes=1)
    stream.next([0])
    (folder / "a").unlink()
    with pytest.raises(StreamError, match="nothing readable is left"):
        stream.next([0])
    write_tree(folder, {"b": "back"})
    assert stream.next([0])[0].document == ("b",)


def test_an_emptied_source_leaves_the_others_their_turns(tmp_path: Path, opener: Opener) -> None:
    one, two = (write_tree(tmp_path / name, {"t": "text of " + name}) for name in ("one", "two"))
    stream = opener(one, two, lanes=2)
    stream.next(range(2))
    (one / "t").unlink()
    sources = np.concatenate([stream.next(range(2))[0].source for _ in range(50)])
    assert set(sources[2:].tolist()) == {1}


def test_a_resume_over_changed_files_continues_by_name_and_offset(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"b": numbered(20_000), "d": numbered(5_000, seed=2)})
    stream = opener(folder, lanes=1)
    for _ in range(40):
        _, cursor = stream.next([0])
    write_tree(folder, {"a": "new in front", "c": "new behind"})
    twin = opener(folder, lanes=1, cursor=cursor)
    experience, _ = twin.next([0])
    assert (experience.document, experience.offset.tolist()) == (("b",), [40 * 64])
    assert not experience.reset[0]
    assert "differ from the checkpoint" in opener.messages(SourceChanged)[0]
    following = [twin.next([0])[0].document[0] for _ in range(280)]
    assert list(dict.fromkeys(following)) == ["b", "c", "d"]


def test_a_resume_with_the_read_file_gone_continues_behind_it(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a": numbered(20_000), "b": "bbb", "c": "ccc"})
    stream = opener(folder, lanes=1)
    for _ in range(3):
        _, cursor = stream.next([0])
    (folder / "a").unlink()
    twin = opener(folder, lanes=1, cursor=cursor)
    assert [twin.next([0])[0].document[0] for _ in range(2)] == ["b", "c"]


def test_a_resume_with_other_sources_keeps_the_known_ones(tmp_path: Path, opener: Opener) -> None:
    one, two, three = (
        write_tree(tmp_path / name, {"t": numbered(9_000)}) for name in ("one", "two", "three")
    )
    stream = opener(one, two)
    for _ in range(5):
        _, cursor = stream.next(range(4))
    twin = opener(two, three, cursor=cursor)
    experience, _ = twin.next(range(4))
    kept = {int(lane): int(offset) for lane, offset in zip(experience.lane, experience.offset, strict=True)}
    assert kept[1] == 320
    assert kept[3] == 320 + 4096
    messages = opener.messages(SourceChanged)
    assert any("one changed: it is no longer read" in message for message in messages)
    assert any("three changed: it was not read before" in message for message in messages)


def test_a_resume_with_another_number_of_lanes_reports_it(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"t": numbered(90_000)})
    _, cursor = opener(folder, lanes=4).next(range(4))
    opener(folder, lanes=6, cursor=cursor).next(range(6))
    assert "4 lanes" in opener.messages(SettingRestored)[0]


def test_samples_per_pass_makes_classic_epochs(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"t": numbered(90_000)})
    stream = opener(folder, lanes=4, samples_per_pass=10)
    epochs = [stream.next(range(4))[0] for _ in range(15)]
    assert stream.passes_finished == 5
    starts = [(step.offset.tolist(), step.reset.tolist()) for step in epochs]
    assert starts[0] == starts[5]
    assert len(opener.messages(PassFinished)) == 5


def test_the_event_of_opening_counts_what_is_skipped(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a.txt": "text", "b.bin": b"\x7fELF\0\0", "c": "", ".hidden": "no"})
    opener(folder)
    assert opener.messages(SourceOpened) == ["Source d: 1 document, 4 bytes; skipped 1 binary, 1 empty"]


def test_a_sparse_10_gb_file_is_opened_without_reading_it(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "huge.txt"
    path.write_bytes(b"some text\n" * 1000)
    os.truncate(path, 10 << 30)
    stream = opener(path, held_out_share=0.01, lanes=32)
    _, cursor = stream.next(range(32))
    assert stream.sources[0].num_bytes == 10 << 30
    assert len(stream.held_out(0)) in {26214, 26215}
    block, document, offset = stream.held_out(0).read(26_000)
    assert (len(block), document, offset % 4096) == (4096, "huge.txt", 0)
    assert len(json.dumps(cursor.to_json())) < 8000


def test_the_default_data_is_the_standard_library(opener: Opener) -> None:
    stream = opener()
    assert [source.name for source in stream.sources] == ["stdlib", "pushed"]
    assert stream.sources[0].num_documents > 500
    assert all(
        name.endswith(".py") and "site-packages" not in name for name in stream.next(range(4))[0].document
    )


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_held_out_share_out_of_range_is_refused(tmp_path: Path, opener: Opener, share: float) -> None:
    with pytest.raises(ConfigError, match="held_out_share"):
        opener(write_tree(tmp_path / "d", {"a": "a"}), held_out_share=share)


def test_a_cursor_of_another_form_is_refused() -> None:
    with pytest.raises(StreamError, match="form 99"):
        Cursor.from_json({"format": 99})
    with pytest.raises(StreamError, match="incomplete"):
        Cursor.from_json({"format": 1})


def test_the_config_defaults_suit_a_stream() -> None:
    config = StreamConfig()
    assert config.stretch_bytes % config.segment_bytes == 0
