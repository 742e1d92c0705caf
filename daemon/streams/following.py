"""A source that is followed: read once, then what is appended to it, new in it or written anew.

1. The document in hand is handed out to the end it had when it was met.
2. Then comes the next one, in reading order and round again, that is not what its mark says.
3. With none left the files are looked at again: their sizes and times, once a second at most.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from daemon.events import SourceChanged
from daemon.streams.cursor import DocumentMark, Extent, SourceState
from daemon.streams.reader import SourceReader
from daemon.streams.sources import list_documents, sniff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from daemon.streams.sources import Document, Listing

LOOK_EVERY_SECONDS = 1.0
LOOK_SHARE = 0.01  # of the time: a folder of many thousand files is looked at less often
TAIL_BYTES = 1024


class FollowingReader(SourceReader):
    """Reads every document once and waits for more; a pass is what was there until nothing was left.

    A file that still ends where it ended with the bytes it ended with was appended to, and goes on there, read as
    it was begun; any other change makes it a new text. What changes before those last bytes, at the same length, is
    not seen.
    """

    def __init__(self, *args: Any, monotonic: Callable[[], float] = time.monotonic, **settings: Any) -> None:
        self._marks: dict[str, DocumentMark] = {}
        super().__init__(*args, **settings)
        self._monotonic = monotonic
        self._look_at = monotonic() + LOOK_EVERY_SECONDS
        self._next: Extent | None = None
        self._sought = False  # `_next` is what comes next; None: nothing does

    def require_documents(self) -> None:
        """Refuse what holds nothing but other things than text; what is empty may fill.

        Raises:
            StreamError: says what was found instead.
        """
        if self.info.skipped.keys() - {"empty"}:
            super().require_documents()

    def resume(self, state: SourceState) -> None:
        """Go on where `state` stands; of one that was read again and again, what has been read is done with."""
        if state.marks:
            known = state.fingerprint == self._listing.fingerprint
            self._marks = {mark.document: mark for mark in state.marks}
            self._keep_verdicts()
            extent_bytes = state.extent_bytes if known else self._extent_bytes()
            self.state = state._replace(fingerprint=self._listing.fingerprint, extent_bytes=extent_bytes)
        else:
            super().resume(state)
            self._take_for_read()
        self._sought = False

    def dispatch(self, rows: int, segment: int = 0) -> Extent | None:  # noqa: ARG002 (it is in one piece)
        """The next extent; None when nothing is there."""
        if not self.ready():
            return None
        extent = self._next
        assert extent is not None
        self.state = self.state._replace(document=extent.document, offset=extent.end)
        self._prepare_behind(extent.document)
        self._next, self._sought = self._find(), True
        if self._next is None:
            self.state = self.state._replace(number=self.state.number + 1)
        return extent

    def ready(self) -> tuple[int, ...]:
        """(0,) while there is something to hand out; else the files are looked at again, if it is time."""
        if not self._sought or (self._next is None and self._look()):
            self._next, self._sought = self._find(), True
        return () if self._next is None else (0,)

    def read(self, name: str, offset: int, length: int) -> bytes:
        """As ever, but nothing of a file that is another text since it was met: that is read from its beginning."""
        mark = self._marks.get(name)
        if mark is None or not mark.num_bytes:
            return super().read(name, offset, length)
        document = self._listing.find(name)
        if document is not None and _written_anew(document.path, mark):
            self._tell_anew(name)
            self._marks[name] = DocumentMark(name, 0, 0, 0, "")
            self.state = self.state._replace(marks=tuple(self._marks.values()))
            self._take(list_documents(self.source, known=self._listing))
            self._sought = False
            return b""
        return super().read(name, offset, length)

    def lose(self, document: str) -> None:
        """The rest of the document is not there; as it is found at the next look it will be read."""
        mark = self._marks.get(document)
        if mark is not None and not mark.num_bytes:
            return  # it was written anew, and that is told
        super().lose(document)
        self.on_void(document)
        if mark is not None and document == self.state.document:
            self.state = self.state._replace(offset=mark.num_bytes)
            self._sought = False

    def _find(self) -> Extent | None:
        """What comes next, with the head moved there; every document passed on the way is marked."""
        if (extent := self._rest()) is not None:
            return extent
        documents, head = self._listing.documents, self.state.document
        place, found = (0, False) if head is None else self._listing.place_of(head)
        for step in range(len(documents)):
            document = documents[(place + found + step) % len(documents)]
            if (begin := self._meet(document)) is None:
                continue
            self.state = self.state._replace(document=document.name, offset=begin)
            if (extent := self._rest()) is not None:
                break
        self.state = self.state._replace(marks=tuple(self._marks.values()))
        return extent

    def _rest(self) -> Extent | None:
        """The next extent of the document in hand."""
        document, offset = self.state.document, self.state.offset
        if document is None or document not in self._marks:
            return None
        size = self._marks[document].num_bytes
        begin, end = self._split.run(document, offset, size, self.state.extent_bytes)
        return Extent(document, begin, end, self.state.number) if begin < size else None

    def _meet(self, document: Document) -> int | None:
        """Mark a document as it is now; where its unread text begins, None without any."""
        before = self._marks.get(document.name)
        if before is not None and (before.file_bytes, before.mtime_ns) == (document.size, document.mtime_ns):
            return None
        begin = 0 if before is None or not before.num_bytes else self._goes_on_at(document, before)
        if before is not None and not begin:
            document.verdict = None  # another text, perhaps of another kind
            sniff(document, detecting=True)
        verdict = sniff(document)
        num_bytes = max(begin, self._size(document))
        self._marks[document.name] = DocumentMark(
            document.name,
            num_bytes,
            document.size,
            document.mtime_ns,
            tail_of(document.path, document.size) if num_bytes else "",
            None if verdict.skip else verdict,
        )
        return begin if begin < num_bytes else None

    def _goes_on_at(self, document: Document, before: DocumentMark) -> int:
        """Where the text goes on behind what was read: its beginning, if it is not the same text any more."""
        if _still_holds(document.path, document.size, before):
            return before.num_bytes
        self._tell_anew(document.name)
        return 0

    def _tell_anew(self, name: str) -> None:
        what = f"{name} was written anew; it is read from its beginning"
        self._emit(SourceChanged(source=self.source.name, what=what))
        self.on_void(name)

    def _look(self) -> bool:
        """List the files again, if it is time; whether anything changed."""
        began = self._monotonic()
        if began < self._look_at:
            return False
        listing = list_documents(self.source, known=self._listing)
        changed = listing.fingerprint != self._listing.fingerprint
        if changed:
            self._take(listing)
        ended = self._monotonic()
        self._look_at = ended + max(LOOK_EVERY_SECONDS, (ended - began) / LOOK_SHARE)
        return changed

    def _take(self, listing: Listing) -> None:
        before, self._listing = self._listing, listing
        for name in [name for name in self._decoded if not before.same(listing, name)]:
            self._decoded.pop(name).path.unlink(missing_ok=True)  # a growing file would fill the disk
        self._keep_verdicts()
        self.state = self.state._replace(fingerprint=listing.fingerprint, extent_bytes=self._extent_bytes())

    def _keep_verdicts(self) -> None:
        """A text goes on as it was begun: one bad byte behind 20,000 good lines makes it no other kind of file."""
        for mark in self._marks.values():
            document = self._listing.find(mark.document)
            if document is not None and mark.num_bytes and mark.verdict is not None:
                document.verdict = mark.verdict

    def _take_for_read(self) -> None:
        """Mark what a source read in passes has read: all, or in its first pass what lies before its head."""
        head, number = self.state.document, self.state.number
        documents = self._listing.documents
        if number == 1:
            place, found = (0, False) if head is None else self._listing.place_of(head)
            documents = documents[: place + found]
        for document in documents:
            self._meet(document)
        if number > 1:
            self.state = self.state._replace(document=None, offset=0, number=number + (head is not None))
        self.state = self.state._replace(marks=tuple(self._marks.values()))

    def _unread_bytes(self) -> int:
        marks = self._marks
        return sum(
            max(0, document.size - (marks[document.name].file_bytes if document.name in marks else 0))
            for document in self._listing.documents
        )


def _written_anew(path: Path, mark: DocumentMark) -> bool:
    """Whether a file is another text than the one that was met; one that is gone is none."""
    try:
        status = path.stat()
    except OSError:
        return False
    if (status.st_size, status.st_mtime_ns) == (mark.file_bytes, mark.mtime_ns):
        return False
    return not _still_holds(path, status.st_size, mark)


def _still_holds(path: Path, file_bytes: int, mark: DocumentMark) -> bool:
    """Whether a file, so long now, holds what it ended with when it was met, in its place."""
    return file_bytes >= mark.file_bytes and tail_of(path, mark.file_bytes) == mark.tail


def tail_of(path: Path, file_bytes: int) -> str:
    """Hash over the last KiB before `file_bytes` of a file; of fewer where it has shrunk or cannot be read."""
    begin = max(0, file_bytes - TAIL_BYTES)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            tail = file.read(file_bytes - begin) or b""
    except OSError:
        tail = b""
    return hashlib.blake2b(tail, digest_size=8).hexdigest()
