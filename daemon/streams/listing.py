"""The files of a source in reading order, listed and sniffed without reading them.

1. `list_documents` walks one source in sorted order and looks at heads.
2. `Listing` is the result: documents by name and place, a fingerprint, what was skipped and why.
"""

from __future__ import annotations

import bisect
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from daemon.streams.documents.forms import form_of
from daemon.streams.encodings import HEAD_BYTES, Verdict, classify, detect, has_hole
from daemon.streams.leading_nuls import hole_end
from daemon.streams.walking import Walk
from daemon.system.paths import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.streams.sources import SourcePath

SNIFFED_FILES = 20_000  # of a larger folder only these are looked at before they are read
DETECTED_FILES = 64  # encodings guessed at opening, some milliseconds each; the rest when first read


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What a source holds, for reports.

    Attributes:
        name: short and unique.
        path: where it lies; empty for pushed experience.
        num_documents: readable ones.
        num_bytes: their bytes on disk.
        num_skipped: files left out.
        skipped: reason (`binary`, `empty`, `unreadable`, `undecodable`) → files.
    """

    name: str
    path: str
    num_documents: int
    num_bytes: int
    num_skipped: int
    skipped: dict[str, int]


@dataclass
class Document:
    """One file of a source; `name` is its path within it, with slashes."""

    name: str
    path: Path
    size: int
    mtime_ns: int
    verdict: Verdict | None = None  # None: not looked at yet
    identity: tuple[int, int] = (0, 0)  # device and inode: a link that leads elsewhere has another
    converted: bool = False  # its text is taken out of PDF, HTML …


@dataclass
class Listing:
    """The files of a source in reading order, skipped ones included."""

    documents: list[Document]
    fingerprint: str
    obstacles: dict[str, str] = field(default_factory=dict)  # name → why it is no file that can be read
    private: list[str] = field(default_factory=list)  # what leads into synapsed's own home
    special: list[str] = field(default_factory=list)  # folders in which the system shows itself
    _keys: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def unreadable(self) -> int:
        """Broken links, devices, folders without permission."""
        return len(self.obstacles)

    @property
    def identities(self) -> list[tuple[int, int]]:
        """Which files the names lead to."""
        return [document.identity for document in self.documents]

    @cached_property
    def by_name(self) -> dict[str, int]:
        """Place of each document."""
        return {document.name: place for place, document in enumerate(self.documents)}

    def find(self, name: str) -> Document | None:
        """The document of that name."""
        place = self.by_name.get(name)
        return None if place is None else self.documents[place]

    def place_of(self, name: str) -> tuple[int, bool]:
        """Place of a document, or of the first behind where it would stand; and whether it is there."""
        if name in self.by_name:
            return self.by_name[name], True
        if len(self._keys) != len(self.documents):
            self._keys = [sort_key(document.name) for document in self.documents]
        return bisect.bisect_left(self._keys, sort_key(name)), False

    def info(self, source: SourcePath) -> SourceInfo:
        """Counts as far as heads have been looked at."""
        skipped: Counter[str] = Counter()
        num_documents = num_bytes = 0
        for document in self.documents:
            if document.verdict is not None and document.verdict.skip:
                skipped[document.verdict.skip] += 1
            else:
                num_documents += 1
                num_bytes += document.size
        if self.unreadable:
            skipped["unreadable"] += self.unreadable
        return SourceInfo(
            name=source.name,
            path=shown(source.path),
            num_documents=num_documents,
            num_bytes=num_bytes,
            num_skipped=skipped.total(),
            skipped=dict(sorted(skipped.items())),
        )

    def same(self, newer: Listing, name: str) -> bool:
        """Whether a document is in both listings, unchanged."""
        before, after = self.find(name), newer.find(name)
        if before is None or after is None:
            return False
        return (before.size, before.mtime_ns) == (after.size, after.mtime_ns)

    def difference(self, newer: Listing) -> str:
        """What changed, in words: `2 new, 1 changed, 1 gone`."""
        new = sum(name not in self.by_name for name in newer.by_name)
        gone = sum(name not in newer.by_name for name in self.by_name)
        changed = sum(name in self.by_name and not self.same(newer, name) for name in newer.by_name)
        counts = {"new": new, "changed": changed, "gone": gone}
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def sort_key(name: str) -> tuple[str, ...]:
    """Reading order: folder by folder, as a tree is read.

    >>> sorted(["b", "a-b/c", "a/z"], key=sort_key)
    ['a/z', 'a-b/c', 'b']
    """
    return tuple(name.split("/"))


def list_documents(
    source: SourcePath, *, known: Listing | None = None, progressed: Callable[[int], None] = lambda _: None
) -> Listing:
    """The files of a source as they are now; verdicts of files that did not change are taken from `known`.

    `progressed` is called again and again with the number of files found so far; what it raises ends the listing.
    """
    digest = hashlib.blake2b(digest_size=16)
    documents: list[Document] = []
    obstacles: dict[str, str] = {}
    walk = Walk(source, progressed)
    files = sorted(walk.files(), key=lambda found: sort_key(found[1]))
    for path, name in files:
        progressed(len(files))
        status = "its folder cannot be entered" if path is None else walk.look(path)
        if path is None or isinstance(status, str):
            obstacles[name] = str(status)
            continue
        if walk.is_private(status):
            walk.private.append(name)
            continue
        identity = status.st_dev, status.st_ino
        document = Document(
            name, path, status.st_size, status.st_mtime_ns, identity=identity, converted=source.converts
        )
        before = known.find(name) if known is not None else None
        if before is not None and (before.size, before.mtime_ns) == (document.size, document.mtime_ns):
            document.verdict = before.verdict
        documents.append(document)
        digest.update(f"{name}\0{document.size}\0{document.mtime_ns}\n".encode("utf-8", "surrogateescape"))
    listing = Listing(documents, digest.hexdigest(), obstacles, walk.private, walk.special)
    _sniff(documents, progressed)
    return listing


def settle(document: Document) -> Verdict:
    """As `sniff`, but an encoding that was left open is detected now, once."""
    verdict = sniff(document, detecting=True)
    if verdict.encoding == "?":
        document.verdict = None
        verdict = sniff(document, detecting=True)
    return verdict


def sniff(document: Document, *, detecting: bool = False) -> Verdict:
    """Look at a document's head, once; `detecting` also finds legacy text that cannot be decoded."""
    if document.verdict is None:
        try:
            with document.path.open("rb") as file:
                head, hole = file.read(HEAD_BYTES), 0
                if has_hole(head) and (hole := hole_end(file)):
                    file.seek(hole)
                    head = file.read(HEAD_BYTES)
        except OSError:
            document.verdict = Verdict(skip="unreadable")
            return document.verdict
        if document.converted and (form := form_of(head, document.name)):
            document.verdict = Verdict(form=form)
            return document.verdict
        verdict = classify(head)
        if detecting and verdict.encoding == "?":
            encoding = detect(head, gzip=verdict.gzip)
            verdict = verdict._replace(encoding=encoding) if encoding else Verdict(skip="undecodable")
        document.verdict = verdict if verdict.skip else verdict._replace(hole=hole)
    return document.verdict


def _sniff(documents: list[Document], progressed: Callable[[int], None]) -> None:
    detected = 0
    for document in documents[:SNIFFED_FILES]:
        progressed(len(documents))
        if document.verdict is None:
            verdict = sniff(document, detecting=detected < DETECTED_FILES)
            detected += verdict.encoding is not None or verdict.skip == "undecodable"
