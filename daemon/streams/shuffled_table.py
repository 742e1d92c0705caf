"""A table read in shuffled order, the same in every pass: places are ranks in that order, not bytes."""

from __future__ import annotations

import random
from array import array
from typing import TYPE_CHECKING

from daemon.streams.corpus import Run
from daemon.streams.record_reader import LONG_WINDOW_BYTES
from daemon.streams.table_corpus import TableCorpus

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from daemon.streams.listing import Document, Listing
    from daemon.streams.sources import SourcePath


class ShuffledTable(TableCorpus):
    """The order of a file follows from its name and its records; it takes 8 bytes a record in memory."""

    window_bytes = 1  # neighbours in the file are not the next to be read

    def __init__(self, source: SourcePath, **settings: Any) -> None:
        self._orders: dict[str, array[int]] = {}
        super().__init__(source, **settings)

    def list(self, progressed: Callable[[int], None]) -> Listing:
        """As ever; the records of new and changed files are found and shuffled."""
        listing = super().list(progressed)
        for document in listing.documents:
            progressed(len(listing.documents))
            self._order(document, progressed)
        return listing

    def forget(self, name: str) -> None:
        """A file was rewritten."""
        super().forget(name)
        self._orders.pop(name, None)

    def size(self, document: Document) -> int:
        """Number of records."""
        return len(self._order(document))

    def bound(self, document: Document, offset: int) -> int:
        """The rank that lies as far in the order as `offset` in the file."""
        return offset * self.size(document) // max(1, document.size)

    def run(self, name: str, offset: int, limit: int, longest: int) -> Run | None:  # noqa: ARG002 (a record is whole)
        """The first good record that is not held out."""
        document = self.listing.find(name)
        order = array("Q") if document is None else self._order(document)
        for rank in range(offset, min(limit, len(order))):
            start = order[rank]
            record = self._records.record(name, start)
            if record is not None and record.payload and not self.holds_out(name, start):
                return Run(f"{name}/{start}", 0, len(record.payload), rank, rank + 1)
        return None

    def locate(self, name: str, offset: int) -> tuple[str, int]:
        """The file of a record; its rank is not looked for, so the place is the beginning."""
        listed, place = super().locate(name, offset)
        return listed, place if listed == name else 0

    def _order(self, document: Document, progressed: Callable[[int], None] = lambda _: None) -> array[int]:
        name = document.name
        if (order := self._orders.get(name)) is None:
            order = array("Q")
            if (form := self._records.form(document)) is not None:
                size = self._files.size(document)
                for start, _, _ in self._records.walk(name, form.first, size, LONG_WINDOW_BYTES):
                    order.append(start)
                    if len(order) % 10_000 == 0:
                        progressed(len(self.listing.documents))
                random.Random(name).shuffle(order)  # noqa: S311 (no secret)
                self._orders[name] = order
        return order
