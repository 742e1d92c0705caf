"""Followed files whose names come to lead elsewhere: emptied, renamed, linked elsewhere, gone and back."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from daemon.events import DocumentSkipped, SourceChanged
from daemon.streams.leading_nuls import hole_end
from tests.unit.daemon.streams.opening import Opener, numbered, through_json, write_tree
from tests.unit.daemon.streams.test_following import append, read_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("seen_empty", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
def test_a_log_emptied_under_its_writer_is_read_on_behind_the_hole(
    tmp_path: Path, opener: Opener, resumed: bool, seen_empty: bool, encoding: str
) -> None:
    path = tmp_path / "svc.log"
    old, new = "Мороз и солнце; день чудесный!\n" * 900, "Ещё ты дремлешь, друг прелестный?\n" * 30
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)  # without O_APPEND, as many a service writes
    os.write(descriptor, old.encode(encoding))
    stream = opener(path, at_end="wait")
    assert read_all(stream)["svc.log"].decode() == old
    for _ in range(2):
        os.truncate(path, 0)
        if seen_empty:
            opener.seconds += 1.0
            assert read_all(stream) == {}
        os.write(descriptor, new.encode(encoding))
        opener.seconds += 1.0
        if resumed:
            stream = opener(path, at_end="wait", cursor=through_json(stream.cursor()))
        assert read_all(stream)["svc.log"].decode() == new
        os.write(descriptor, b"one more\n")
        opener.seconds += 1.0
        assert read_all(stream) == {"svc.log": b"one more\n"}
    os.close(descriptor)
    assert opener.messages(DocumentSkipped) == []
    assert all("was rewritten" in message for message in opener.messages(SourceChanged))


def test_a_file_with_a_hole_is_read_from_behind_it_from_the_start(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "svc.log"
    with path.open("wb") as file:
        file.seek(3_000_000)
        file.write("\ufeffnaïve\n".encode())
    assert read_all(opener(path, at_end="wait")) == {"svc.log": "naïve\n".encode()}
    held = opener(path, held_out_share=0.5).held_out(0)
    assert [held.read(index)[0] for index in range(len(held))] in ([], ["naïve\n".encode()])


@pytest.mark.parametrize("reports_holes", [True, False])
@pytest.mark.parametrize(("nuls", "text"), [(0, b"a"), (7, b"a\0"), (2_500_000, b"a"), (9, b"")])
def test_the_hole_ends_at_the_first_byte_that_somebody_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reports_holes: bool, nuls: int, text: bytes
) -> None:
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.truncate(nuls)
        file.seek(nuls)
        file.write(text)
    seek = os.lseek

    def without_hole_search(descriptor: int, offset: int, whence: int) -> int:
        if whence == os.SEEK_DATA:
            raise OSError(errno.EINVAL, "no such thing here")
        return seek(descriptor, offset, whence)

    if not reports_holes:
        monkeypatch.setattr(os, "lseek", without_hole_search)
    with path.open("rb") as written:
        assert hole_end(written) == (nuls if text else 0)


def test_a_hole_longer_than_is_read_through_is_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "SEEK_DATA")
    monkeypatch.setattr("daemon.streams.leading_nuls._MOST_BYTES", 1 << 20)
    path = tmp_path / "f"
    path.write_bytes(bytes(3 << 20) + b"text")
    with path.open("rb") as file:
        assert hole_end(file) == 0


@pytest.mark.parametrize("resumed", [False, True])
def test_a_link_that_leads_to_another_file_is_followed_there(
    tmp_path: Path, opener: Opener, resumed: bool
) -> None:
    write_tree(tmp_path, {"app-1.log": "the first\n", "app-2.log": "second, x\n"})
    for name in ("app-1.log", "app-2.log"):
        os.utime(tmp_path / name, ns=(1, 1))  # not even the times differ
    link = tmp_path / "current.log"
    link.symlink_to("app-1.log")
    stream = opener(link, at_end="wait")
    assert read_all(stream) == {"current.log": b"the first\n"}
    (tmp_path / "new").symlink_to("app-2.log")
    (tmp_path / "new").replace(link)
    opener.seconds += 1.0
    assert read_all(stream) == {"current.log": b"second, x\n"}
    append(tmp_path / "app-2.log", b"more\n")
    append(tmp_path / "app-1.log", b"nobody is to read this\n")
    opener.seconds += 1.0
    if resumed:
        stream = opener(link, at_end="wait", cursor=through_json(stream.cursor()))
    assert read_all(stream) == {"current.log": b"more\n"}


def test_a_linked_folder_that_leads_elsewhere_is_followed_there(tmp_path: Path, opener: Opener) -> None:
    write_tree(
        tmp_path, {"day-1/a": "a of day 1", "day-1/b": "b of day 1", "day-2/a": "a of day 2, the next"}
    )
    link = tmp_path / "today"
    link.symlink_to("day-1")
    stream = opener(link, at_end="wait")
    assert read_all(stream) == {"a": b"a of day 1", "b": b"b of day 1"}
    link.unlink()
    opener.seconds += 1.0
    assert read_all(stream) == {}
    assert "a, b cannot be read now" in opener.messages(SourceChanged)[-1]
    link.symlink_to("day-2")
    opener.seconds += 1.0
    assert read_all(stream) == {"a": b"a of day 2, the next"}


@pytest.mark.parametrize("by", ["rename", "copytruncate"])
def test_every_line_of_a_rotated_log_is_read(tmp_path: Path, opener: Opener, by: str) -> None:
    path, read, written = tmp_path / "svc.log", b"", b""
    path.touch()
    stream = opener(path, at_end="wait")
    for number in range(6):
        text = numbered(500 + 700 * (number % 3), seed=number + 1)
        written += text
        append(path, text)
        opener.seconds += 1.0
        read += read_all(stream).get("svc.log", b"")
        if by == "rename":
            path.rename(tmp_path / f"svc.log.{number}")
            if number % 2:
                opener.seconds += 1.0
                assert read_all(stream) == {}  # nobody has opened it again yet
        else:
            (tmp_path / f"svc.log.{number}").write_bytes(path.read_bytes())
            os.truncate(path, 0)
    assert read == written
    assert opener.messages(DocumentSkipped) == []


def test_a_file_that_turns_binary_is_reported_once_and_again_when_it_is_text(
    tmp_path: Path, opener: Opener
) -> None:
    folder = write_tree(tmp_path / "d", {"a": "text\n", "b": "b\n"})
    stream = opener(folder, at_end="wait")
    read_all(stream)
    for content in (b"\x7fELF\0\0", b"\x7fELF\0\0\1"):
        write_tree(folder, {"a": content, "new.bin": content})
        opener.seconds += 1.0
        assert read_all(stream) == {}
    stream = opener(folder, at_end="wait", cursor=through_json(stream.cursor()))
    assert read_all(stream) == {}
    found = [message for message in opener.messages(DocumentSkipped) if "it is not text" in message]
    assert len(found) == len(opener.messages(DocumentSkipped)) == 2
    write_tree(folder, {"a": "text again\n"})
    opener.seconds += 1.0
    assert read_all(stream) == {"a": b"text again\n"}
    assert opener.messages(SourceChanged)[-1] == "Source d changed: a holds text that can be read; it is read"


def test_of_very_many_files_that_are_no_text_only_some_are_reported(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "d", {"a": "text\n"})
    stream = opener(folder, at_end="wait")
    read_all(stream)
    write_tree(folder, {f"{number}.jpg": b"\xff\xd8\0\0" for number in range(50)})
    for _ in range(2):
        opener.seconds += 1.0
        read_all(stream)
    assert len(opener.messages(DocumentSkipped)) == 10
    assert opener.messages(SourceChanged) == ["Source d changed: 40 more of its files are passed over"]


def test_a_file_that_may_not_be_read_any_more_is_reported_with_the_reason_and_read_on_later(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "svc.log"
    path.write_text("text\n")
    stream = opener(path, at_end="wait")
    read_all(stream)
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        opener.seconds += 1.0
        assert read_all(stream) == {}
    append(path, b"more\n")
    opener.seconds += 1.0
    assert read_all(stream) == {"svc.log": b"more\n"}
    assert opener.messages(SourceChanged) == [
        f"Source svc.log changed: svc.log {what}"
        for what in (
            "(no permission to read it) cannot be read now; what comes when it can is read on",
            "can be read again",
        )
    ]


def test_blocks_of_what_arrives_later_are_held_out_and_never_handed_to_a_lane(
    tmp_path: Path, opener: Opener
) -> None:
    path = tmp_path / "svc.log"
    path.touch()
    stream = opener(path, at_end="wait", held_out_share=0.25)
    assert len(stream.held_out(0)) == 0
    text = b""
    for number in range(5):
        more = numbered(200_000, seed=number + 1)
        append(path, more)
        text += more
        opener.seconds += 1.0
        learned = read_all(stream)["svc.log"]
        held = stream.held_out(0)
        blocks = [held.read(index) for index in range(len(held))]
        assert all(data == text[offset : offset + len(data)] for data, _, offset in blocks)
        assert all(held.place(index) == ("svc.log", blocks[index][2]) for index in range(len(held)))
        assert not any(data[:64] in learned for data, _, _ in blocks)
    assert len(blocks) >= 0.2 * len(text) / 4096
    twin = opener(path, at_end="wait", held_out_share=0.25, cursor=through_json(stream.cursor()))
    again = twin.held_out(0)
    assert [again.read(index) for index in range(len(again))] == blocks
