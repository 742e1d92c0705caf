"""A source that is followed: read once, then what is appended to it, new in it or rewritten.

1. The document in hand is handed out to the end it had when it was met.
2. Then comes the next one, in reading order and round again, that differs from its mark.
3. With none left the files are looked at again: their sizes and times, once a second at most.
"""

from __future__ import annotations

import hashlib
import stat
import time
from typing import TYPE_CHECKING

from daemon.events import SourceChanged
from daemon.interrupting import Interrupted
from daemon.streams.corpus import LOST
from daemon.streams.cursor import DocumentMark, Extent, SourceState
from daemon.streams.event_limits import first_of
from daemon.streams.listing import settle
from daemon.streams.source_reader import EXTENT_BYTES, SourceReader
from daemon.system.paths import is_there, shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from daemon.streams.corpus import Run
    from daemon.streams.encodings import Verdict
    from daemon.streams.listing import Document, Listing

NO_TEXT = {
    "binary": "it is not text",
    "unreadable": "it cannot be read",
    "undecodable": "its encoding cannot be detected, or its packing is damaged",
}
REPORTED_AT_ONCE = 10
LOOK_EVERY_SECONDS = 1.0
LOOK_SHARE = 0.01  # of the time: a folder of many thousand files is looked at less often
TAIL_BYTES = 1024


