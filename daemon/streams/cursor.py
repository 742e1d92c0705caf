"""Where a stream stands: all it needs to continue exactly, O(lanes × sources) whatever the size of the data.

Only following a source costs more: a mark for each of its documents.

Everything in a cursor is immutable, so taking one at every step is copying three tuples of references.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.errors import StreamError
from daemon.streams.encodings import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1


class Extent(NamedTuple):
    """A run of bytes of one document that a lane reads from `offset` on; holds no held-out byte."""

    document: str
    offset: int
    end: int
    number: int  # the pass it belongs to, from 1


class Tail(NamedTuple):
    """Where a lane's last full row ended; the next row is no jump if it begins here."""

    source: int
    document: str
    offset: int


class LaneState(NamedTuple):
    """What a lane reads: place (-1 before the first), bytes of its stretch so far, end of its last row.

    A place is where a lane may hold an extent: a source, or a segment of one; the last is pushed experience.
    """

    place: int = -1
    stretch: int = 0
    tail: Tail | None = None


class SegmentState(NamedTuple):
    """The dispatch head of a segment of a source: the next byte to hand out, and where the segment ends.

    `document` None: all is handed out; `end_document` None: it ends with the source.
    """

    document: str | None = None
    offset: int = 0
    end_document: str | None = None
    end_offset: int = 0


class DocumentMark(NamedTuple):
    """How far a document of a followed source is handed out, or will be before any other.

    Attributes:
        document: its name.
        num_bytes: of its text.
        file_bytes: of the file as it was then.
        mtime_ns: modification time of the file then.
        tail: hash over the last bytes of the file then; a file that still holds them there was appended to.
        verdict: how its text is read, whatever is appended; None in older checkpoints.
    """

    document: str
    num_bytes: int
    file_bytes: int
    mtime_ns: int
    tail: str
    verdict: Verdict | None = None


class SourceState(NamedTuple):
    """The dispatch head of a source.

    Attributes:
        name: of the source.
        fingerprint: of the file list it stands in.
        document: the document the head is in (of segments, the one that moved last); None at the beginning of
            a pass.
        offset: next byte of it to hand out.
        number: the pass being handed out, from 1.
        finished: passes read to their end by every lane.
        extent_bytes: longest run handed to a lane.
        asleep_until: rows of the stream after which an empty source is listed again.
        segments: heads of its segments; () for a source that is read in one piece.
        marks: of every document met so far, for a source that is followed; grows with their number.
    """

    name: str
    fingerprint: str
    document: str | None = None
    offset: int = 0
    number: int = 1
    finished: int = 0
    extent_bytes: int = 65536
    asleep_until: int = 0
    segments: tuple[SegmentState, ...] = ()
    marks: tuple[DocumentMark, ...] = ()

    @property
    def num_places(self) -> int:
        """In how many places a lane may hold an extent of it."""
        return max(1, len(self.segments))


class PushedText(NamedTuple):
    """A text from outside that is not read to its end; `offset` is the next byte to hand to a lane."""

    sequence: int
    origin: str
    text: bytes
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The state of a stream after a batch.

    Attributes:
        rows: rows delivered so far, all lanes.
        pass_rows: rows delivered in the running pass of `samples_per_pass`.
        passes: passes ended by `samples_per_pass`.
        held_out_share: the share the extents were cut for.
        generator: state of the mix's random generator.
        mix: name of the mix.
        mix_state: its JSON-able state.
        sources: heads, in the order of the sources.
        lanes: what each lane reads.
        held: lane-major extents, lanes × (places + 1), the last of each lane being pushed experience.
        sequence: newest pushed text accepted.
        pushed_texts: texts accepted so far.
        pushed_bytes: their bytes.
        pushed: texts not yet read to their end.
    """

    rows: int
    pass_rows: int
    passes: int
    held_out_share: float
    generator: Mapping[str, Any]
    mix: str
    mix_state: Any
    sources: tuple[SourceState, ...]
    lanes: tuple[LaneState, ...]
    held: tuple[Extent | None, ...]
    sequence: int
    pushed_texts: int
    pushed_bytes: int
    pushed: tuple[PushedText, ...]

    @property
    def places(self) -> tuple[int, ...]:
        """The source of each place; pushed experience counts as one behind the last."""
        sources = [i for i, source in enumerate(self.sources) for _ in range(source.num_places)]
        return (*sources, len(self.sources))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text; pushed bytes in base64, free places left out."""
        return {
            "format": FORMAT,
            "rows": self.rows,
            "pass_rows": self.pass_rows,
            "passes": self.passes,
            "held_out_share": self.held_out_share,
            "generator": dict(self.generator),
            "mix": self.mix,
            "mix_state": self.mix_state,
            "sources": [source._asdict() for source in self.sources],
            "lanes": [[lane.place, lane.stretch, lane.tail and list(lane.tail)] for lane in self.lanes],
            "held": [[place, *extent] for place, extent in enumerate(self.held) if extent is not None],
            "sequence": self.sequence,
            "pushed_texts": self.pushed_texts,
            "pushed_bytes": self.pushed_bytes,
            "pushed": [
                {**text._asdict(), "text": base64.b64encode(text.text).decode("ascii")}
                for text in self.pushed
            ],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Cursor:
        """The inverse of `to_json`.

        Raises:
            StreamError: a part is missing, or the form is newer than this program.
        """
        fields = dict(record)
        if fields.pop("format", None) != FORMAT:
            raise StreamError(
                f"The stream's cursor has form {record.get('format')!r}, this program reads form {FORMAT}; "
                "resume with the version that wrote it."
            )
        try:
            sources = tuple(_source(source) for source in fields.pop("sources"))
            lanes = tuple(
                LaneState(place, stretch, tail and Tail(*tail))
                for place, stretch, tail in fields.pop("lanes")
            )
            num_places = sum(source.num_places for source in sources)
            held: list[Extent | None] = [None] * (len(lanes) * (num_places + 1))
            for place, *extent in fields.pop("held"):
                held[place] = Extent(*extent)
            pushed = tuple(
                PushedText(**{**text, "text": base64.b64decode(text["text"])})
                for text in fields.pop("pushed")
            )
            fields["mix_state"] = _frozen(fields["mix_state"])
            return cls(**fields, sources=sources, lanes=lanes, held=tuple(held), pushed=pushed)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise StreamError(
                f"The stream's cursor is incomplete ({error}); resume an older checkpoint."
            ) from error


def _source(record: Mapping[str, Any]) -> SourceState:
    segments = tuple(SegmentState(*segment) for segment in record.get("segments", ()))
    marks = tuple(_mark(*mark) for mark in record.get("marks", ()))
    return SourceState(**{**record, "segments": segments, "marks": marks})


def _mark(*fields: Any) -> DocumentMark:
    mark = DocumentMark(*fields)
    return mark._replace(verdict=mark.verdict and Verdict(*mark.verdict))


def _frozen(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
