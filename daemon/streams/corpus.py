"""What a source holds, whatever its kind: documents, and the runs of them that lanes are handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.errors import StreamError
    from daemon.streams.holdout import HeldOutSet
    from daemon.streams.listing import Document, Listing, SourceInfo

LOST = "it shrank or vanished while it was read; its lane moved on"


class Run(NamedTuple):
    """Bytes that one lane reads in a row; none of them is held out.

    Attributes:
        document: what the bytes are read from; the listed document, or a part of it with a name of its own.
        begin: first byte.
        end: behind the last.
        start: where in the listed document the run stands.
        behind: where in the listed document the next one may be.
    """

    document: str
    begin: int
    end: int
    start: int
    behind: int


class Corpus(Protocol):
    """The documents of a source, each of bytes from 0 to its size; a kind of source is a class of these.

    What is read depends on the files and the settings alone: asked again in another process it is the same.
    """

    @property
    def listing(self) -> Listing:
        """The documents as they were listed last, in reading order, with their fingerprint."""

    @property
    def whole(self) -> bool:
        """A run is a text of its own: a lane reads it to its end before it takes up anything else."""

    @property
    def put_off(self) -> set[str]:
        """Documents that cannot be read for now, and are to be asked for again when `due`."""

    def list(self, progressed: Callable[[int], None]) -> Listing:
        """List the documents as they are now, and keep to that.

        `progressed` is called again and again with the number of files found; what it raises passes, and leaves the
        documents as they were listed before.
        """

    def info(self) -> SourceInfo:
        """What the source holds, as far as it has been looked at."""

    def nothing_to_read(self) -> StreamError:
        """The error that lists what the source holds instead of text."""

    def size(self, document: Document) -> int:
        """Readable bytes of a document, 0 of one that is passed over; prepares what it must."""

    def settled(self, document: Document, begin: int, tail: bytes) -> int:
        """Where the text ends that stays as it is when more is appended; `begin` is a place that was settled.

        `tail` holds the last bytes of the file.
        """

    def run(self, name: str, offset: int, limit: int, longest: int) -> Run | None:
        """The first run of a document at or behind `offset`; None if none begins below `limit`.

        It has at most `longest` bytes, or the end of a block more; a whole one has what it has.
        """

    def bound(self, document: Document, offset: int) -> int:
        """A place near `offset` at which a document may be cut in two."""

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Bytes of what a run names, fewer where it has shrunk, none where it is gone."""

    def locate(self, name: str, offset: int) -> tuple[str, int]:
        """The listed document that a run's name belongs to, and the place in it."""

    def holds_out(self, name: str, offset: int) -> bool:
        """Whether what stands at a place of a listed document is never learned from."""

    def held_out(self) -> HeldOutSet:
        """What is held out, as listed now; the same for the same documents."""

    def prepare(self, document: Document) -> None:
        """A document will be asked for soon."""

    @property
    def due(self) -> bool:
        """Whether what was put off may be asked for again."""

    def forget(self, name: str) -> None:
        """A document is another text now: what is known of the old one is void."""
