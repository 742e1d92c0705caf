"""What kind of document a file is, detected from its head: byte order mark, UTF-8, letters, charset-normalizer."""

from __future__ import annotations

import codecs
import zlib
from typing import NamedTuple

from daemon.streams.latin_code_pages import detect_latin

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
# One codec a family, the one that reads most of it: each finds where the last whole character of a head ends.
_MULTIBYTE = ("cp932", "shift_jis_2004", "euc_jis_2004", "gb18030", "big5hkscs", "cp950", "cp949", "johab")
_JAPANESE = ("cp932", "shift_jis_2004", "euc_jis_2004")
_KANA_CHARACTERS = 4000
PDF_MAGIC = b"%PDF-"  # its first NUL may come late, and what is readable before is no text
_SAMPLES = 16  # of half a KiB; the library's five may all miss where two codecs differ
_MOST_CHAOS = 0.6  # what the library finds unlikely is still compared
_LONGEST_CHARACTER_BYTES = 4


class Verdict(NamedTuple):
    """How a document is read.

    Attributes:
        skip: why it is not: `binary`, `empty`, `unreadable` or `undecodable`; None when it is.
        encoding: None for UTF-8, "?" when it is still to be detected, else the codec to decode with.
        gzip: whether it is compressed.
        start: bytes of a UTF-8 mark in front, which are no text.
        hole: NULs before all of that, left where a file was emptied under its writer.
        form: what its text must be taken out of, one of `documents.forms.FORMS`; None: nothing.
    """

    skip: str | None = None
    encoding: str | None = None
    gzip: bool = False
    start: int = 0
    hole: int = 0
    form: str | None = None

    @property
    def begin(self) -> int:
        """Where in the file the text begins, if it is plain."""
        return self.hole + self.start

    @property
    def plain(self) -> bool:
        """The file's own bytes are the document's."""
        return self.encoding is None and not self.gzip and self.form is None


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
    if b"\0" in head[:_NUL_HEAD_BYTES] or head.startswith(PDF_MAGIC):
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


def has_hole(head: bytes) -> bool:
    """Whether a file begins with NULs that belong to no mark."""
    return head.startswith(b"\0") and not head.startswith(codecs.BOM_UTF32_BE)


def detect(head: bytes, *, gzip: bool = False) -> str | None:
    """The codec of legacy text, from its (perhaps compressed) head; None when it cannot be detected.

    The head may end inside a character: each codec judges it without the bytes that only begin one.
    """
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 50 ms that most runs never need

    if gzip:
        head = _gunzipped_head(head) or b""
    ends, scores = {len(head)}, {}
    for codec in _MULTIBYTE:
        if (end := _whole(head, codec)) is None:
            continue
        ends.add(end)
        if match := from_bytes(head[:end], cp_isolation=[codec], threshold=_MOST_CHAOS).best():
            scores[match.encoding] = 2 * match.coherence + _kana_share(head[:end], codec) - match.chaos
    # A strict codec that gives text of its language has it; only then is the head one of the many that fit any bytes.
    if scores and max(scores.values()) > 0:
        return max(scores, key=lambda encoding: scores[encoding])
    if (latin := detect_latin(head)) is not None:
        return latin
    found = [best for end in sorted(ends) if (best := from_bytes(head[:end], steps=_SAMPLES).best())]
    return min(found, key=lambda match: (match.chaos, -match.coherence)).encoding if found else None


def cut_character(text: bytes | bytearray) -> int:
    """How many bytes at the end of UTF-8 text begin a character that is not complete; 0 to 3.

    >>> [cut_character("naïve€".encode()[:end]) for end in range(3, 10)]
    [1, 0, 0, 0, 1, 2, 0]
    """
    # Where the look begins inside a character plays no part: what is no beginning is replaced.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(bytes(text[-_LONGEST_CHARACTER_BYTES:]))
    return len(decoder.getstate()[0])


def last_bytes(text: str, num_bytes: int) -> bytes:
    """At most the last `num_bytes` of a text's UTF-8, whole characters only.

    >>> last_bytes("a€", 3).decode(), last_bytes("a€", 2)
    ('€', b'')
    """
    data = text.encode()
    return data if len(data) <= num_bytes else data[-num_bytes:].lstrip(bytes(range(0x80, 0xC0)))


def _whole(head: bytes, codec: str) -> int | None:
    """Where the last whole character of a codec ends in a head; None where it cannot read it."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return None
    return len(head) - len(decoder.getstate()[0])


def _kana_share(text: bytes, codec: str) -> float:
    """Share of kana in what is no ASCII; the library takes their mixture with kanji for noise. Japanese codecs only."""
    if codec not in _JAPANESE:
        return 0.0
    characters = [character for character in text.decode(codec)[:_KANA_CHARACTERS] if not character.isascii()]
    return sum("ぁ" <= character <= "ヾ" for character in characters) / max(1, len(characters))


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
