"""What kind of document a file is, told from its head: byte order mark, UTF-8, else charset-normalizer."""

from __future__ import annotations

import codecs
import zlib
from typing import NamedTuple

HEAD_BYTES = 64 << 10
GZIP_MAGIC = b"\x1f\x8b"
GZIP_WBITS = 31

_NUL_HEAD_BYTES = 8000  # git's rule for binary files
_MAX_CONTROL_SHARE = 0.01
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b"))
# The longer mark first: UTF-32's little-endian mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Verdict(NamedTuple):
    """How a document is read.

    Attributes:
        skip: why it is not: `binary`, `empty`, `unreadable` or `undecodable`; None when it is.
        encoding: None for UTF-8, "?" when it is still to be detected, else the codec to decode with.
        gzip: whether it is compressed.
        start: bytes of a UTF-8 mark in front, which are no text.
    """

    skip: str | None = None
    encoding: str | None = None
    gzip: bool = False
    start: int = 0

    @property
    def plain(self) -> bool:
        """The file's own bytes are the document's."""
        return self.encoding is None and not self.gzip


def classify(head: bytes) -> Verdict:
    r"""Verdict over the first 64 KiB of a file; cheap, so the encoding of legacy text stays open ("?").

    >>> classify("naïve".encode()).plain, classify("naïve".encode("cp1252")).encoding, classify(b"\0").skip
    (True, '?', 'binary')
    """
    if head.startswith(GZIP_MAGIC):
        return _classify_gzip(head)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return Verdict(encoding=encoding)
    if b"\0" in head[:_NUL_HEAD_BYTES]:
        return Verdict(skip="binary")
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if start == len(head):
        return Verdict(skip="empty")
    try:
        # Not final: the head may end inside a character.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError:
        controls = len(head) - len(head.translate(None, _CONTROLS))
        return Verdict(skip="binary") if controls > _MAX_CONTROL_SHARE * len(head) else Verdict(encoding="?")
    return Verdict(start=start)


def detect(head: bytes, *, gzip: bool = False) -> str | None:
    """The codec of legacy text, from its (perhaps compressed) head; None when it cannot be told."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 50 ms that most runs never need

    best = from_bytes((_gunzipped_head(head) or b"") if gzip else head).best()
    return None if best is None else best.encoding


def _classify_gzip(head: bytes) -> Verdict:
    inner = _gunzipped_head(head)
    if inner is None:
        return Verdict(skip="undecodable")
    if inner.startswith(GZIP_MAGIC):
        return Verdict(skip="binary")
    verdict = classify(inner)
    return verdict if verdict.skip else verdict._replace(gzip=True)


def _gunzipped_head(head: bytes) -> bytes | None:
    """The first 64 KiB behind a gzip header; None when it is damaged."""
    try:
        return zlib.decompressobj(GZIP_WBITS).decompress(head, HEAD_BYTES)
    except zlib.error:
        return None
