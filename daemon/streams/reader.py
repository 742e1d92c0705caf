"""One source being read: its listing, the head that hands out extents in order, its documents' bytes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from daemon.events import DocumentSkipped, Event, SettingRestored, SourceChanged, SourceOpened
from daemon.interrupting import Interrupted
from daemon.streams.cursor import Extent, SegmentState, SourceState
from daemon.streams.decoding import CacheUnwritableError, Decoded, DecodedCache, UndecodableError
from daemon.streams.encodings import Verdict
from daemon.streams.holdout import BLOCK_BYTES, HeldDocument, HeldOutSet, HoldOut
from daemon.streams.listing_progress import ListingProgress
from daemon.streams.segments import cut
from daemon.streams.sources import (
    SNIFFED_FILES,
    Document,
    Listing,
    SourceInfo,
    SourcePath,
    list_documents,
    nothing_to_read,
    sniff,
)
from daemon.streams.telling import some_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_EXTENT_BYTES = 64 << 10
HELD_OUT_DECODING_BYTES = 64 << 20
DOCUMENTS_AHEAD = 4  # are decoded while those before them are read
ASLEEP_ROWS = 10_000  # an emptied source is listed again after this many rows of the stream


class SourceReader:
    """Walks the documents of a source, pass after pass.

    The head hands a lane an extent: a run of one document up to the next held-out block, at most 64 KiB, less
    for a small source so that all lanes get a share of a pass. Extents end at block ends or the document's.
    A source read in segments has a head in each; the pass ends when all of them have nothing left.
    """

    def __init__(
        self,
        source: SourcePath,
        *,
        split: HoldOut,
        cache: DecodedCache,
        emit: Callable[[Event], None],
        lanes: int,
        num_segments: int = 1,
        progressed: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._split = split
        self._cache = cache
        self._emit = emit
        self._lanes = lanes
        self._num_segments = num_segments
        self._progressed = progressed
        self._monotonic = monotonic
        self._listing = self._list(None)
        self._decoded: dict[str, Decoded] = {}
        self._put_off: set[str] = set()  # until the cache can be written
        self._held_out: HeldOutSet | None = None
        self._stale = False  # the files are to be listed again before the next extent
        self.on_void: Callable[[str], None] = lambda document: None  # noqa: ARG005 (set by the stream)
        self.state = SourceState(
            source.name,
            self._listing.fingerprint,
            extent_bytes=self._extent_bytes(),
            segments=self._segments(),
        )
        info = self.info
        emit(
            SourceOpened(
                source=info.name,
                num_documents=info.num_documents,
                num_bytes=info.num_bytes,
                num_skipped=info.num_skipped,
                skipped=info.skipped,
            )
        )
        self._kept_out: set[str] = set()
        self._tell_kept_out()

    @property
    def info(self) -> SourceInfo:
        """What the source holds, as listed."""
        return self._listing.info(self.source)

    def require_documents(self) -> None:
        """Refuse a source without anything to read.

        Raises:
            StreamError: says what was found instead.
        """
        info = self.info
        if not info.num_documents:
            raise nothing_to_read(self.source, info.skipped)

    def resume(self, state: SourceState) -> None:
        """Go on where `state` stands; files that differ from then are an event."""
        if state.fingerprint != self._listing.fingerprint:
            gone = state.document is not None and self._listing.find(state.document) is None
            where = f"; {state.document}, which was being read, is gone" if gone else ""
            self._emit(
                SourceChanged(source=self.source.name, what=f"its files differ from the checkpoint's{where}")
            )
        if len(state.segments) != len(self.state.segments):
            state = self._cut_otherwise(state)
        self.state = state._replace(fingerprint=self._listing.fingerprint, marks=())
        # At a pass's beginning the files are listed once more, as they were in the run without the break.
        self._stale = state.document is None and state.number > 1

    def dispatch(self, rows: int, segment: int = 0) -> Extent | None:
        """The next extent; None at the end of a pass or segment, or when nothing is there: then it sleeps."""
        if self._stale:
            self._list_again()
        if (extent := self._next_extent(segment)) is not None:
            self._move(segment, extent.document, extent.end)
            self.state = self.state._replace(document=extent.document, offset=extent.end, asleep_until=0)
            self._prepare_behind(extent.document)
            return extent
        if not self.ready():
            self._end_pass(rows)
        return None

    def ready(self) -> tuple[int, ...]:
        """Segments with text to hand out in this pass, (0,) for a source in one piece.

        Heads are moved over what is skipped or held out, so it is passed only once.
        """
        ready: list[int] = []
        for segment in range(self.state.num_places):
            if (extent := self._next_extent(segment)) is not None:
                ready.append(segment)
                self._move(segment, extent.document, extent.offset)
            else:
                self._move(segment, None, 0)
        return tuple(ready)

    def offers(self, rows: int) -> tuple[int, ...]:
        """As `ready`, but begins the next pass when nothing is left; () if that is empty: then it sleeps."""
        while self.state.asleep_until <= rows:
            if self._stale:
                self._list_again()
            if ready := self.ready():
                return ready
            self._end_pass(rows)
        return ()

    def place_of(self, extent: Extent) -> int:
        """The segment that an extent lies in, 0 for a source in one piece."""
        position = self._position(extent.document, extent.offset)
        return sum(self._end(segment) <= position for segment in self.state.segments[:-1])

    def begin_pass(self) -> None:
        """Put the head back to the beginning; the files are listed again when it moves."""
        self.state = self.state._replace(document=None, offset=0, number=self.state.number + 1)
        self._stale = True

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Bytes of a document for a lane, fewer where the file has shrunk, none where it is gone."""
        return self._text(name, offset, length)

    def held_out(self) -> HeldOutSet:
        """The held-out blocks as listed now, the same for the same files.

        Counting blocks needs the text's length, so packed and other-encoded documents are decoded for it, but
        only within the first 64 MiB of such files. Blocks of the rest are not in the set, and never learned.
        """
        fingerprint = self._listing.fingerprint
        if self._held_out is None or self._held_out.fingerprint != fingerprint:
            documents: list[HeldDocument] = []
            decoding_bytes = 0
            for document in self._listing.documents[:SNIFFED_FILES]:
                verdict = sniff(document)
                decoding_bytes += 0 if verdict.plain else document.size
                if verdict.plain or decoding_bytes <= HELD_OUT_DECODING_BYTES:
                    documents.append(HeldDocument(document.name, self._size(document)))
            self._held_out = HeldOutSet(self._split, documents, self._text, fingerprint=fingerprint)
        return self._held_out

    def skip(self, document: str, reason: str) -> None:
        """Tell that a document, or the rest of it, is passed over."""
        self._emit(DocumentSkipped(source=self.source.name, document=document, reason=reason))

    def lose(self, document: str) -> None:
        """What was to be read of a document is not there any more."""
        self.skip(document, "it shrank or vanished while it was read; its lane moved on")

    def _tell_kept_out(self) -> None:
        """Tell once of every name that leads into synapsed's own home, where the token is, or to no files."""
        for names, why in (
            (self._listing.private, "it leads into synapsed's own home and is never learned from"),
            (
                self._listing.special,
                "it is a special file system, in which the system shows itself; passed over",
            ),
        ):
            if new := sorted(set(names) - self._kept_out):
                self._kept_out.update(new)
                self.skip(some_of(new), why)

    def _text(self, name: str, offset: int, length: int) -> bytes:
        document = self._listing.find(name)
        if document is None or not self._size(document):
            return b""
        verdict = sniff(document)
        if verdict.plain:
            return _read(document.path, verdict.begin + offset, length)
        decoded = self._decoded[name].path
        self._cache.note_read(decoded)
        data = _read(decoded, offset, length)
        if not data:  # the cache may have been emptied: decode again
            del self._decoded[name]
            if self._size(document):
                data = _read(self._decoded[name].path, offset, length)
        return data

    def _next_extent(self, segment: int) -> Extent | None:
        """What is handed out next of a segment, or of the whole source; moves nothing."""
        head, documents = self._head(segment), self._listing.documents
        if head.document is None:
            return None
        place, offset = self._position(head.document, head.offset)
        last, last_offset = self._end(head)
        while (place, offset) < (last, last_offset):
            name = documents[place].name
            size = self._size(documents[place])
            limit = min(size, last_offset) if place == last else size
            begin, end = self._split.run(name, offset, limit, self.state.extent_bytes)
            if begin < limit:
                return Extent(name, begin, end, self.state.number)
            place, offset = place + 1, 0
        return None

    def _head(self, segment: int) -> SegmentState:
        if self.state.segments:
            return self.state.segments[segment]
        documents = self._listing.documents
        if self.state.document is None and documents:
            return SegmentState(documents[0].name)
        return SegmentState(self.state.document, self.state.offset)

    def _position(self, document: str, offset: int) -> tuple[int, int]:
        """Place in the listing and offset there; a document that is gone is the beginning of the next one."""
        place, found = self._listing.place_of(document)
        return place, offset if found else 0

    def _end(self, head: SegmentState) -> tuple[int, int]:
        if head.end_document is None:
            return len(self._listing.documents), 0
        return self._position(head.end_document, head.end_offset)

    def _move(self, segment: int, document: str | None, offset: int) -> None:
        """Set the head of a segment, if the source is read in segments."""
        if segments := self.state.segments:
            moved = segments[segment]._replace(document=document, offset=offset)
            self.state = self.state._replace(segments=(*segments[:segment], moved, *segments[segment + 1 :]))

    def _end_pass(self, rows: int) -> None:
        """Nothing is left to hand out: begin the next pass, or sleep when even this one had nothing."""
        if self.state.document is None:
            self.state = self.state._replace(asleep_until=rows + ASLEEP_ROWS)
            self._stale = True
        else:
            self.begin_pass()

    def _segments(self) -> tuple[SegmentState, ...]:
        return cut(self._listing.documents, self._num_segments) if self._num_segments > 1 else ()

    def _cut_otherwise(self, state: SourceState) -> SourceState:
        """Take a state cut otherwise: what lies behind its first unread byte is read in this pass."""
        if state.segments and state.document is not None:
            self._emit(
                SettingRestored(
                    what=f"Source {state.name} was read in {len(state.segments)} segments; it goes on behind "
                    "the first of them that is unfinished and reads some text of this pass again"
                )
            )
            heads = [head for head in state.segments if head.document is not None]
            if heads:
                state = state._replace(document=heads[0].document, offset=heads[0].offset)
            else:
                state = state._replace(document=None, offset=0, number=state.number + 1)
        segments = self._segments()
        if state.document is not None:
            position = self._position(state.document, state.offset)
            segments = tuple(self._from(head, state.document, state.offset, position) for head in segments)
        return state._replace(segments=segments, extent_bytes=self._extent_bytes())

    def _from(
        self, head: SegmentState, document: str, offset: int, position: tuple[int, int]
    ) -> SegmentState:
        """A segment without what lies before a position."""
        if head.document is None or self._end(head) <= position:
            return head._replace(document=None, offset=0)
        if self._position(head.document, head.offset) < position:
            return head._replace(document=document, offset=offset)
        return head

    def _size(self, document: Document) -> int:
        """Readable bytes of a document, 0 for a skipped one; decodes it when it must."""
        verdict = sniff(document)
        if verdict.skip:
            return 0
        if verdict.plain:
            return max(0, document.size - verdict.begin)
        decoded = self._decoded.get(document.name)
        if decoded is None:
            try:
                decoded = self._cache.get(document.path, document.size, document.mtime_ns, verdict)
            except UndecodableError as error:
                document.verdict = Verdict(skip="undecodable")
                self.skip(document.name, f"skipped: {error}")
                return 0
            except CacheUnwritableError:
                if document.name not in self._put_off:
                    self._put_off.add(document.name)
                    self.skip(
                        document.name, f"put off: {self._cache.degraded}; it is read once that can be written"
                    )
                return 0
            except OSError as error:
                document.verdict = Verdict(skip="unreadable")
                self.skip(document.name, f"skipped: {error.strerror or error}")
                return 0
            self._decoded[document.name] = decoded
            self._put_off.discard(document.name)
            if decoded.cut:
                self.skip(document.name, f"only its first {decoded.size} bytes of text are read")
        return decoded.size

    def _prepare_behind(self, name: str) -> None:
        """Have the next few documents decoded by the time they are reached, those that must be."""
        first = self._listing.place_of(name)[0] + 1
        for document in self._listing.documents[first : first + DOCUMENTS_AHEAD]:
            verdict = sniff(document)
            if verdict.skip is None and not verdict.plain and document.name not in self._decoded:
                self._cache.prepare(document.path, document.size, document.mtime_ns, verdict)

    def _list(self, known: Listing | None) -> Listing:
        """The files as they are now.

        Raises:
            Interrupted: the run is to end meanwhile.
        """
        progress = ListingProgress(self.source.name, self._emit, self._progressed, monotonic=self._monotonic)
        return list_documents(self.source, known=known, progressed=progress)

    def _list_again(self) -> None:
        before = self._listing
        try:
            self._listing = self._list(before)
        except Interrupted:  # in the midst of a step: it ends with the files as they were known
            return
        self._stale = False
        self._tell_kept_out()
        self._decoded = {
            name: decoded for name, decoded in self._decoded.items() if before.same(self._listing, name)
        }
        if self._listing.fingerprint != before.fingerprint:
            self._emit(SourceChanged(source=self.source.name, what=before.difference(self._listing)))
        self.state = self.state._replace(
            fingerprint=self._listing.fingerprint,
            extent_bytes=self._extent_bytes(),
            segments=self._segments(),
        )

    def _extent_bytes(self) -> int:
        # Of all files, skipped or not, so that it does not depend on what this process has looked at already.
        share = self._unread_bytes() // (4 * self._lanes * self._num_segments)
        return min(max(share // BLOCK_BYTES, 1) * BLOCK_BYTES, MAX_EXTENT_BYTES)

    def _unread_bytes(self) -> int:
        return self._listing.num_raw_bytes


def _read(path: Path, offset: int, length: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(length) or b""
    except OSError:
        return b""
