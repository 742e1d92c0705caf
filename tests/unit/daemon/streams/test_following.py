"""Followed sources: everything read once, what is appended read on, nothing to read when there is nothing."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daemon.errors import StreamError
from daemon.events import DocumentSkipped, PassFinished, SourceChanged
from daemon.streams.listing import list_documents
from tests.unit.daemon.streams.opening import Opener, numbered, through_json, write_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.streams.listing import Listing
    from daemon.streams.stream import ExperienceStream

Piece = tuple[str, int, bytes]


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


def pieces(stream: ExperienceStream, *, lanes: int = 4, steps: int = 10_000) -> Iterator[Piece]:
    """Document, offset and text of every row until there is none."""
    for _ in range(steps):
        experience, _ = stream.next(range(lanes))
        if not len(experience.length):
            return
        for row in range(len(experience.length)):
            text = experience.bytes[row, : experience.length[row]].tobytes()
            yield experience.document[row], int(experience.offset[row]), text


def read_all(stream: ExperienceStream, *, lanes: int = 4) -> dict[str, bytes]:
    """What there was to read until there was nothing, document by document; a byte read twice is an error."""
    found: dict[str, dict[int, int]] = {}
    for document, offset, text in pieces(stream, lanes=lanes):
        places = found.setdefault(document, {})
        for place, byte in enumerate(text, start=offset):
            assert place not in places, f"byte {place} of {document} came twice"
            places[place] = byte
    return {name: bytes(places[place] for place in sorted(places)) for name, places in found.items()}


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def test_a_file_is_read_once_and_what_is_appended_is_read_on(tmp_path: Path, opener: Opener) -> None:
    text = numbered(30_000)
    path = write_tree(tmp_path / "d", {"app.log": text}) / "app.log"
    stream = opener(path, at_end="wait")
    assert read_all(stream) == {"app.log": text}
    assert read_all(stream) == {}
    assert stream.passes_finished == 1
    append(path, b"one line more\n")
    assert read_all(stream) == {}, "it was looked at again before its second was over"
    opener.seconds += 1.0
    experience, _ = stream.next(range(4))
    assert (experience.lane.tolist(), experience.offset.tolist()) == ([0], [30_000])
    assert experience.bytes[0, :14].tobytes() == b"one line more\n"
    assert experience.reset.tolist() == [True]
    assert read_all(stream) == {}
    assert opener.messages(PassFinished) == ["Source app.log: pass 1 finished"]
    assert opener.messages(SourceChanged) == []


def test_text_that_only_a_resting_lane_holds_is_read(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": numbered(200)}), at_end="wait")
    stream.next([2])
    experience, _ = stream.next([0, 1, 3])
    assert (experience.lane.tolist(), experience.offset.tolist()) == ([2], [64])


def test_having_nothing_to_read_leaves_no_trace(tmp_path: Path, opener: Opener) -> None:
    one, two = (write_tree(tmp_path / name, {name: numbered(9_000)}) for name in ("one", "two"))
    stream = opener(one, two, at_end="wait", mix="weighted")
    read_all(stream)
    before = stream.cursor()
    for _ in range(5):
        opener.seconds += 2.0
        assert len(stream.next(range(4))[0].length) == 0
    assert stream.cursor() == before


def test_looking_takes_a_hundredth_of_the_time_at_most(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tree(tmp_path / "d", {"a": "a"})
    stream = opener(path, at_end="wait")
    read_all(stream)
    looks: list[float] = []

    def slow_listing(*args: Any, **settings: Any) -> Listing:
        looks.append(opener.seconds)
        opener.seconds += 0.05  # as many thousand files take
        return listing(*args, **settings)

    listing = list_documents
    monkeypatch.setattr("daemon.streams.kinds.files.list_documents", slow_listing)
    for _ in range(200):
        opener.seconds += 0.1
        stream.next(range(4))
    gaps = np.diff(looks)
    assert 3 <= len(looks) <= 5
    assert gaps.min() >= 5.0


def test_new_files_are_read_and_changed_ones_from_their_beginning(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"b": "the old text of b", "d": "text of d", "e": "stays as it is"})
    stream = opener(folder, at_end="wait")
    read_all(stream)
    opener.seconds += 1.0
    write_tree(
        folder, {"a": "new in front", "c": "new between", "b": "b, written again and longer", "d": "d"}
    )
    os.utime(folder / "e", ns=(1, 1))  # touched, not changed
    assert read_all(stream) == {
        "a": b"new in front",
        "b": b"b, written again and longer",
        "c": b"new between",
        "d": b"d",
    }
    assert [message.partition(";")[0] for message in opener.messages(SourceChanged)] == [
        "Source d changed: b was rewritten",
        "Source d changed: d was rewritten",
    ]


def test_a_busy_file_leaves_the_others_their_turn(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a.log": "begin ", "b.txt": numbered(9_000), "c.txt": "the last"})
    stream = opener(folder, at_end="wait", lanes=1)
    order: list[str] = []
    for _ in range(400):
        append(folder / "a.log", b"and more ")
        opener.seconds += 1.0
        order += stream.next([0])[0].document
    assert list(dict.fromkeys(order)) == ["a.log", "b.txt", "c.txt"]
    assert order.index("c.txt") < 200


def test_a_resume_continues_exactly_and_loses_nothing_that_came_meanwhile(
    tmp_path: Path, opener: Opener
) -> None:
    texts = {"a.log": numbered(9_000), "b.log": numbered(20_000, seed=1), "c.log": numbered(5_000, seed=2)}
    folder = write_tree(tmp_path / "d", texts)
    stream = opener(folder, at_end="wait")
    seen = [piece for _ in range(40) for piece in pieces(stream, steps=1)]  # in the middle of b.log
    cursor = through_json(stream.cursor())
    assert cursor == stream.cursor()
    twin = opener(folder, at_end="wait", cursor=cursor)
    assert list(pieces(twin)) == list(pieces(stream))
    assert twin.cursor() == stream.cursor()
    for name in texts:
        append(folder / name, b"what came while nobody read " + name.encode())
    late = opener(folder, at_end="wait", cursor=cursor)
    for _ in range(2):  # the rest, then what a second look finds
        seen += pieces(late)
        opener.seconds += 1.0
    for name in texts:
        read = b"".join(text for _, _, text in sorted(piece for piece in seen if piece[0] == name))
        assert read == (folder / name).read_bytes()
    assert opener.messages(SourceChanged) == []


def test_a_resume_while_waiting_waits_on(tmp_path: Path, opener: Opener) -> None:
    path = write_tree(tmp_path / "d", {"t": numbered(5_000)})
    stream = opener(path, at_end="wait")
    read_all(stream)
    twin = opener(path, at_end="wait", cursor=through_json(stream.cursor()))
    assert read_all(twin) == {}
    assert twin.cursor() == stream.cursor()
    append(path / "t", b"more")
    late = opener(path, at_end="wait", cursor=through_json(stream.cursor()))
    assert read_all(late) == {"t": b"more"}


def test_packed_and_other_encoded_text_is_read_on_too(tmp_path: Path, opener: Opener) -> None:
    folder = tmp_path / "d"
    write_tree(folder, {"u.log": "ein Ölfaß\n".encode("utf-16"), "z.gz": gzip.compress(b"packed ")})
    stream = opener(folder, at_end="wait")
    assert read_all(stream) == {"u.log": "ein Ölfaß\n".encode(), "z.gz": b"packed "}
    append(folder / "u.log", "noch eins\n".encode("utf-16-le"))
    append(folder / "z.gz", gzip.compress(b"and appended"))
    opener.seconds += 1.0
    assert read_all(stream) == {"u.log": b"noch eins\n", "z.gz": b"and appended"}
    assert len(list(opener.cache.iterdir())) == 2, "a decoded text is kept that nobody reads again"


def test_what_is_empty_may_fill_and_what_is_no_text_is_refused(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "new.log"
    path.touch()
    stream = opener(path, at_end="wait")
    assert read_all(stream) == {}
    append(path, b"the first line\n")
    opener.seconds += 1.0
    assert read_all(stream) == {"new.log": b"the first line\n"}
    binary = write_tree(tmp_path / "b", {"b.bin": b"\x7fELF\0\0"})
    with pytest.raises(StreamError, match=r"nothing to read in folder .*: 1 binary"):
        opener(binary, at_end="wait")


def test_a_file_that_vanishes_is_reported_once_and_not_read_again_when_it_is_back(
    tmp_path: Path, opener: Opener
) -> None:
    folder = write_tree(tmp_path / "d", {"a": numbered(60_000), "b": "text of b"})
    stream = opener(folder, at_end="wait", lanes=1)
    for _ in range(80):
        stream.next([0])
    (folder / "a").rename(tmp_path / "away")
    read = read_all(stream, lanes=1)
    assert read.pop("b") == b"text of b"
    assert sum(map(len, read.values())) < 4096  # what it had read ahead
    assert len(opener.messages(DocumentSkipped)) == 1
    opener.seconds += 1.0
    assert read_all(stream, lanes=1) == {}
    (tmp_path / "away").rename(folder / "a")
    append(folder / "a", b"more")
    opener.seconds += 1.0
    assert read_all(stream, lanes=1) == {"a": b"more"}


def test_a_source_with_nothing_new_leaves_the_others_the_lanes(tmp_path: Path, opener: Opener) -> None:
    folders = [
        write_tree(tmp_path / name, {"t": numbered(size)}) for name, size in (("a", 90), ("b", 20_000))
    ]
    for mix in ("round_robin", "weighted", "sequential", "curious"):
        stream = opener(*folders, at_end="wait", mix=mix)
        sources = np.concatenate([stream.next(range(4))[0].source for _ in range(60)])
        assert sorted(set(sources.tolist())) == [0, 1], mix
        assert sources.tolist().count(0) == 2, mix
        assert len(sources) == 4 * 60, mix  # no lane had to sit out


def test_pushed_text_is_read_while_the_files_have_nothing(tmp_path: Path, opener: Opener) -> None:
    stream = opener(write_tree(tmp_path / "d", {"t": "text"}), at_end="wait")
    read_all(stream)
    assert stream.push(b"pushed by hand", sequence=1, origin="page")
    assert read_all(stream) == {"pushed/1": b"pushed by hand"}


def test_a_run_that_is_set_to_wait_reads_the_rest_of_its_pass(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a": numbered(20_000), "b": numbered(20_000, seed=1)})
    stream = opener(folder, lanes=2)
    first = [piece for _ in range(200) for piece in pieces(stream, lanes=2, steps=1)]
    waiting = opener(folder, lanes=2, at_end="wait", cursor=through_json(stream.cursor()))
    rest = list(pieces(waiting, lanes=2))
    for name in "ab":
        read = b"".join(text for _, _, text in sorted(piece for piece in first + rest if piece[0] == name))
        assert read == (folder / name).read_bytes()
    for _ in range(800):  # into the second pass: nothing is new in it
        _, cursor = stream.next(range(2))
    assert stream.passes_finished >= 1
    waiting = opener(folder, lanes=2, at_end="wait", cursor=cursor)
    held = sum(extent.end - extent.offset for extent in cursor.held if extent is not None)
    assert sum(len(text) for _, _, text in pieces(waiting, lanes=2)) == held
    again = opener(folder, lanes=2, cursor=waiting.cursor())
    assert len(list(pieces(again, lanes=2, steps=500))) == 1000


def test_a_huge_file_is_followed_without_reading_it(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "huge.txt"
    path.write_bytes(b"some text\n" * 1000)
    os.truncate(path, 10 << 30)
    stream = opener(path, at_end="wait", held_out_share=0.01, lanes=32)
    _, cursor = stream.next(range(32))
    assert [mark.num_bytes for mark in cursor.sources[0].marks] == [10 << 30]


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize(
    "appended",
    [
        ("привет, мир\n".encode() * 20, b"one bad \xff byte\n", "и снова\n".encode() * 9000),
        (b"plain text\n" * 20, b"\0\0\0", b"more of it\n" * 9000),
        ("привет".encode()[:-1], "т, мир\n".encode()[1:], b"more\n"),
    ],
    ids=["no UTF-8", "binary", "half a character"],
)
def test_a_file_is_read_on_as_it_was_begun_whatever_is_appended(
    tmp_path: Path, opener: Opener, appended: tuple[bytes, ...], resumed: bool
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(appended[0])
    stream = opener(path, at_end="wait")
    read = read_all(stream)["app.log"]
    read.decode()  # whole characters
    for more in appended[1:]:
        append(path, more)
        opener.seconds += 1.0
        if resumed:
            stream = opener(path, at_end="wait", cursor=through_json(stream.cursor()))
        read += read_all(stream)["app.log"]
    assert read == b"".join(appended)
    assert opener.messages(SourceChanged) == opener.messages(DocumentSkipped) == []


def test_a_file_that_begins_with_half_a_mark_is_read_from_behind_it(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"\xef\xbb")
    stream = opener(path, at_end="wait")
    assert read_all(stream) == {}
    append(path, b"\xbfhello\n")
    opener.seconds += 1.0
    assert read_all(stream) == {"app.log": b"hello\n"}


def test_a_file_rewritten_as_another_kind_of_text_is_reported(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"t": "plain text"})
    stream = opener(folder, at_end="wait")
    read_all(stream)
    write_tree(folder, {"t": "ein Ölfaß\n".encode("utf-16")})
    opener.seconds += 1.0
    assert read_all(stream) == {"t": "ein Ölfaß\n".encode()}


@pytest.mark.parametrize("num_bytes", [0, 50_000, 200_000, 300_000])
@pytest.mark.parametrize("resumed", [False, True])
def test_a_file_rewritten_while_it_is_read_is_read_again_once(
    tmp_path: Path, opener: Opener, num_bytes: int, resumed: bool
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(numbered(200_000))
    stream = opener(path, at_end="wait", lanes=3)
    for _ in range(300):
        stream.next(range(3))
    new = bytes(byte ^ 64 for byte in numbered(num_bytes))
    path.write_bytes(new)
    os.utime(path, ns=(1, 1))
    if resumed:
        stream = opener(path, at_end="wait", lanes=3, cursor=through_json(stream.cursor()))
    found = list(pieces(stream, lanes=3))
    opener.seconds += 1.0
    found += pieces(stream, lanes=3)
    if not num_bytes:  # emptied to be filled again, as logs are rotated
        new = bytes(byte ^ 64 for byte in numbered(40_000))
        append(path, new)
        opener.seconds += 1.0
        found += pieces(stream, lanes=3)
    old = [text for _, _, text in found if text[0] < 64]
    assert sum(map(len, old)) <= 3 * 4096  # what lanes had read ahead
    later = sorted((offset, text) for _, offset, text in found if text[0] >= 64)
    assert b"".join(text for _, text in later) == new
    assert len(opener.messages(SourceChanged)) == 1
    assert opener.messages(DocumentSkipped) == []


def test_classic_epochs_cannot_wait(tmp_path: Path, opener: Opener) -> None:
    with pytest.raises(ValueError, match="samples_per_pass"):
        opener(write_tree(tmp_path / "d", {"t": "t"}), at_end="wait", samples_per_pass=10)
