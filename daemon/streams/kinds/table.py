"""Tables: CSV and JSON lines, each record a document; with a label it can be learned as a labelled example."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from daemon.errors import UsageError
from daemon.streams.encodings import HEAD_BYTES, classify
from daemon.streams.kinds import sources
from daemon.streams.record_template import Template
from daemon.streams.table_records import SUFFIXES, Form, FormError, RecordError, form_of
from daemon.system.counting import counted
from daemon.system.paths import as_path, is_folder, shown

_CHECKED_FILES = 1000  # of a folder, before anything starts


@sources.register("table", builds="daemon.streams.table_corpus:corpus_of")
@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Records of CSV, TSV or JSON lines; each is a text of its own, read to its end by one lane.

    Attributes:
        path: file, or folder of such files (`.csv`, `.tsv`, `.jsonl`, `.ndjson`, also with `.gz`).
        name: what the source is called, in weights and reports; empty: as its path.
        text_field: the field that is read.
        template: text made of several fields instead, as `Q: {question} A: {answer}`; a brace itself is doubled.
        label_field: the field with a record's label; its bytes follow the text and a separator byte 0x1F.
        format: how the files are written; `auto` goes by their names, then by how they begin.
        delimiter: separator of CSV fields; empty: detected among comma, semicolon, tab and bar.
        order: `shuffled` reads the records of each file in a random order that is the same in every pass, for files
            sorted by label; a followed table is read in the order of the file.
    """

    path: str
    name: str = ""
    text_field: str = "text"
    template: str = ""
    label_field: str | None = None
    format: Literal["auto", "csv", "jsonl"] = "auto"
    delimiter: str = ""
    order: Literal["file", "shuffled"] = "file"

    def __post_init__(self) -> None:
        if self.template:
            if self._template.fields == (self.label_field,):
                raise ValueError("template has no field but label_field; the label needs a field of its own")
            if self.text_field != "text":
                raise ValueError("template and text_field are both given; name the field in the template")
        elif self.label_field == self.text_field:
            raise ValueError("text_field and label_field are the same; the label needs a field of its own")
        if len(self.delimiter) > 1 or self.delimiter in {'"', "\r", "\n"}:
            raise ValueError(
                f"delimiter is {self.delimiter!r}; it is one character, and no quote or line end"
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that a record must have."""
        text = self._template.fields
        return text if self.label_field is None else (*text, self.label_field)

    @cached_property
    def _template(self) -> Template:
        """Of a single field where none is written."""
        return Template.of(self.template) if self.template else Template((("", self.text_field),))

    def payload(self, form: Form, record: bytes) -> bytes:
        """What is learned of a record: text, or text, 0x1F, label; empty for a blank line. Raises RecordError."""
        return form.payload(
            record, template=self._template, label_field=self.label_field, joins=bool(self.template)
        )

    @property
    def converts(self) -> bool:
        """A table is text as it stands."""
        return False

    @property
    def has_labels(self) -> bool:
        """A field holds them."""
        return self.label_field is not None

    def form_of(self, head: bytes, name: str, *, final: bool) -> Form:
        """How a file is written, from the beginning of its text; raises FormError."""
        return form_of(
            head, name, form=self.format, delimiter=self.delimiter, wanted=self.fields, final=final
        )

    def check(self, *, may_fill: bool) -> None:
        """Look for the fields, and a record unless the files `may_fill`, until a file has them.

        What is packed or in another encoding is left to the trainer.

        Raises:
            UsageError: none has; names the nearest field of the first, or what is wrong with its records.
        """
        path = as_path(self.path)
        files = [path]
        if is_folder(path):
            some = itertools.islice(path.rglob("*"), _CHECKED_FILES)
            files = sorted(file for file in some if file.name.endswith(SUFFIXES) and file.is_file())
        complaint = ""
        for file in files:
            try:
                with file.open("rb") as opened:
                    head = opened.read(HEAD_BYTES)
            except OSError:
                continue  # reported when it is listed
            verdict = classify(head)
            if verdict.skip is None and not verdict.plain:
                return
            if verdict.skip is None:
                text, final = head[verdict.begin :], len(head) < HEAD_BYTES
                try:
                    form = self.form_of(text, shown(file.name), final=final)
                except FormError as error:
                    complaint = complaint or str(error)
                    continue
                if may_fill or not final or not (found := self._without_records(form, text)):
                    return
                complaint = complaint or f"nothing to read in {shown(file.name)}: {found}"
        if complaint:
            raise UsageError(complaint)

    def _without_records(self, form: Form, text: bytes) -> str:
        """What a whole text holds instead of a record that can be read; empty where it holds one."""
        faults: Counter[str] = Counter()
        begin = form.first
        while (end := form.end(text, begin, final=True)) is not None and end > begin:
            try:
                if self.payload(form, text[begin:end]):
                    return ""
            except RecordError as error:
                faults[str(error)] += 1
            begin = end
        if not faults:
            return "only a header line" if form.delimiter else "no records"
        return ", ".join(f"{counted(count, 'record')} {fault}" for fault, count in sorted(faults.items()))
