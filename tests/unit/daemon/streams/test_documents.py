"""A source of documents: their text is read, and what holds none is passed over with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.errors import StreamError, UsageError
from daemon.events import DocumentSkipped
from daemon.streams.kinds import documents
from daemon.streams.sources import require_text
from tests.unit.daemon.streams.documents.samples import epub, mail, mbox, pdf
from tests.unit.daemon.streams.opening import Opener, read_on, through_json, write_tree

if TYPE_CHECKING:
    from pathlib import Path

FILES: dict[str, bytes | str] = {
    "a.epub": epub(),
    "b.html": "<p>" + "A page of words. " * 40,
    "c.pdf": pdf("A line of a paper"),
    "cut.pdf": pdf("lost")[:60],
    "mail/Inbox": mbox(mail("One"), mail("Two")),
    "notes.md": "# As it *stands*\n",
}


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "home" / "cache")


def test_their_text_is_read_and_a_cursor_continues_it(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "papers", FILES)
    source = {"kind": "documents", "path": str(folder)}
    whole, _ = read_on(opener(source=(source,), lanes=1), 0, 40)
    for text in (
        "Café.",
        "A page of words. A page",
        "A line of a paper",
        "Subject: One",
        "Subject: Two",
        "*stands*",
    ):
        assert text.encode() in whole, text
    assert b"<p>" not in whole
    assert "cut.pdf of source papers: skipped: it is damaged" in " ".join(opener.messages(DocumentSkipped))
    stream = opener(source=(source,), lanes=1)
    for _ in range(3):
        _, cursor = stream.next([0])
    rest, _ = read_on(opener(source=(source,), lanes=1, cursor=through_json(cursor)), 0, 37)
    assert whole.endswith(rest)


def test_a_document_that_changed_is_taken_out_again(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "papers", {"page.html": "<p>old words"})
    source = {"kind": "documents", "path": str(folder)}
    assert b"old words" in read_on(opener(source=(source,), lanes=1), 0, 1)[0]
    write_tree(folder, {"page.html": "<p>quite other words"})
    assert b"quite other words" in read_on(opener(source=(source,), lanes=1), 0, 1)[0]


def test_followed_a_mailbox_that_grows_is_another_text(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "mail", {"Inbox": mbox(mail("One"))})
    stream = opener(
        source=({"kind": "documents", "path": str(folder)},),
        lanes=1,
        at_end="wait",
        segment_bytes=512,
        stretch_bytes=512,
    )
    first, _ = read_on(stream, 0, 1)
    assert b"Subject: One" in first
    with (folder / "Inbox").open("ab") as box:
        box.write(b"and a last line of it\n" + mbox(mail("Two")))
    opener.seconds += 1000.0
    rest, _ = read_on(stream, 0, 1)
    assert rest.startswith(b"Subject: One")
    assert b"and a last line of it" in rest
    assert b"Subject: Two" in rest


def test_as_files_they_are_what_they_were(tmp_path: Path, opener: Opener) -> None:
    folder = write_tree(tmp_path / "papers", {"page.html": "<p>words"})
    assert b"<p>words" in read_on(opener(folder, lanes=1), 0, 1)[0]
    path = write_tree(tmp_path / "more", {"book.epub": epub()}) / "book.epub"
    with pytest.raises(StreamError, match='a source of kind "documents"'):
        require_text([str(path)])
    require_text([], [{"kind": "documents", "path": str(path)}])


def test_what_takes_the_text_out_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "missing_libraries", lambda: ["pypdfium2", "lxml"])
    with pytest.raises(UsageError, match=r"needs pypdfium2 and lxml: pip install 'synapsed\[documents\]'"):
        documents.DocumentsConfig(path=str(tmp_path)).check(may_fill=False)