class FollowingReader(SourceReader):
    """Reads every document once and waits for more; a pass is what was there until nothing was left.

    A file that still ends where it ended with the bytes it ended with was appended to, and continues there, read as
    it was begun; any other change makes it a new text. What changes before those last bytes, at the same length, is
    not seen.
    """

    grows = True

    def __init__(self, *args: Any, monotonic: Callable[[], float] = time.monotonic, **settings: Any) -> None:
        self._marks: dict[str, DocumentMark] = {}
        self._looked = False  # since it was opened
        self._reported: dict[str, str] = {}  # documents of which a part at least is passed over, and why
        self._passed_over: set[str] = set()  # those of them that hold nothing that can be read
        self._skipped = 0  # of them since the last look
        self._gone: dict[str, str] = {}  # documents that were read and are not there, and why
        super().__init__(*args, monotonic=monotonic, **settings)
        self._look_at = monotonic() + LOOK_EVERY_SECONDS
        self._next: Run | None = None
        self._sought = False  # `_next` is what comes next; None: nothing does
        self._replaced: set[str] = set()  # names that lead to another file since they were met

    def require_documents(self) -> None:
        """Refuse what holds nothing but other things than text; what is empty may fill.

        Raises:
            StreamError: lists what was found instead.
        """
        if self.info.skipped.keys() - {"empty"}:
            super().require_documents()

    def resume(self, state: SourceState) -> None:
        """Continue where `state` stands; of one that was read again and again, what has been read is done with."""
        if state.marks:
            known = state.fingerprint == self._listing.fingerprint
            self._marks = {mark.document: mark for mark in state.marks}
            self._keep_verdicts()
            extent_bytes = state.extent_bytes if known else EXTENT_BYTES
            self.state = state._replace(fingerprint=self._listing.fingerprint, extent_bytes=extent_bytes)
        else:
            super().resume(state)
            self._take_for_read()
        self._sought = False

    def dispatch(self, rows: int, segment: int = 0) -> Extent | None:  # noqa: ARG002 (it is in one piece)
        """The next extent; None when nothing is there."""
        if not self.ready():
            return None
        run, document = self._next, self.state.document
        assert run is not None
        assert document is not None
        extent = Extent(run.document, run.begin, run.end, self.state.number)
        self.state = self.state._replace(offset=run.behind)
        self._prepare_behind(document)
        self._next, self._sought = self._find(), True
        if self._next is None:
            self.state = self.state._replace(number=self.state.number + 1)
        return extent

    def ready(self) -> tuple[int, ...]:
        """(0,) while there is something to hand out; else the files are looked at again, if it is time."""
        again = self._next is None and (bool(self.corpus.put_off) and self.corpus.due)
        if not self._sought or again or (self._next is None and self._look()):
            self._next, self._sought = self._find(), True
        return () if self._next is None else (0,)

    def read(self, name: str, offset: int, length: int) -> bytes:
        """As ever, but nothing of a file that is another text since it was met: that is read from its beginning."""
        listed, _ = self.corpus.locate(name, offset)
        mark = self._marks.get(listed)
        if mark is None or not mark.num_bytes:
            return super().read(name, offset, length)
        document = self._listing.find(listed)
        if document is not None and _rewritten(document.path, mark):
            self._report_rewritten(listed)
            self._marks[listed] = DocumentMark(listed, 0, 0, 0, "")
            self.state = self.state._replace(marks=tuple(self._marks.values()))
            before = self._listing
            self.corpus.list(lambda num_files: None)  # noqa: ARG005
            self._take(before)
            self._sought = False
            return b""
        return super().read(name, offset, length)

    def skip(self, document: str, reason: str) -> None:
        """Report it once, however often the document is looked at; of very many at once only their number."""
        if self._reported.get(document) != reason:
            self._reported[document] = reason
            self._skipped += 1
            if self._skipped <= REPORTED_AT_ONCE:
                super().skip(document, reason)

    def lose(self, document: str) -> None:
        """The rest of the document is not there; as it is found at the next look it will be read."""
        document, _ = self.corpus.locate(document, 0)
        mark = self._marks.get(document)
        if mark is not None and not mark.num_bytes:
            return  # it was rewritten, which is reported
        super().lose(document)
        self.on_void(document)
        if mark is not None and document == self.state.document:
            self.state = self.state._replace(offset=mark.num_bytes)
            self._sought = False

    def _find(self) -> Run | None:
        """What comes next, with the head moved there; every document passed on the way is marked."""
        if (run := self._rest()) is not None:
            return run
        documents, head = self._listing.documents, self.state.document
        place, found = (0, False) if head is None else self._listing.place_of(head)
        for step in range(len(documents)):
            document = documents[(place + found + step) % len(documents)]
            if (begin := self._meet(document)) is None:
                continue
            self.state = self.state._replace(document=document.name, offset=begin)
            if (run := self._rest()) is not None:
                break
        self.state = self.state._replace(marks=tuple(self._marks.values()))
        return run

    def _rest(self) -> Run | None:
        """The next run of the document in hand."""
        name = self.state.document
        if name is None or name not in self._marks:
            return None
        size = self._marks[name].num_bytes
        return self.corpus.run(name, self.state.offset, size, self.state.extent_bytes)

    def _meet(self, document: Document) -> int | None:
        """Mark a document as it is now; where its unread text begins, None without any."""
        before = self._marks.get(document.name)
        same = before is not None and (before.file_bytes, before.mtime_ns) == (
            document.size,
            document.mtime_ns,
        )
        if same and document.name not in self._replaced:
            return None
        if document.name in self.corpus.put_off and not self.corpus.due:
            return None
        self._replaced.discard(document.name)
        begin = 0 if before is None or not before.num_bytes else self._goes_on_at(document, before)
        if before is not None and not begin:
            document.verdict = None  # another text, perhaps of another kind
        verdict, num_bytes = settle(document), self.corpus.size(document)
        if document.name in self.corpus.put_off:
            self._passed_over.add(document.name)
            return None  # not marked as read: it is met again
        tail = tail_of(document.path, document.size) if num_bytes else b""
        if num_bytes:  # what is not complete is left until the rest of it is appended
            num_bytes = self.corpus.settled(document, begin, tail)
        self._report_skipped(document, verdict, before)
        num_bytes = max(begin, num_bytes)
        self._marks[document.name] = DocumentMark(
            document.name,
            num_bytes,
            document.size,
            document.mtime_ns,
            hash_of(tail) if num_bytes else "",
            verdict,
        )
        return begin if begin < num_bytes else None

    def _report_skipped(self, document: Document, verdict: Verdict, before: DocumentMark | None) -> None:
        """Report when a document is passed over, and when it is read again; an empty one may yet fill."""
        name = document.name
        skipped_before = None if before is None or before.verdict is None else before.verdict.skip
        if verdict.skip and verdict.skip != "empty":
            if self._looked or (before is not None and skipped_before != verdict.skip):
                self.skip(name, f"skipped: {NO_TEXT[verdict.skip]}; it is looked at again when it changes")
        elif self.corpus.size(document) and (
            name in self._passed_over or skipped_before not in (None, "empty")
        ):
            self._passed_over.discard(name)
            self._reported.pop(name, None)
            self._report_changed(f"{name} holds text that can be read; it is read")
        if name in self._reported and not self.corpus.size(document):
            self._passed_over.add(name)

    def _goes_on_at(self, document: Document, before: DocumentMark) -> int:
        """Where the text continues behind what was read: its beginning, if it is not the same text any more."""
        # Bytes appended to a PDF or a mailbox are no text appended to its text.
        converted = before.verdict is not None and before.verdict.form is not None
        if not converted and _still_holds(document.path, document.size, before):
            return before.num_bytes
        self._report_rewritten(document.name)
        return 0

    def _report_rewritten(self, name: str) -> None:
        self._report_changed(f"{name} was rewritten; it is read from its beginning")
        self.corpus.forget(name)
        self.on_void(name)

    def _report_changed(self, what: str) -> None:
        self._emit(SourceChanged(source=self.source.name, what=what))

    def _look(self) -> bool:
        """List the files again, if it is time; whether anything changed."""
        began = self._monotonic()
        if began < self._look_at:
            return False
        if self._skipped > REPORTED_AT_ONCE:
            self._report_changed(f"{self._skipped - REPORTED_AT_ONCE} more of its files are passed over")
        self._skipped = 0
        before = self._listing
        try:
            self._list()
        except Interrupted:  # nothing was found, for now
            return False
        listing = self._listing
        changed = (listing.fingerprint, listing.identities) != (before.fingerprint, before.identities)
        changed = changed or any(self._why_gone(name) != why for name, why in self._gone.items())
        if changed:
            self._take(before)
        ended = self._monotonic()
        self._look_at = ended + max(LOOK_EVERY_SECONDS, (ended - began) / LOOK_SHARE)
        return changed

    def _take(self, before: Listing) -> None:
        """The documents were listed again."""
        self._looked = True
        self._compare(before)
        self._report_kept_out()
        self._keep_verdicts()
        fingerprint = self._listing.fingerprint
        self.state = self.state._replace(fingerprint=fingerprint, extent_bytes=EXTENT_BYTES)

    def _compare(self, before: Listing) -> None:
        """Find names that lead to other files now; report files that are gone, why, and those that are back."""
        gone, back = [], []
        for name, mark in self._marks.items():
            old, new = before.find(name), self._listing.find(name)
            if old is not None and new is not None and old.identity != new.identity:
                self._replaced.add(name)
            lost = self._reported.get(name) == LOST
            if not mark.num_bytes or name in self._passed_over or lost:
                continue
            if new is None:
                why = self._why_gone(name)
                if old is not None or self._gone.get(name, why) != why:
                    gone.append(f"{name} ({why})" if why else name)
                self._gone[name] = why
            else:
                self._gone.pop(name, None)
                if old is None:
                    back.append(name)
        if gone:
            self._report_changed(f"{first_of(gone)} cannot be read now; what comes when it can is read on")
        if back:
            self._report_changed(f"{first_of(back)} can be read again")

    def _why_gone(self, name: str) -> str:
        """Why a document that was read is not listed; empty where its file is simply not there."""
        listing = self._listing
        if name in listing.private:
            return "it leads into synapsed's own home"
        if why := listing.obstacles.get(name):
            return why
        whole, part = self.source.path, self.source.path / name
        return _why_no_file(whole if name == shown(whole.name) and not is_there(part) else part)

    def _keep_verdicts(self) -> None:
        """A text continues as it was begun: one bad byte behind 20,000 good lines makes it no other kind of file."""
        for mark in self._marks.values():
            document = self._listing.find(mark.document)
            if document is not None and mark.num_bytes and mark.verdict and not mark.verdict.skip:
                document.verdict = mark.verdict

    def _take_for_read(self) -> None:
        """Mark what a source read in passes has read: all, or in its first pass what lies before its head."""
        head, number = self.state.document, self.state.number
        documents = self._listing.documents
        if number == 1:
            place, found = (0, False) if head is None else self._listing.place_of(head)
            documents = documents[: place + found]
        for document in documents:
            self._progressed()
            self._meet(document)
        if number > 1:
            self.state = self.state._replace(document=None, offset=0, number=number + (head is not None))
        self.state = self.state._replace(marks=tuple(self._marks.values()))


def _why_no_file(path: Path) -> str:
    """Why a path is no file that can be read; empty where nothing is there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return "its link leads nowhere" if path.is_symlink() else ""
    except OSError as error:
        return error.strerror or str(error)
    return "it is a folder" if stat.S_ISDIR(status.st_mode) else ""


def _rewritten(path: Path, mark: DocumentMark) -> bool:
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
    return file_bytes >= mark.file_bytes and hash_of(tail_of(path, mark.file_bytes)) == mark.tail


def tail_of(path: Path, file_bytes: int) -> bytes:
    """The last KiB before `file_bytes` of a file; less where it has shrunk or cannot be read."""
    begin = max(0, file_bytes - TAIL_BYTES)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(begin)
            return file.read(file_bytes - begin) or b""
    except OSError:
        return b""


def hash_of(tail: bytes) -> str:
    """What a mark keeps of the end of a file."""
    return hashlib.blake2b(tail, digest_size=8).hexdigest()
