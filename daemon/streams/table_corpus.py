"""The records of a table as a corpus: surveyed when listed, read one by one."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.errors import StreamError
from daemon.streams.corpus import LOST, Run
from daemon.streams.holdout import HeldDocument, HeldOutSet, HoldOut
from daemon.streams.kinds.files import FilesCorpus
from daemon.streams.kinds.table import TableConfig
from daemon.streams.listing import SNIFFED_FILES, sniff
from daemon.streams.record_reader import DOUBT, LONG_WINDOW_BYTES, WINDOW_BYTES, RecordReader
from daemon.streams.sources import nothing_to_read
from daemon.streams.table_records import SUFFIXES, TABLES
from daemon.system.paths import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.streams.decoding import DecodedCache
    from daemon.streams.listing import Document, Listing, SourceInfo
    from daemon.streams.sources import SourcePath
    from daemon.streams.table_records import Form

OPEN = "has a quote that is not closed yet"
SURVEYED_BYTES = 64 << 20  # of text; records behind that are not counted, and those held out not scored


@dataclass
class _Survey:
    """What is known of the records of a file, up to a place."""

    until: int
    num_records: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    held_out: list[HeldDocument] = field(default_factory=list)


class TableCorpus:
    """Records of the files of a path. A run is a record, named as its file and the byte at which it begins.

    Listed documents are the files; places in them are bytes of their text.
    """

    whole = True
    window_bytes = WINDOW_BYTES

    def __init__(
        self,
        source: SourcePath,
        *,
        split: HoldOut,
        cache: DecodedCache,
        skip: Callable[[str, str], None],
        grows: bool,
    ) -> None:
        assert isinstance(source.settings, TableConfig)
        self._settings = source.settings
        source = dataclasses.replace(source, suffix=SUFFIXES)
        self._files = FilesCorpus(source, split=split, cache=cache, skip=skip, grows=grows)
        self._source = source
        self._split = split
        self._skip = skip
        self._grows = grows
        self._records = RecordReader(
            self._files,
            self._settings,
            report=self._report_later,
            grows=grows,
            window_bytes=self.window_bytes,
        )
        self._surveys: dict[str, _Survey] = {}
        self._reported: set[tuple[str, str]] = set()  # files and what is wrong with some of their records
        self._held_out: HeldOutSet | None = None
        self._surveyed = False  # all of what is listed, as far as it ever will be

    @property
    def listing(self) -> Listing:
        """The files, with a fingerprint over the settings too."""
        return self._files.listing

    @property
    def put_off(self) -> set[str]:
        """Files that wait for the cache."""
        return self._files.put_off

    @property
    def due(self) -> bool:
        """Whether the cache may be written, as far as is known."""
        return self._files.due

    def list(self, progressed: Callable[[int], None]) -> Listing:
        """List the files, and look through the records of what is new in them."""
        before = self.listing
        listing = self._files.list(progressed)
        settings = dataclasses.replace(self._settings, path="", name="")
        listing.fingerprint = hashlib.blake2b(
            f"{listing.fingerprint} {settings}".encode("utf-8", "surrogateescape"), digest_size=16
        ).hexdigest()
        try:
            for name in [name for name in before.by_name if not before.same(listing, name)]:
                if self._grows and name not in self._records.complaints:
                    self._records.drop(name)
                else:
                    self.forget(name)
            self._survey(progressed)
        except BaseException:
            self._files.listing = before
            raise
        return listing

    def info(self) -> SourceInfo:
        """Counts of records, as far as they were looked through."""
        if not self._surveyed:
            self._survey(lambda num_files: None)  # noqa: ARG005
        info = self._files.info()
        skipped = Counter(info.skipped)
        num_records = 0
        for document in self.listing.documents:
            if document.name in self._records.complaints:
                skipped["no table"] += 1
            elif (survey := self._surveys.get(document.name)) is not None:
                skipped.update(survey.faults)
                num_records += survey.num_records
            elif document.verdict is None or not document.verdict.skip:
                num_records += 1  # at least
        return dataclasses.replace(
            info,
            num_documents=num_records,
            num_skipped=skipped.total(),
            skipped=dict(sorted(skipped.items())),
        )

    def nothing_to_read(self) -> StreamError:
        """An error that lists what was found instead of records."""
        if not self.listing.documents:
            return StreamError(f"no {', '.join(TABLES)} file is in the folder {shown(self._source.path)}")
        for complaint in self._records.complaints.values():
            return StreamError(f"nothing to read in {shown(self._source.path)}: {complaint}")
        return nothing_to_read(self._source, self.info().skipped)

    def size(self, document: Document) -> int:
        """Bytes of a file's text, 0 of one that is no table with the wanted fields."""
        return self._files.size(document) if self._records.form(document) is not None else 0

    def settled(self, document: Document, begin: int, tail: bytes) -> int:  # noqa: ARG002 (the text itself is read)
        """Behind the last whole record."""
        settled, name = self._records.settled(document, begin), document.name
        form, size = self._records.form(document), self._files.size(document)
        if form is not None and form.holds_records(
            self._files.read(name, settled, min(size - settled, LONG_WINDOW_BYTES))
        ):
            line = self._records.line_of(name, settled)
            self._report(
                name,
                OPEN,
                f"the record on line {line} {OPEN}; what follows is read once it is, or after 16 MiB",
            )
        return settled

    def run(self, name: str, offset: int, limit: int, longest: int) -> Run | None:  # noqa: ARG002 (a record is whole)
        """The first good record that is not held out."""
        document = self.listing.find(name)
        form = None if document is None else self._records.form(document)
        if form is None:
            return None
        start = self._records.aligned(name, max(offset, form.first), form)
        while start < limit:
            record = self._records.record(name, start)
            if record is None:
                self._skip(name, LOST)
                return None
            if record.payload and not self.holds_out(name, start):
                return Run(f"{name}/{start}", 0, len(record.payload), start, record.behind)
            start = record.behind
        return None

    def bound(self, document: Document, offset: int) -> int:
        """Where the next record begins; of CSV, whose quotes may hold line ends, all before is walked through."""
        form = self._records.form(document)
        if form is None or offset <= form.first:
            return 0
        size = self._files.size(document)
        if not form.delimiter:
            return self._records.aligned(document.name, min(offset, size), form)
        for start, _, _ in self._records.walk(document.name, form.first, size, LONG_WINDOW_BYTES):
            if start >= offset:
                return start
        return size

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Bytes of a record."""
        listed, start = self._named(name)
        if listed == name or listed not in self.listing.by_name:
            return b""
        record = self._records.record(listed, start)
        return b"" if record is None else record.payload[offset : offset + length]

    def locate(self, name: str, offset: int) -> tuple[str, int]:
        """The file of a record, and where it begins there."""
        listed, start = self._named(name)
        return listed, offset if listed == name else start

    def _named(self, name: str) -> tuple[str, int]:
        """The file and the first byte that a record's name consists of; any other name as it is."""
        listed, _, start = name.rpartition("/")
        if name in self.listing.by_name or not (listed and start.isdecimal()):
            return name, 0
        return listed, int(start)

    def holds_out(self, name: str, offset: int) -> bool:
        """Whether the record that begins at `offset` is held out."""
        return self._split.holds_record(name, offset)

    def held_out(self) -> HeldOutSet:
        """The held-out records within the first 64 MiB of text; those of the rest are not scored, and never learned."""
        if not self._surveyed:
            self._survey(lambda num_files: None)  # noqa: ARG005
        fingerprint = self.listing.fingerprint
        if self._held_out is None or self._held_out.fingerprint != fingerprint:
            records = [
                record
                for document in self.listing.documents
                if document.name in self._surveys
                for record in self._surveys[document.name].held_out
            ]
            self._held_out = HeldOutSet(HoldOut(1, 1), records, self.read, fingerprint=fingerprint)
        return self._held_out

    def prepare(self, document: Document) -> None:
        """Begin to decode a file that must be decoded."""
        self._files.prepare(document)

    def forget(self, name: str) -> None:
        """A file was rewritten."""
        self._records.forget(name)
        self._surveys.pop(name, None)
        self._reported = {reported for reported in self._reported if reported[0] != name}
        self._surveyed, self._held_out = False, None

    def _survey(self, progressed: Callable[[int], None]) -> None:
        """Count the records that were not looked at yet, and find those that are held out."""
        self._surveyed = True
        room = SURVEYED_BYTES
        documents = self.listing.documents
        for document in documents[:SNIFFED_FILES]:
            if room <= 0:
                return
            progressed(len(documents))
            if sniff(document).skip or (form := self._records.form(document)) is None:
                if complaint := self._records.complaints.get(document.name):
                    self._report(document.name, complaint, f"skipped: {complaint}")
                continue
            survey = self._surveys.setdefault(document.name, _Survey(form.first))
            size = self._files.size(document)
            limit = self._records.settled(document, survey.until) if self._grows else size
            self._survey_file(document.name, form, survey, min(limit, survey.until + room), progressed)
            room -= size

    def _survey_file(
        self, name: str, form: Form, survey: _Survey, limit: int, progressed: Callable[[int], None]
    ) -> None:
        first: dict[str, tuple[int, int]] = {}
        doubts: list[tuple[int, int]] = []
        for number, (start, behind, raw) in enumerate(
            self._records.walk(name, survey.until, limit, LONG_WINDOW_BYTES)
        ):
            if number % 1000 == 0:
                progressed(len(self.listing.documents))
            payload, fault = self._records.parse(form, raw)
            if fault:
                survey.faults[fault] += 1
                first.setdefault(fault, (start, behind))
            elif payload:
                if form.holds_records(raw):
                    doubts.append((start, behind))
                survey.num_records += 1
                if self.holds_out(name, start):
                    survey.held_out.append(HeldDocument(f"{name}/{start}", len(payload)))
            survey.until = behind
        total = survey.num_records + survey.faults.total()
        for fault, span in first.items():
            found = f"{survey.faults[fault]} of {total} records skipped: {fault}"
            self._report(name, fault, f"{found}; the first on {self._lines(name, *span)}")
        if doubts:
            found = f"{len(doubts)} of {total} records taken as they are, {DOUBT}"
            self._report(name, DOUBT, f"{found}; the first on {self._lines(name, *doubts[0])}")

    def _lines(self, name: str, start: int, behind: int) -> str:
        """Where a record stands, as an editor shows it."""
        first = self._records.line_of(name, start)
        last = self._records.line_of(name, behind - 1)
        return f"line {first}" if last == first else f"lines {first} to {last}"

    def _report_later(self, name: str, fault: str, start: int) -> None:
        """A fault was met that the survey did not count."""
        survey = self._surveys.get(name)
        if survey is None or start >= survey.until:
            what = (
                f"records are taken as they are, {DOUBT}"
                if fault == DOUBT
                else f"records are skipped: {fault}"
            )
            self._report(name, fault, f"{what}; the first on line {self._records.line_of(name, start)}")

    def _report(self, name: str, fault: str, line: str) -> None:
        """One event a file and fault."""
        if (name, fault) not in self._reported:
            self._reported.add((name, fault))
            self._skip(name, line)


def corpus_of(source: SourcePath, **settings: Any) -> TableCorpus:
    """A table in the order of its files, or shuffled; keywords as of TableCorpus."""
    from daemon.streams.shuffled_table import ShuffledTable  # noqa: PLC0415 (it builds on this one)

    config = source.settings
    shuffled = isinstance(config, TableConfig) and config.order == "shuffled" and not settings["grows"]
    return (ShuffledTable if shuffled else TableCorpus)(source, **settings)
