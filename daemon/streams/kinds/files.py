"""Files and folders of text: each file is a document, packed and other-encoded ones are decoded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.streams.corpus import Run
from daemon.streams.decoding import CacheUnwritableError, Decoded, DecodedCache
from daemon.streams.encodings import Verdict, cut_character
from daemon.streams.errors import UndecodableError
from daemon.streams.holdout import BLOCK_BYTES, HeldDocument, HeldOutSet, HoldOut
from daemon.streams.kinds import sources
from daemon.streams.listing import SNIFFED_FILES, Document, Listing, list_documents, sniff
from daemon.streams.sources import nothing_to_read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.errors import StreamError
    from daemon.streams.listing import SourceInfo
    from daemon.streams.sources import SourcePath

HELD_OUT_DECODING_BYTES = 64 << 20
WHOLE_DOCUMENT_BYTES = 64 << 10  # a document of at most this size is not cut through


@sources.register("files", builds="daemon.streams.kinds.files:FilesCorpus")
@dataclass(frozen=True, kw_only=True)
class FilesConfig:
    """Plain text in files; the kind of each path in `stream.data`.

    Attributes:
        path: file or folder.
        name: what the source is called, in weights and reports; empty: as its path.
    """

    path: str
    name: str = ""

    @property
    def has_labels(self) -> bool:
        """Plain text has none."""
        return False

    @property
    def converts(self) -> bool:
        """Text is read as it stands."""
        return False

    def check(self, *, may_fill: bool) -> None:
        """Any file may hold text."""


class FilesCorpus:
    """Files of a path; a run continues up to the next held-out block of 4 KiB and ends with a block or the file."""

    whole = False

    def __init__(
        self,
        source: SourcePath,
        *,
        split: HoldOut,
        cache: DecodedCache,
        skip: Callable[[str, str], None],
        grows: bool,
    ) -> None:
        self.listing = Listing([], "")
        self.put_off: set[str] = set()  # until the cache can be written
        self._source = source
        self._split = split
        self._cache = cache
        self._skip = skip
        self._grows = grows
        self._decoded: dict[str, Decoded] = {}
        self._held_out: HeldOutSet | None = None

    def list(self, progressed: Callable[[int], None]) -> Listing:
        """The files as they are now; verdicts of those that did not change are kept."""
        before = self.listing
        self.listing = list_documents(self._source, known=before, progressed=progressed)
        for name in [name for name in self._decoded if not before.same(self.listing, name)]:
            decoded = self._decoded.pop(name)
            if self._grows:  # a growing file would fill the disk
                with suppress(
                    OSError
                ):  # Windows, or a disk that is read-only: the cache's own bound finds it
                    decoded.path.unlink()
        return self.listing

    def info(self) -> SourceInfo:
        """Counts of files."""
        return self.listing.info(self._source)

    def nothing_to_read(self) -> StreamError:
        """An error that lists what was found instead of text."""
        return nothing_to_read(self._source, self.info().skipped)

    def size(self, document: Document) -> int:
        """Bytes of a file's text in UTF-8; decodes it when it must."""
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
                self._skip(document.name, f"skipped: {error}")
                return 0
            except CacheUnwritableError:
                if document.name not in self.put_off:
                    self.put_off.add(document.name)
                    self._skip(
                        document.name, f"put off: {self._cache.degraded}; it is read once that can be written"
                    )
                return 0
            except OSError as error:
                document.verdict = Verdict(skip="unreadable")
                self._skip(document.name, f"skipped: {error.strerror or error}")
                return 0
            self._decoded[document.name] = decoded
            self.put_off.discard(document.name)
            if decoded.cut:
                self._skip(document.name, f"only its first {decoded.size} bytes of text are read")
        return decoded.size

    def settled(self, document: Document, begin: int, tail: bytes) -> int:  # noqa: ARG002 (any place will do)
        """All but a character of which only the beginning is there."""
        size = self.size(document)
        return size - cut_character(tail) if sniff(document).plain else size

    def run(self, name: str, offset: int, limit: int, longest: int) -> Run | None:
        """From the first byte that is not held out; at most `longest` bytes, block by block."""
        begin, end = self._split.run(name, offset, limit, longest)
        return Run(name, begin, end, begin, end) if begin < limit else None

    def bound(self, document: Document, offset: int) -> int:
        """The end of a block; the beginning of a small file."""
        return 0 if document.size <= WHOLE_DOCUMENT_BYTES else offset // BLOCK_BYTES * BLOCK_BYTES

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Text of a file, from the file itself or its decoded form."""
        document = self.listing.find(name)
        if document is None or not self.size(document):
            return b""
        verdict = sniff(document)
        if verdict.plain:
            return _read(document.path, verdict.begin + offset, length)
        decoded = self._decoded[name].path
        self._cache.note_read(decoded)
        data = _read(decoded, offset, length)
        if not data:  # the cache may have been emptied: decode again
            del self._decoded[name]
            if self.size(document):
                data = _read(self._decoded[name].path, offset, length)
        return data

    def locate(self, name: str, offset: int) -> tuple[str, int]:
        """A run is named as its file."""
        return name, offset

    def holds_out(self, name: str, offset: int) -> bool:
        """Whether the block at `offset` is held out."""
        return self._split.holds(name, offset // BLOCK_BYTES)

    def held_out(self) -> HeldOutSet:
        """The held-out blocks.

        Counting blocks needs the text's length, so packed and other-encoded documents are decoded for it, but
        only within the first 64 MiB of such files. Blocks of the rest are not in the set, and never learned.
        """
        fingerprint = self.listing.fingerprint
        if self._held_out is None or self._held_out.fingerprint != fingerprint:
            documents: list[HeldDocument] = []
            decoding_bytes = 0
            for document in self.listing.documents[:SNIFFED_FILES]:
                verdict = sniff(document)
                decoding_bytes += 0 if verdict.plain else document.size
                if verdict.plain or decoding_bytes <= HELD_OUT_DECODING_BYTES:
                    documents.append(HeldDocument(document.name, self.size(document)))
            self._held_out = HeldOutSet(self._split, documents, self.read, fingerprint=fingerprint)
        return self._held_out

    def prepare(self, document: Document) -> None:
        """Begin to decode a file that must be decoded."""
        verdict = sniff(document)
        if verdict.skip is None and not verdict.plain and document.name not in self._decoded:
            self._cache.prepare(document.path, document.size, document.mtime_ns, verdict)

    @property
    def due(self) -> bool:
        """Whether the cache may be written, as far as is known."""
        return self._cache.due

    def forget(self, name: str) -> None:
        """Nothing to forget: all that is known of a file is in the listing."""


def _read(path: Path, offset: int, length: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(length) or b""
    except OSError:
        return b""
