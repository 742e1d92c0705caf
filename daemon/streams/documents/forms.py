"""In what form a document holds its text, recognised by its head and its name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

PDF, EPUB, HTML, MBOX, MAIL = "pdf", "epub", "html", "mbox", "mail"
FORMS = (PDF, EPUB, HTML, MBOX, MAIL)

_HTML_SUFFIXES = (".html", ".htm", ".xhtml")
_HTML_HEADS = (b"<!doctype html", b"<html")
_PDF_HEAD_BYTES = 1024  # readers look for the mark that far
_EPUB_MARK = b"mimetypeapplication/epub+zip"
_EPUB_MARK_OFFSET = 30
_MBOX_LINE = re.compile(rb"From \S+ .*\d\d:\d\d.*\d{4}[^\n]*\n")
_HEADER_LINE = re.compile(rb"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+", re.ASCII)
_MAIL_HEADERS = re.compile(
    rb"^(?:from|received|return-path|message-id|delivered-to):", re.IGNORECASE | re.MULTILINE
)
_MAILDIR_FOLDERS = ("cur", "new")


def form_of(head: bytes, name: str) -> str | None:
    r"""One of `FORMS`, or None for text as it stands and for all that holds none.

    Args:
        head: the first bytes of the file.
        name: its path within the source, with slashes.

    >>> form_of(b"%PDF-1.7\n", "a"), form_of(b"<HTML><p>", "a"), form_of(b"# Notes\n", "notes.md")
    ('pdf', 'html', None)
    """
    if b"%PDF-" in head[:_PDF_HEAD_BYTES]:
        return PDF
    if head.startswith(b"PK\3\4") and head.startswith(_EPUB_MARK, _EPUB_MARK_OFFSET):
        return EPUB
    path = PurePosixPath(name)
    begin = head[:_PDF_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if path.suffix.lower() in _HTML_SUFFIXES or begin.startswith(_HTML_HEADS):
        return HTML
    if _MBOX_LINE.match(head):
        return MBOX
    if path.suffix.lower() == ".eml" or path.parent.name in _MAILDIR_FOLDERS:
        headers = _HEADER_LINE.match(head.replace(b"\r\n", b"\n"))
        if headers and _MAIL_HEADERS.search(headers[0]):
            return MAIL
    return None
