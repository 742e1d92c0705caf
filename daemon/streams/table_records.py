"""Records of a table: where each ends, and what its fields hold. CSV as in RFC 4180, or a JSON object a line.

Reading begins at any record, so nothing is kept of those before it.
"""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from brain.nearest_name import did_you_mean
from daemon.streams.quotes import QuoteError, holds_records, is_unclosed, record_end, row_of
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.streams.record_template import Template

SEPARATOR = b"\x1f"  # ASCII's unit separator, between a text and its label
MAX_RECORD_BYTES = 16 << 20
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
SUFFIXES = (*TABLES, *(f"{suffix}.gz" for suffix in TABLES))
_DELIMITERS = ",;\t|"
_LONGEST_NAME = 32

csv.field_size_limit(MAX_RECORD_BYTES)  # the library's own bound, 128 KiB, is less than a long text


class FormError(Exception):
    """A file is no table of the wanted fields; the message says why. Stays within the streams and their settings."""


class RecordError(Exception):
    """A record cannot be read; the message says why. Stays within the streams."""


class Form(NamedTuple):
    """How a table is written.

    Attributes:
        fields: names of its fields; of JSON those met in the head.
        delimiter: between the fields of CSV; empty for JSON.
        first: where the first record begins, behind the header of CSV.
    """

    fields: tuple[str, ...]
    delimiter: str = ""
    first: int = 0

    def end(self, text: bytes, begin: int, *, final: bool) -> int | None:
        r"""Behind the record that begins at `begin`; None if it continues behind the text, unless that is `final`.

        >>> Form(("a",), ",").end(b'"one\nline"\n2\n', 0, final=False)
        11
        """
        newline = text.find(b"\n", begin) + 1
        if not newline and not final:
            return None
        line_end = newline or len(text)
        if not self.delimiter or b'"' not in text[begin:line_end]:
            return line_end
        return record_end(text, begin, delimiter=self.delimiter, num_fields=len(self.fields), final=final)

    def payload(
        self, record: bytes, *, template: Template, label_field: str | None, joins: bool = False
    ) -> bytes:
        r"""What is learned of a record: its text, or text, 0x1F, label; empty for a blank line.

        `joins`: a field of the text may be a list of texts.

        >>> from daemon.streams.record_template import Template
        >>> form = Form(("a", "b"), ",")
        >>> form.payload(b"hello,greeting\n", template=Template.of("{a}!"), label_field="b")
        b'hello!\x1fgreeting'

        Raises:
            RecordError: it cannot be parsed, or lacks a field.
        """
        if not record.strip():
            return b""
        values = self._values(record)
        text = template.fill(lambda field: _part(values, field, joins=joins))
        return text if label_field is None else SEPARATOR.join((text, _part(values, label_field)))

    def holds_records(self, record: bytes) -> bool:
        """Whether it looks as if a quote was missing: a record of CSV that consists of others."""
        return bool(self.delimiter) and holds_records(
            record, delimiter=self.delimiter, num_fields=len(self.fields)
        )

    def _values(self, record: bytes) -> dict[str, Any]:
        if not self.delimiter:
            return _json_object(record.decode("utf-8", "surrogateescape"))
        try:
            row = row_of(record, delimiter=self.delimiter, num_fields=len(self.fields))
        except QuoteError as error:
            raise RecordError(str(error)) from error
        except csv.Error as error:
            raise RecordError("broken") from error
        return dict(zip(self.fields, row, strict=False))


def form_of(head: bytes, name: str, *, form: str, delimiter: str, wanted: Sequence[str], final: bool) -> Form:
    """How a table is written, from the beginning of its text.

    Args:
        head: up to the end of the text if `final`.
        name: of the file.
        form: `csv`, `jsonl`, or `auto` to decide by name and head.
        delimiter: of CSV; empty to find it.
        wanted: fields that it must have.
        final: there is no more text.

    Raises:
        FormError: it is none, or lacks a field; names the nearest that it has.
    """
    if form == "auto":
        form = _form_by_name(name) or ("jsonl" if head.lstrip()[:1] in (b"{", b"[") else "csv")
    found = _csv_form(head, delimiter, wanted) if form == "csv" else _jsonl_form(head, name, final=final)
    for field in wanted:
        if field not in found.fields:
            free = [known for known in found.fields if known not in wanted]
            meant = did_you_mean(field, free)
            raise FormError(f"{name} has no field {field!r}; {_fields_in_words(found, head)}{meant}")
    return found


def _fields_in_words(form: Form, head: bytes) -> str:
    if form.delimiter and is_unclosed(head[: form.first], form.delimiter):
        return "its first line has a quote that is not closed"
    names = fields_in_words(form.fields)
    return f"it has {names}" if names != "none" else "its first line names no fields"


def fields_in_words(fields: Sequence[str]) -> str:
    """The first of them; what is longer than a name may be a secret in a file that is no table."""
    names = [one_line(known) for known in fields if 0 < len(known) <= _LONGEST_NAME][:10]
    return ", ".join(names) or "none"


def _form_by_name(name: str) -> str | None:
    plain = name.lower().removesuffix(".gz")
    if plain.endswith((".csv", ".tsv")):
        return "csv"
    return "jsonl" if plain.endswith((".jsonl", ".ndjson", ".json")) else None


def _csv_form(head: bytes, delimiter: str, wanted: Sequence[str]) -> Form:
    """By the delimiter that gives the wanted fields; else the one that gives most."""
    forms: list[Form] = []
    for one in delimiter or _DELIMITERS:
        end = Form((), one).end(head, 0, final=True) or 0
        try:
            row = next(csv.reader([head[:end].decode("utf-8", "replace")], delimiter=one), [])
        except csv.Error:
            row = []
        forms.append(Form(tuple(field.strip() for field in row), one, end))
    return max(forms, key=lambda form: (sum(field in form.fields for field in wanted), len(form.fields)))


def _jsonl_form(head: bytes, name: str, *, final: bool) -> Form:
    if head.lstrip().startswith(b"["):
        raise FormError(
            f"{name} is one JSON array; a table has an object a line (jq -c '.[]' {name} > records.jsonl makes it so)"
        )
    lines = head.split(b"\n")
    fields: dict[str, None] = {}
    for line in lines if final or len(lines) == 1 else lines[:-1]:
        try:
            fields.update(dict.fromkeys(_json_object(line.decode("utf-8", "replace"))))
        except RecordError:
            continue
    if not fields:
        raise FormError(f"{name} has no JSON object on any of its first lines; a table has an object a line")
    return Form(tuple(fields))


def _json_object(line: str) -> dict[str, Any]:
    """The fields of a line; numbers as they are written."""
    try:
        value = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise RecordError("broken") from error
    if not isinstance(value, dict):
        raise RecordError("broken")
    return value


def labelled(text: str, label: str) -> str:
    r"""A text and its label as a brain that learns labels reads them.

    >>> labelled("hello", "greeting")
    'hello\x1fgreeting'
    """
    between = SEPARATOR.decode()
    return between.join(part.replace(between, " ") for part in (text, label))


def _part(values: dict[str, Any], field: str, *, joins: bool = False) -> bytes:
    value = values.get(field)
    if joins and isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"without {field}")
    try:
        data = value.encode("utf-8", "surrogateescape")  # a byte that is not valid UTF-8 stays what it is
    except UnicodeEncodeError:
        data = value.encode("utf-8", "replace")
    return data.replace(SEPARATOR, b" ")
