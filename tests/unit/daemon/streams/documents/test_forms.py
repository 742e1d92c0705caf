"""Documents are recognised by what they are, and text stays text."""

from __future__ import annotations

import pytest

from daemon.streams.documents.forms import form_of
from tests.unit.daemon.streams.documents.samples import epub, mail, mbox, pdf


@pytest.mark.parametrize(
    ("head", "name", "form"),
    [
        (pdf("a"), "paper.pdf", "pdf"),
        (b"\n\n" + pdf("a"), "no suffix", "pdf"),
        (epub(), "book.epub", "epub"),
        (b"PK\3\4 another archive", "book.epub", None),
        (b"\xef\xbb\xbf \n<!DOCTYPE HTML><p>", "page", "html"),
        (b"a fragment<p>", "page.htm", "html"),
        (b"a < b and <html> is markup", "notes.txt", None),
        (mbox(mail()), "Inbox", "mbox"),
        (b"From here to 2026 it is a long way\n", "story.txt", None),
        (mail(), "letter.eml", "mail"),
        (mail(), "Maildir/cur/1700000000.M1.host:2,S", "mail"),
        (mail(), "letter.txt", None),
        (b"Note: to be done\n", "cur/list", None),
        (b"# Notes\n", "notes.md", None),
        (b"", "empty.pdf", None),
    ],
)
def test_a_document_is_recognised(head: bytes, name: str, form: str | None) -> None:
    assert form_of(head, name) == form
