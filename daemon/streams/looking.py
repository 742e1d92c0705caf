"""A look into a source before anything learns from it: what would be read of each file, and what not, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.streams.decoding import DecodedCache
from daemon.streams.holdout import HoldOut
from daemon.streams.kinds import sources
from daemon.streams.listing import sniff

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.streams.corpus import Corpus
    from daemon.streams.kinds import MakesCorpus
    from daemon.streams.listing import Document
    from daemon.streams.sources import SourcePath

BEGINNING_BYTES = 200


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was found in a file.

    Attributes:
        name: its path within the source.
        form: `utf-8`, another encoding, `gzip`, or what its text is taken out of; empty where none is read.
        num_bytes: of the text that would be read.
        begins: how the text begins.
        skipped: why it is not read, or not whole; empty where it is.
    """

    name: str
    form: str
    num_bytes: int
    begins: str
    skipped: str


def look_into(source: SourcePath, *, cache: Path, limit: int) -> tuple[list[Look], int]:
    """The first `limit` files of a source, in reading order, and how many files there are.

    Args:
        source: what is looked into; nothing of it is changed.
        cache: an empty folder for documents that must be decoded.
        limit: files to read at most.
    """
    complaints: dict[str, str] = {}

    def complain(name: str, why: str) -> None:
        complaints.setdefault(name, why.removeprefix("skipped: "))

    corpus_of: MakesCorpus = sources.get(source.kind).load()
    corpus = corpus_of(
        source,
        split=HoldOut.of(0.0),
        cache=DecodedCache(cache),
        skip=complain,
        grows=False,
    )
    listing = corpus.list(lambda _: None)
    looks = [_look(corpus, document, complaints) for document in listing.documents[:limit]]
    for name, why in list(listing.obstacles.items())[: limit - len(looks)]:
        looks.append(Look(name=name, form="", num_bytes=0, begins="", skipped=why))
    return looks, len(listing.documents) + len(listing.obstacles)


def _look(corpus: Corpus, document: Document, complaints: dict[str, str]) -> Look:
    num_bytes, begins = corpus.size(document), ""
    if num_bytes and (run := corpus.run(document.name, 0, num_bytes, BEGINNING_BYTES)):
        beginning = corpus.read(run.document, run.begin, min(run.end - run.begin, BEGINNING_BYTES))
        begins = " ".join(beginning.decode("utf-8", "ignore").split())
    verdict = sniff(document)
    return Look(
        name=document.name,
        form=""
        if verdict.skip
        else verdict.form or ("gzip" if verdict.gzip else verdict.encoding or "utf-8"),
        num_bytes=num_bytes,
        begins=begins,
        skipped=complaints.get(document.name, verdict.skip or ""),
    )
