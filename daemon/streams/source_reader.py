"""One source being read: the heads that hand out its corpus in order, pass after pass."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from daemon.events import DocumentSkipped, Event, SettingRestored, SourceChanged, SourceOpened
from daemon.interrupting import Interrupted
from daemon.streams.corpus import LOST
from daemon.streams.cursor import Extent, SegmentState, SourceState
from daemon.streams.event_limits import first_of
from daemon.streams.holdout import BLOCK_BYTES
from daemon.streams.kinds import sources
from daemon.streams.listing_progress import ListingProgress
from daemon.streams.source_segments import cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.streams.corpus import Corpus, Run
    from daemon.streams.decoding import DecodedCache
    from daemon.streams.holdout import HeldOutSet, HoldOut
    from daemon.streams.kinds import MakesCorpus
    from daemon.streams.listing import Listing, SourceInfo
    from daemon.streams.sources import SourcePath

EXTENT_BYTES = (
    BLOCK_BYTES  # so short that lanes stay near each other: the exact memory knows most of the page before
)
DOCUMENTS_AHEAD = 4  # are decoded while those before them are read
ASLEEP_ROWS = 10_000  # an emptied source is listed again after this many rows of the stream


class SourceReader:
    """Walks the documents of a source, pass after pass.

    The head hands a lane an extent: a run of its corpus, a block at most; only what is whole is longer. A source read
    in segments has a head in each; the pass ends when all of them have nothing left.
    """

    grows = False  # documents are read on where they are appended to

    def __init__(
        self,
        source: SourcePath,
        *,
        split: HoldOut,
        cache: DecodedCache,
        emit: Callable[[Event], None],
        num_segments: int = 1,
        progressed: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self._emit = emit
        self._num_segments = num_segments
        self._progressed = progressed
        self._monotonic = monotonic
        corpus_of: MakesCorpus = sources.get(source.kind).load()
        self.corpus: Corpus = corpus_of(source, split=split, cache=cache, skip=self.skip, grows=self.grows)
        self._list()
        self._stale = False  # the files are to be listed again before the next extent
        self.on_void: Callable[[str], None] = lambda document: None  # noqa: ARG005 (set by the stream)
        self.state = SourceState(
            source.name,
            self._listing.fingerprint,
            extent_bytes=EXTENT_BYTES,
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
        self._report_kept_out()

    @property
    def info(self) -> SourceInfo:
        """What the source holds, as listed."""
        return self.corpus.info()

    def require_documents(self) -> None:
        """Refuse a source without anything to read.

        Raises:
            StreamError: lists what was found instead.
        """
        if not self.info.num_documents:
            raise self.corpus.nothing_to_read()

    def resume(self, state: SourceState) -> None:
        """Continue where `state` stands; files that differ from then are an event."""
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
        if (found := self._next_run(segment)) is not None:
            document, run = found
            self._move(segment, document, run.behind)
            self.state = self.state._replace(document=document, offset=run.behind, asleep_until=0)
            self._prepare_behind(document)
            return Extent(run.document, run.begin, run.end, self.state.number)
        if not self.ready():
            self._end_pass(rows)
        return None

    def ready(self) -> tuple[int, ...]:
        """Segments with text to hand out in this pass, (0,) for a source in one piece.

        Heads are moved over what is skipped or held out, so it is passed only once.
        """
        ready: list[int] = []
        for segment in range(self.state.num_places):
            if (found := self._next_run(segment)) is not None:
                document, run = found
                ready.append(segment)
                self._move(segment, document, run.start)
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
        position = self._position(*self.corpus.locate(extent.document, extent.offset))
        return sum(self._end(segment) <= position for segment in self.state.segments[:-1])

    def begin_pass(self) -> None:
        """Put the head back to the beginning; the files are listed again when it moves."""
        self.state = self.state._replace(document=None, offset=0, number=self.state.number + 1)
        self._stale = True

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Bytes of a document for a lane, fewer where the file has shrunk, none where it is gone."""
        return self.corpus.read(name, offset, length)

    def held_out(self) -> HeldOutSet:
        """What is held out, as listed now; the same for the same files."""
        return self.corpus.held_out()

    def skip(self, document: str, reason: str) -> None:
        """Report that a document, or the rest of it, is passed over."""
        self._emit(DocumentSkipped(source=self.source.name, document=document, reason=reason))

    def lose(self, document: str) -> None:
        """What was to be read of a document is not there any more."""
        self.skip(document, LOST)

    def _report_kept_out(self) -> None:
        """Report once every name that leads into synapsed's own home, where the token is, or to no files."""
        for names, why in (
            (self._listing.private, "it leads into synapsed's own home and is never learned from"),
            (
                self._listing.special,
                "it is a special file system, in which the system shows itself; passed over",
            ),
        ):
            if new := sorted(set(names) - self._kept_out):
                self._kept_out.update(new)
                self.skip(first_of(new), why)

    def _next_run(self, segment: int) -> tuple[str, Run] | None:
        """What is handed out next of a segment, or of the whole source, and the document; moves nothing."""
        head, documents = self._head(segment), self._listing.documents
        if head.document is None:
            return None
        place, offset = self._position(head.document, head.offset)
        last, last_offset = self._end(head)
        while (place, offset) < (last, last_offset):
            document = documents[place]
            size = self.corpus.size(document)
            limit = min(size, last_offset) if place == last else size
            if (run := self.corpus.run(document.name, offset, limit, self.state.extent_bytes)) is not None:
                return document.name, run
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
        return cut(self.corpus, self._num_segments) if self._num_segments > 1 else ()

    def _cut_otherwise(self, state: SourceState) -> SourceState:
        """Take a state cut otherwise: what lies behind its first unread byte is read in this pass."""
        if state.segments and state.document is not None:
            self._emit(
                SettingRestored(
                    what=f"Source {state.name} was read in {len(state.segments)} segments; it continues behind "
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
        return state._replace(segments=segments, extent_bytes=EXTENT_BYTES)

    def _from(
        self, head: SegmentState, document: str, offset: int, position: tuple[int, int]
    ) -> SegmentState:
        """A segment without what lies before a position."""
        if head.document is None or self._end(head) <= position:
            return head._replace(document=None, offset=0)
        if self._position(head.document, head.offset) < position:
            return head._replace(document=document, offset=offset)
        return head

    def _prepare_behind(self, name: str) -> None:
        """Have the next few documents prepared by the time they are reached."""
        first = self._listing.place_of(name)[0] + 1
        for document in self._listing.documents[first : first + DOCUMENTS_AHEAD]:
            self.corpus.prepare(document)

    @property
    def _listing(self) -> Listing:
        return self.corpus.listing

    def _list(self) -> None:
        """List the documents as they are now.

        Raises:
            Interrupted: the run is to end meanwhile.
        """
        progress = ListingProgress(self.source.name, self._emit, self._progressed, monotonic=self._monotonic)
        self.corpus.list(progress)

    def _list_again(self) -> None:
        before = self._listing
        try:
            self._list()
        except Interrupted:  # in the middle of a step: it ends with the files as they were known
            return
        self._stale = False
        self._report_kept_out()
        if self._listing.fingerprint != before.fingerprint:
            self._emit(SourceChanged(source=self.source.name, what=before.difference(self._listing)))
        self.state = self.state._replace(
            fingerprint=self._listing.fingerprint,
            extent_bytes=EXTENT_BYTES,
            segments=self._segments(),
        )
