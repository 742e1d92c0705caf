"""Records of a table's files, read where they stand; those near the last one are kept for who comes next."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from daemon.streams.encodings import HEAD_BYTES
from daemon.streams.table_records import MAX_RECORD_BYTES, Form, FormError, RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.streams.kinds.files import FilesCorpus
    from daemon.streams.kinds.table import TableConfig
    from daemon.streams.listing import Document

WINDOW_BYTES = 16 << 10
LONG_WINDOW_BYTES = 1 << 20  # for whom many records are wanted
_CACHED_BYTES = 8 << 20


DOUBT = "holding many lines that look like records, as if a quote was missing"


class Record(NamedTuple):
    """What is learned of a record, empty for one that is passed over; and where the next may be."""

    payload: bytes
    behind: int


class RecordReader:
    """Finds records by file and place.

    Attributes:
        complaints: files that are no table with the wanted fields, and why.
    """

    def __init__(
        self,
        files: FilesCorpus,
        settings: TableConfig,
        *,
        report: Callable[[str, str, int], None],
        grows: bool,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self.complaints: dict[str, str] = {}
        self._files = files
        self._settings = settings
        self._report = report  # takes file, fault and place
        self._grows = grows
        self._window_bytes = window_bytes  # records within are kept for the next
        self._forms: dict[str, Form | None] = {}  # None: there is a complaint
        self._records: OrderedDict[tuple[str, int], Record] = OrderedDict()
        self._cached_bytes = 0

    def form(self, document: Document) -> Form | None:
        """How a file is written; None of one that is no table of the wanted fields, or holds nothing yet."""
        name = document.name
        if name in self._forms:
            return self._forms[name]
        size = self._files.size(document)
        head = self._files.read(name, 0, HEAD_BYTES) if size else b""
        if not head.strip() or (self._grows and b"\n" not in head):
            return None  # it may fill
        try:
            self._forms[name] = self._settings.form_of(head, name, final=len(head) == size)
        except FormError as error:
            self._forms[name] = None
            self.complaints[name] = str(error)
        return self._forms[name]

    def settled(self, document: Document, begin: int) -> int:
        """Behind the last whole record, if one begins at `begin`."""
        form, end = self.form(document), self._files.size(document)
        if form is None:
            return end
        settled = self._behind_even_quotes(document, form, begin, end)
        if form.delimiter:  # a quote that belongs to a text makes them odd, and so does a stray one
            settled = max(
                (behind for _, behind, _ in self.walk(document.name, settled, end)), default=settled
            )
        return settled

    def _behind_even_quotes(self, document: Document, form: Form, begin: int, end: int) -> int:
        """Behind the last line end with an even number of quotes before it."""
        quotes = self._count(document.name, b'"', begin, end) if form.delimiter else 0
        while end > begin:
            start = max(begin, end - WINDOW_BYTES)
            text = self._files.read(document.name, start, end - start)
            newline = text.rfind(b"\n") + 1
            quotes -= text.count(b'"', newline)
            if newline and quotes % 2 == 0:
                return start + newline
            end = start + max(0, newline - 1)
        return begin

    def walk(
        self, name: str, start: int, limit: int, window: int = WINDOW_BYTES
    ) -> Iterator[tuple[int, int, bytes]]:
        """Records that begin from `start` up to `limit`: where, where the next may be, and the text."""
        document = self._files.listing.find(name)
        form = None if document is None else self.form(document)
        if document is None or form is None:
            return
        size = self._files.size(document)
        asked = window
        while start < limit:
            text = self._files.read(name, start, min(asked, size - start))
            if len(text) < min(asked, size - start):
                return  # it shrank
            at_end, begin = start + len(text) >= size, 0
            final = at_end and not self._grows
            while start + begin < limit and (end := form.end(text, begin, final=final)) is not None:
                yield start + begin, start + end, text[begin:end]
                begin = end
                if end == len(text):
                    break
            if begin:
                start, asked = start + begin, window
            elif at_end and len(text) <= MAX_RECORD_BYTES:
                return  # it is not whole yet
            elif asked <= MAX_RECORD_BYTES:
                asked = min(4 * asked, MAX_RECORD_BYTES + 1)
            else:  # a quote that nobody closed, perhaps: continue behind the line
                end = text.find(b"\n") + 1 or len(text)
                yield start, start + end, text
                start, asked = start + end, window

    def parse(self, form: Form, raw: bytes) -> tuple[bytes, str]:
        """What is learned of a record, or what is wrong with it; neither of a blank line."""
        if len(raw) > MAX_RECORD_BYTES:
            return b"", "longer than 16 MiB"
        try:
            return self._settings.payload(form, raw), ""
        except RecordError as error:
            return b"", str(error)

    def record(self, name: str, start: int) -> Record | None:
        """The record that begins at a place, and in passing those near behind it; None when it is not there."""
        if (found := self._records.get((name, start))) is not None:
            return found
        document = self._files.listing.find(name)
        form = None if document is None else self.form(document)
        if document is None or form is None:
            return None
        for at, behind, raw in self.walk(
            name, start, self._files.size(document), max(1024, self._window_bytes)
        ):
            payload, fault = self.parse(form, raw)
            if fault:
                self._report(name, fault, at)
            elif form.holds_records(raw):
                self._report(name, DOUBT, at)
            self._keep(name, at, Record(payload, behind))
            if behind - start >= self._window_bytes:
                break
        return self._records.get((name, start))

    def _keep(self, name: str, start: int, record: Record) -> None:
        if (name, start) not in self._records:
            self._cached_bytes += len(record.payload)
        self._records[name, start] = record
        while len(self._records) > 1 and self._cached_bytes > _CACHED_BYTES:
            _, dropped = self._records.popitem(last=False)
            self._cached_bytes -= len(dropped.payload)

    def forget(self, name: str) -> None:
        """A file is another text now."""
        self._forms.pop(name, None)
        self.complaints.pop(name, None)
        self.drop(name)

    def drop(self, name: str) -> None:
        """A file was changed: nothing is kept of its records."""
        for key in [key for key in self._records if key[0] == name]:
            self._cached_bytes -= len(self._records.pop(key).payload)

    def aligned(self, name: str, start: int, form: Form) -> int:
        """A place, or where the next line begins if a file that was changed has no record there."""
        if start == form.first or (name, start) in self._records:
            return start
        at = start - 1
        while text := self._files.read(name, at, WINDOW_BYTES):
            if newline := text.find(b"\n") + 1:
                return at + newline
            at += len(text)
        return max(at, start)

    def line_of(self, name: str, place: int) -> int:
        """Number of the line, from 1, in which a place of a file lies."""
        return 1 + self._count(name, b"\n", 0, place)

    def _count(self, name: str, byte: bytes, begin: int, end: int) -> int:
        total = 0
        for start in range(begin, end, LONG_WINDOW_BYTES):
            text = self._files.read(name, start, min(LONG_WINDOW_BYTES, end - start))
            total += text.count(byte)
        return total
