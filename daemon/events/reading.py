"""What was read, and what could not be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity
from daemon.system.counting import counted


@dataclass(frozen=True, kw_only=True)
class ExperiencePushed(Event):
    """Text from outside was journaled and enters the stream at `step`.

    None of the text stands in it: events are kept, printed and logged, and forgetting does not reach all of these.
    """

    num_bytes: int
    origin: str

    @property
    def message(self) -> str:
        return f"{counted(self.num_bytes, 'byte of text was', 'bytes of text were')} fed (from {self.origin})"


@dataclass(frozen=True, kw_only=True)
class ExperienceForgotten(Event):
    """A person had something forgotten: from `step` on the run remembers it no more, and the disk neither.

    Attributes:
        what: was asked for; of a text its length.
        receipt: number of the receipt, and of the journal entry.
        sha256: of the text as it was given; empty for anything else.
        rows: records of replayed text that were erased on disk; `row_bytes` is their size.
        memory_bytes: of the exact memory's past that were blanked.
        memory_contexts: of it that were emptied; those by what followed earlier go as a whole.
        memory_emptied: all of the exact memory was given up.
        probe_rows: of frozen probes.
        pushed_texts: journal entries that were blanked.
        first_step: at which it was first read, as far as memories reach back.
        checkpoint: the first one without it.
    """

    what: str
    receipt: int
    sha256: str
    rows: int
    row_bytes: int
    memory_bytes: int
    memory_contexts: int
    memory_emptied: bool
    probe_rows: int
    pushed_texts: int
    first_step: int | None
    checkpoint: str

    @property
    def message(self) -> str:
        memory = (
            "the whole exact memory"
            if self.memory_emptied
            else f"{counted(self.memory_bytes, 'byte')} of the exact memory"
        )
        return (
            f"Forgot {self.what} (receipt {self.receipt}): {counted(self.rows, 'remembered row')}, {memory}, "
            f"{counted(self.probe_rows, 'probe row')} and {counted(self.pushed_texts, 'pushed text')}; "
            "the weights are unchanged"
        )


@dataclass(frozen=True, kw_only=True)
class ListingContinued(Event):
    """Listing the files of a source has taken long so far, and continues."""

    source: str
    num_files: int
    seconds: float

    @property
    def message(self) -> str:
        files = counted(self.num_files, "file")
        return f"Source {self.source}: {files} found in {self.seconds:.0f} s; the search continues"


@dataclass(frozen=True, kw_only=True)
class SourceOpened(Event):
    """A source was listed: how much there is, what was skipped."""

    source: str
    num_documents: int
    num_bytes: int
    num_skipped: int
    skipped: dict[str, int]  # reason → files

    @property
    def message(self) -> str:
        skipped = ", ".join(f"{count:,} {reason}" for reason, count in self.skipped.items())
        tail = f"; skipped {skipped}" if skipped else ""
        documents = counted(self.num_documents, "document")
        return f"Source {self.source}: {documents}, {counted(self.num_bytes, 'byte')}{tail}"


@dataclass(frozen=True, kw_only=True)
class SourceChanged(Event):
    """The files of a source are not what they were (found between passes or on resume)."""

    severity: ClassVar[Severity] = "warning"
    source: str
    what: str

    @property
    def message(self) -> str:
        return f"Source {self.source} changed: {self.what}"


@dataclass(frozen=True, kw_only=True)
class DocumentSkipped(Event):
    """A document could not be read further, or only in part; its lanes moved on."""

    severity: ClassVar[Severity] = "warning"
    source: str
    document: str
    reason: str

    @property
    def message(self) -> str:
        return f"{self.document} of source {self.source}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class LabelsMissing(Event):
    """A brain that learns labels has read many records, none of them with a label."""

    severity: ClassVar[Severity] = "warning"
    num_records: int

    @property
    def message(self) -> str:
        return (
            f"Nothing is learned: none of the first {self.num_records:,} records has a label; "
            "see label_field of the sources (what is fed to the run needs one, too: synapsed feed --label)"
        )


@dataclass(frozen=True, kw_only=True)
class LabelsBeyond(Event):
    """A brain that learns labels met some that it has no room for; their texts are counted, not learned.

    Attributes:
        labels: the first of them.
        max_labels: how many there is room for.
    """

    severity: ClassVar[Severity] = "warning"
    labels: tuple[str, ...]
    max_labels: int

    @property
    def message(self) -> str:
        named = ", ".join(map(repr, self.labels))
        return (
            f"Not learned: {named}, because brain.max_labels is {self.max_labels:,} and the labels met before fill it; "
            "start over with a higher one"
        )


@dataclass(frozen=True, kw_only=True)
class PassFinished(Event):
    """A source was read to its end; another pass begins."""

    source: str
    number: int

    @property
    def message(self) -> str:
        return f"Source {self.source}: pass {self.number} finished"
