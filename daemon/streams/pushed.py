"""Pushed experience: texts from outside, each read once, kept in memory and in the cursor until it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.errors import StreamError
from daemon.streams.cursor import Cursor, Extent, LaneState, PushedText
from daemon.streams.listing import SourceInfo
from daemon.streams.sources import PUSHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Edit = Callable[[int, bytes], bytes | None]
    """What a text of this number is from now on: as long as before, or nothing."""

MAX_PENDING_BYTES = 16 << 20
EXTENT_BYTES = 64 << 10


class PushedQueue:
    """Texts in the order they came; lanes take them by runs of 64 KiB, so a long one is read by several."""

    def __init__(self) -> None:
        self.texts: tuple[PushedText, ...] = ()
        self.sequence = 0
        self.num_texts = 0
        self.num_bytes = 0

    def load(self, texts: Iterable[PushedText], *, sequence: int, num_texts: int, num_bytes: int) -> None:
        """Take over what a cursor holds."""
        self.texts = tuple(texts)
        self.sequence, self.num_texts, self.num_bytes = sequence, num_texts, num_bytes

    def require_room(self, num_bytes: int, *, origin: str) -> None:
        """Refuse a text that is too much, before it is acknowledged.

        Raises:
            StreamError: more than 16 MiB would be waiting.
        """
        waiting = sum(len(pending.text) for pending in self.texts)
        if waiting + num_bytes > MAX_PENDING_BYTES:
            raise StreamError(
                f"{num_bytes} bytes from {origin} are too much: {waiting} bytes wait to be read and at most "
                f"{MAX_PENDING_BYTES >> 20} MiB may; continue when some of it is read, or give a large text with --data"
            )

    def push(self, text: bytes, *, sequence: int, origin: str) -> bool:
        """Append a text; False when it is empty.

        It is numbered as its journal entry, or on from the newest: entries of a life before a crash may come behind
        later ones, and those of a fork begin at 1 again.
        """
        self.sequence = max(sequence, self.sequence + 1)
        if not text:
            return False
        self.texts = (*self.texts, PushedText(self.sequence, origin, text))
        self.num_texts += 1
        self.num_bytes += len(text)
        return True

    @property
    def waiting(self) -> bool:
        """Something is not handed to a lane yet."""
        return any(text.offset < len(text.text) for text in self.texts)

    def dispatch(self) -> Extent | None:
        """The next run for a lane; None when all is handed out."""
        for place, text in enumerate(self.texts):
            if text.offset < len(text.text):
                end = min(len(text.text), text.offset + EXTENT_BYTES)
                moved = text._replace(offset=end)
                self.texts = (*self.texts[:place], moved, *self.texts[place + 1 :])
                return Extent(document_name(text), text.offset, end, 1)
        return None

    def read(self, document: str, offset: int, length: int) -> bytes:
        """Bytes of a pending text."""
        for text in self.texts:
            if document_name(text) == document:
                return text.text[offset : offset + length]
        return b""

    def release(self, held: Iterable[Extent | None]) -> None:
        """Let go of texts that are handed out and that no lane holds any more."""
        needed = {extent.document for extent in held if extent is not None}
        self.texts = tuple(
            text for text in self.texts if text.offset < len(text.text) or document_name(text) in needed
        )

    @property
    def info(self) -> SourceInfo:
        """Texts accepted so far."""
        return SourceInfo(
            name=PUSHED,
            path="",
            num_documents=self.num_texts,
            num_bytes=self.num_bytes,
            num_skipped=0,
            skipped={},
        )


def edited(texts: Iterable[PushedText], edit: Edit) -> tuple[tuple[PushedText, ...], set[str]]:
    """Texts after an edit that keeps each as long as it was, or drops it; and the documents that were dropped."""
    kept: list[PushedText] = []
    gone: set[str] = set()
    for text in texts:
        content = edit(text.sequence, text.text)
        if content is None:
            gone.add(document_name(text))
        else:
            kept.append(text._replace(text=content))
    return tuple(kept), gone


def cursor_edited(cursor: Cursor, edit: Edit) -> Cursor:
    """A cursor whose pushed texts were edited; no lane reads on in one that was dropped."""
    texts, gone = edited(cursor.pushed, edit)
    pushed, width = len(cursor.sources), len(cursor.places)

    def stays(lane: LaneState) -> bool:
        return lane.tail is None or lane.tail.source != pushed or lane.tail.document not in gone

    return replace(
        cursor,
        pushed=texts,
        held=tuple(
            None if extent is not None and index % width == width - 1 and extent.document in gone else extent
            for index, extent in enumerate(cursor.held)
        ),
        lanes=tuple(lane if stays(lane) else lane._replace(tail=None) for lane in cursor.lanes),
    )


def document_name(text: PushedText) -> str:
    """Name of a pushed text as a document."""
    return f"{PUSHED}/{text.sequence}"
