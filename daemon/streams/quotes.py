r"""Quotes of CSV: where a record ends, and what shows that one of them is stray.

A quoted field may hold line ends, so a quote too many swallows the records behind it. It shows where the field closes
before anything but a delimiter or a line end, or not at all. Where it closes as any field does, only what it holds can
show it: many lines, each of which has as many fields as the table.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY_LINES = 10  # a text of fewer lines may well have the same number of delimiters in each

UNCLOSED = "with a quote that is not closed"
STRAY = "with a stray quote"


class QuoteError(Exception):
    """A record has a stray quote; the message says of which kind. Stays within the streams."""


class _UnfinishedError(Exception):
    """The record continues behind the text at hand."""


class _Lines:
    """The lines of a text from a place on, for the library.

    Attributes:
        end: behind the last one that was taken.
        wanted_more: the text ended, and the record did not.
    """

    def __init__(self, text: bytes, begin: int, *, final: bool) -> None:
        self._text = text
        self._final = final
        self.end = begin
        self.wanted_more = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        newline = self._text.find(b"\n", self.end) + 1
        if not newline and not self._final:
            raise _UnfinishedError
        if self.end >= len(self._text):
            self.wanted_more = True
            raise StopIteration
        line, self.end = self._text[self.end : newline or len(self._text)], newline or len(self._text)
        return _decoded(line)


def record_end(text: bytes, begin: int, *, delimiter: str, num_fields: int, final: bool) -> int | None:
    r"""Behind the record that begins at `begin`; None if it continues behind the text, unless that is `final`.

    A stray quote takes no more than its line if the one behind it is a record by itself.

    >>> record_end(b'"a, 1\nb, 2\n"c", 3\n', 0, delimiter=",", num_fields=2, final=True)
    6
    >>> record_end(b'"a\nb", 1\n', 0, delimiter=",", num_fields=2, final=True)
    9
    """
    newline = text.find(b"\n", begin) + 1
    line_end = newline or len(text)
    with suppress(csv.Error):
        if newline or final:  # nearly always it is a line
            next(csv.reader([_decoded(text[begin:line_end])], delimiter=delimiter, strict=True), None)
            return line_end
    try:
        lines = _Lines(text, begin, final=final)
        try:
            next(csv.reader(lines, delimiter=delimiter, strict=True), None)
        except csv.Error:
            if lines.end > line_end and _is_record(text, line_end, delimiter, num_fields, final=final):
                return line_end
            return _lenient_end(text, begin, delimiter, final=final)
    except _UnfinishedError:
        return None
    return lines.end


def row_of(record: bytes, *, delimiter: str, num_fields: int) -> list[str]:
    """The fields of a record.

    Raises:
        QuoteError: a quote is not closed, or stands where it changes the number of fields.
        csv.Error: it cannot be parsed.
    """
    try:
        return next(csv.reader([_decoded(record)], delimiter=delimiter, strict=b'"' in record), [])
    except csv.Error as error:
        lines = _Lines(record, 0, final=True)
        row = next(csv.reader(lines, delimiter=delimiter), [])
        if lines.wanted_more:
            raise QuoteError(UNCLOSED) from error
        if len(row) != num_fields:
            raise QuoteError(STRAY) from error
        return row  # quotes within a text that should be doubled: the fields are the same


def is_unclosed(record: bytes, delimiter: str) -> bool:
    """Whether a record ends within quotes."""
    lines = _Lines(record, 0, final=True)
    try:
        next(csv.reader(lines, delimiter=delimiter), None)
    except csv.Error:
        return False
    return lines.wanted_more and bool(record)


def holds_records(record: bytes, *, delimiter: str, num_fields: int) -> bool:
    """Whether all lines within a record, and there are many, have as many fields as a record of the table.

    What a writer put into quotes shows itself by a blank line or a doubled quote.
    """
    if num_fields < 2 or record.count(b"\n") <= MANY_LINES:
        return False
    within, separator = record.split(b"\n")[1:-2], delimiter.encode()
    return len(within) >= MANY_LINES and all(
        b'"' not in line and line.count(separator) == num_fields - 1 for line in within
    )


def _is_record(text: bytes, begin: int, delimiter: str, num_fields: int, *, final: bool) -> bool:
    """Whether a record of that many fields begins there; 0: of any number."""
    try:
        row: list[str] = next(
            csv.reader(_Lines(text, begin, final=final), delimiter=delimiter, strict=True), []
        )
    except csv.Error:
        return False
    return len(row) == num_fields or not num_fields


def _lenient_end(text: bytes, begin: int, delimiter: str, *, final: bool) -> int:
    lines = _Lines(text, begin, final=final)
    with suppress(csv.Error):  # what was taken is the record, and it is broken
        next(csv.reader(lines, delimiter=delimiter), None)
    return lines.end


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
