"""What is listed, how it is named, what is skipped, how it is decoded."""

from __future__ import annotations

import codecs
import gzip
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from daemon.errors import StreamError
from daemon.events import DocumentSkipped, ListingContinued
from daemon.interrupting import Interrupted
from daemon.streams.decoding import DecodedCache
from daemon.streams.encodings import Verdict, classify, detect
from daemon.streams.errors import UndecodableError
from daemon.streams.listing import list_documents
from daemon.streams.sources import SourcePath, check_data, resolve
from daemon.streams.walking import Walk
from tests.unit.daemon.streams.opening import Opener, numbered, read_on, write_tree

if TYPE_CHECKING:
    from pathlib import Path

RUSSIAN = "Мороз и солнце; день чудесный! Ещё ты дремлешь, друг прелестный. " * 40
FRENCH = (
    "Longtemps, je me suis couché de bonne heure. Parfois, à peine ma bougie éteinte, mes yeux se fermaient. "
    * 30
)


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


def names(folder: Path) -> list[str]:
    return [document.name for document in list_documents(SourcePath(name="d", path=folder)).documents]


def test_hidden_and_cache_folders_are_left_out(tmp_path: Path) -> None:
    files = dict.fromkeys(["a", ".b", ".git/c", "__pycache__/d", "e/.f/g", "e/h", "CVS/i"], "text")
    assert names(write_tree(tmp_path / "d", files)) == ["a", "e/h"]


def test_the_homes_own_things_are_never_read(tmp_path: Path, opener: Opener) -> None:
    own: list[str] = [
        "token",
        "synapsed.db-wal",
        "daemon.json",
        "replay/r/seg",
        "logs/training.log",
        "cache/x.txt",
        "checkpoints/c/s",
    ]
    write_tree(tmp_path, {name: "text" for name in [*own, "essay.txt", "notes/token"]})  # noqa: C420 - typed
    stream = opener(tmp_path, lanes=1)
    assert {stream.next([0])[0].document[0] for _ in range(6)} == {"essay.txt", "notes/token"}


def test_a_folder_of_very_many_files_is_looked_at_lazily(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.streams.listing.SNIFFED_FILES", 2)
    files: dict[str, bytes | str] = {"a": "a", "b": b"\0", "c": b"\0", "d": "d", "e": FRENCH.encode("cp1252")}
    stream = opener(write_tree(tmp_path / "d", files), lanes=1)
    assert stream.sources[0].skipped == {"binary": 1}
    assert [stream.next([0])[0].document[0] for _ in range(3)] == ["a", "d", "e"]
    assert stream.sources[0].skipped == {"binary": 2}


def test_link_loops_broken_links_and_pipes_do_no_harm(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "d", {"a/b": "text"})
    (folder / "a" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "broken").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    listing = list_documents(SourcePath(name="d", path=folder))
    assert [document.name for document in listing.documents] == ["a/b"]
    assert listing.unreadable == 2


def test_sources_get_short_unique_names(tmp_path: Path) -> None:
    write_tree(tmp_path, {"x/text/a": "a", "y/text/a": "a", "pushed/a": "a", "text-2": "a"})
    paths = [tmp_path / "x" / "text", tmp_path / "y" / "text", tmp_path / "pushed", tmp_path / "text-2"]
    assert [source.name for source in resolve([str(path) for path in paths])] == [
        "text", "text-2", "pushed-2", "text-2-2",
    ]  # fmt: skip


def test_a_missing_path_names_the_nearest(tmp_path: Path) -> None:
    write_tree(tmp_path, {"corpus/a": "a"})
    with pytest.raises(StreamError, match=f"corpsu does not exist; the nearest is {tmp_path / 'corpus'}$"):
        check_data([str(tmp_path / "corpsu")])
    with pytest.raises(StreamError, match=f"the nearest is {tmp_path / 'corpus' / 'a'}$"):
        check_data([*[str(tmp_path / "zzzz" / "y"), "never looked at"][:0], str(tmp_path / "corpuz" / "a")])


@pytest.mark.parametrize(
    ("files", "found"),
    [({}, "it is empty"), ({"a": b"\0\0"}, "1 binary"), ({"a": b"", "b": b"\0"}, "1 binary, 1 empty")],
)
def test_a_folder_without_text_is_refused(
    tmp_path: Path, opener: Opener, files: dict[str, bytes | str], found: str
) -> None:
    (tmp_path / "d").mkdir()
    with pytest.raises(StreamError, match=f"nothing to read in folder .*: {found}; name one"):
        opener(write_tree(tmp_path / "d", files))


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        (b"", Verdict(skip="empty")),
        (codecs.BOM_UTF8, Verdict(skip="empty")),
        (b"plain", Verdict()),
        (codecs.BOM_UTF8 + b"marked", Verdict(start=3)),
        ("cut short é".encode()[:-1], Verdict()),
        (b"MZ\0\0\0", Verdict(skip="binary")),
        (bytes(range(128, 256)) + bytes(range(1, 9)) * 5, Verdict(skip="binary")),
        ("text".encode("utf-16"), Verdict(encoding="utf-16")),
        (codecs.BOM_UTF32_LE + "text".encode("utf-32-le"), Verdict(encoding="utf-32")),
        (FRENCH.encode("cp1252"), Verdict(encoding="?")),
        (gzip.compress(b"packed", mtime=0), Verdict(gzip=True)),
        (gzip.compress(b"\0\0", mtime=0), Verdict(skip="binary")),
        (gzip.compress(gzip.compress(b"twice", mtime=0), mtime=0), Verdict(skip="binary")),
        (b"\x1f\x8b no gzip at all", Verdict(skip="undecodable")),
    ],
)
def test_a_head_shows_how_a_file_is_read(head: bytes, verdict: Verdict) -> None:
    assert classify(head) == verdict


def test_legacy_encodings_are_detected() -> None:
    assert detect(RUSSIAN.encode("cp1251")) == "cp1251"
    assert detect(gzip.compress(RUSSIAN.encode("koi8-r")), gzip=True) in {"koi8_r", "koi8_u", "koi8_t"}


@pytest.mark.parametrize(
    "content",
    [
        RUSSIAN.encode("cp1251"),
        RUSSIAN.encode("utf-16"),
        RUSSIAN.encode("utf-32"),
        codecs.BOM_UTF8 + RUSSIAN.encode(),
        gzip.compress(RUSSIAN.encode(), mtime=0),
        gzip.compress(codecs.BOM_UTF8 + RUSSIAN.encode(), mtime=0),
        gzip.compress(RUSSIAN[:50].encode(), mtime=0) + gzip.compress(RUSSIAN[50:].encode(), mtime=0),
        gzip.compress(RUSSIAN.encode("cp1251"), mtime=0),
    ],
    ids=["cp1251", "utf-16", "utf-32", "marked", "gzip", "gzip-marked", "gzip-members", "gzip-cp1251"],
)
def test_any_encoding_is_read_as_utf_8(tmp_path: Path, opener: Opener, content: bytes) -> None:
    stream = opener(write_tree(tmp_path / "d", {"a": content}), lanes=1, segment_bytes=1024)
    expected = RUSSIAN.encode()
    data, _ = read_on(stream, 0, -(-len(expected) // 1024))
    assert data == expected


def test_a_document_is_decoded_once_and_again_when_the_cache_is_emptied(
    tmp_path: Path, opener: Opener
) -> None:
    folder = write_tree(tmp_path / "d", {"a.gz": gzip.compress(numbered(20_000))})
    stream = opener(folder, lanes=1)
    assert not (tmp_path / "cache").exists()  # lazily
    _, cursor = stream.next([0])
    (decoded,) = (tmp_path / "cache").iterdir()
    made = decoded.stat().st_ino
    twin = opener(folder, lanes=1, cursor=cursor)
    twin.next([0])
    assert decoded.stat().st_ino == made
    decoded.unlink()
    data, _ = read_on(stream, 0, 200)
    assert data == numbered(20_000)[64 : 64 * 201]


def test_the_next_documents_are_decoded_while_one_is_read(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {f"{name}.gz": numbered(9_000, seed=seed) for seed, name in enumerate("abc")}
    folder = write_tree(tmp_path / "d", {name: gzip.compress(text) for name, text in texts.items()})
    threads: dict[str, str] = {}
    decode = DecodedCache._decode

    def watched(cache: DecodedCache, path: Path, verdict: Verdict, target: Path) -> bool:
        threads[path.name] = threading.current_thread().name
        return decode(cache, path, verdict, target)

    monkeypatch.setattr(DecodedCache, "_decode", watched)
    data, _ = read_on(opener(folder, lanes=1), 0, 3 * 141)
    assert data == b"".join(texts.values())
    assert threads == {"a.gz": "MainThread", "b.gz": "decoding", "c.gz": "decoding"}


def test_what_goes_wrong_ahead_is_reported_when_it_is_reached(tmp_path: Path, opener: Opener) -> None:
    packed = gzip.compress(os.urandom(200_000).hex().encode())
    folder = write_tree(tmp_path / "d", {"a.gz": gzip.compress(b"sound"), "b.gz": packed[:-9], "c": "last"})
    data, _ = read_on(opener(folder, lanes=1), 0, 2)
    assert data == b"soundlast"
    assert "b.gz of source d: skipped: its gzip data" in opener.messages(DocumentSkipped)[0]


def test_damaged_gzip_is_skipped_with_an_event(tmp_path: Path, opener: Opener) -> None:
    packed = gzip.compress(os.urandom(200_000).hex().encode())
    files: dict[str, bytes | str] = {
        "a.gz": packed[:-1000],
        "b.gz": packed[:100_000] + b"?" + packed[100_001:],
        "c": "c",
    }
    stream = opener(write_tree(tmp_path / "d", files), lanes=1)
    assert stream.next([0])[0].document == ("c",)
    messages = opener.messages(DocumentSkipped)
    assert "ends too early" in messages[0]
    assert "damaged" in messages[1]
    assert not list((tmp_path / "cache").iterdir())  # nothing half-made is left
    assert stream.sources[0].skipped == {"undecodable": 2}


def test_a_decoded_document_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"x" * 5_000_000))
    cache = DecodedCache(tmp_path / "cache", max_bytes=1_000_000)
    status = path.stat()
    for _ in range(2):
        decoded = cache.get(path, status.st_size, status.st_mtime_ns, Verdict(gzip=True))
        assert (decoded.size, decoded.cut) == (1_000_000, True)


def test_the_held_out_set_decodes_only_so_much(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [os.urandom(400_000).hex().encode() for _ in range(3)]
    files = {f"{i}.gz": gzip.compress(text) for i, text in enumerate(texts)}
    folder = write_tree(tmp_path / "d", files)
    held = opener(folder, held_out_share=0.1).held_out(0)
    blocks = [held.read(index) for index in range(len(held))]
    assert {document for _, document, _ in blocks} == {"0.gz", "1.gz", "2.gz"}
    for data, document, offset in blocks:
        assert data == texts[int(document[0])][offset : offset + 4096]
    monkeypatch.setattr("daemon.streams.kinds.files.HELD_OUT_DECODING_BYTES", len(files["0.gz"]) + 1)
    fewer = opener(folder, held_out_share=0.1).held_out(0)
    assert {fewer.read(index)[1] for index in range(len(fewer))} == {"0.gz"}


def test_text_of_no_known_encoding_is_undecodable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.streams.decoding.detect", lambda head, gzip: None)
    path = tmp_path / "odd"
    path.write_bytes(b"\xff\xfe odd")
    with pytest.raises(UndecodableError, match="cannot be detected"):
        DecodedCache(tmp_path / "cache").get(path, 6, 0, Verdict(encoding="?"))
    assert not list((tmp_path / "cache").iterdir())


def test_a_long_listing_is_reported_and_gives_signs_of_life(
    tmp_path: Path, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tree(tmp_path / "d", {f"{number}.txt": "text" for number in range(100)})
    look = Walk.look

    def slow(walk: Walk, path: Path) -> Any:
        opener.seconds += 0.5
        return look(walk, path)

    monkeypatch.setattr(Walk, "look", slow)
    opener(folder)
    expected = [
        f"Source d: 100 files found in {seconds} s; the search continues" for seconds in (5, 10, 20, 40)
    ]
    assert opener.messages(ListingContinued) == expected


def test_a_look_that_is_interrupted_later_changes_nothing(tmp_path: Path, opener: Opener) -> None:
    for at_end in ("wait", "again"):
        folder = write_tree(tmp_path / at_end, {"a": numbered(1_000)})
        asked: list[None] = []
        stream = opener(folder, lanes=1, at_end=at_end, progressed=lambda: asked.append(None))  # noqa: B023
        assert asked, "no sign of life"

        def interrupt() -> None:
            raise Interrupted

        for reader in stream._readers:
            reader._progressed = interrupt
        write_tree(folder, {"b": "new"})
        opener.seconds += 10.0
        before = {document for _ in range(40) for document in stream.next([0])[0].document}
        assert before == {"a"}
        for reader in stream._readers:
            reader._progressed = lambda: None
        opener.seconds += 10.0
        after = {document for _ in range(40) for document in stream.next([0])[0].document}
        assert "b" in after
