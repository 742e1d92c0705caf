"""Where the records of a table end, and what their fields hold."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.streams.record_template import Template
from daemon.streams.table_records import Form, FormError, RecordError, form_of

CSV = Form(("text", "label"), ",")
JSONL = Form(("text", "label"))


def form(head: str, *wanted: str, name: str = "table", kind: str = "auto", delimiter: str = "") -> Form:
    return form_of(head.encode(), name, form=kind, delimiter=delimiter, wanted=wanted, final=True)


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), st.text("a,\"\n;'")),
        max_size=5,
    )
)
def test_records_end_where_the_library_ends_them(rows: list[tuple[str, str]]) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    text, found, begin = written.getvalue().encode(), [], 0
    while begin < len(text):
        end = CSV.end(text, begin, final=True)
        assert end is not None
        assert CSV.end(text[: end - 1], begin, final=False) is None, "its line end is not there yet"
        found.append(CSV._values(text[begin:end]))
        begin = end
    assert [(one["text"], one["label"]) for one in found] == rows


def test_the_delimiter_is_the_one_that_gives_the_wanted_fields() -> None:
    assert form("a;b,c\n1;2\n", "b,c") == Form(("a", "b,c"), ";", 6)
    assert form("a;b,c\n1;2\n", "c").delimiter == ","
    assert form("id\ttext\n", "text", name="x.tsv").fields == ("id", "text")
    assert form("a,b;c\n", "a,b", delimiter=";").fields == ("a,b", "c")


def test_the_format_follows_from_the_name_then_from_the_beginning() -> None:
    line = '{"text": "hi"}\n'
    assert form(line, "text").delimiter == ""
    assert form(line, "text", name="x.jsonl.gz") == Form(("text",))
    assert form("{text}\n", "{text}", name="x.csv").delimiter == ","
    assert form("{text}\n", "{text}", kind="csv").first == 7


def test_what_is_no_table_of_the_fields_is_one_line() -> None:
    with pytest.raises(
        FormError, match=r"^table has no field 'txt'; it has text, intent; did you mean text\?$"
    ):
        form("text,intent\n", "txt")
    with pytest.raises(
        FormError, match=r"no field 'intent'; it has text, label$"
    ):  # text is what is wanted already
        form("text,label\n", "text", "intent")
    with pytest.raises(FormError, match=r"it has text, intent$"):
        form("text,intent\n", "zzz")
    with pytest.raises(FormError, match=r"; its first line names no fields$"):
        form("x" * 43, "text", name="token")
    with pytest.raises(FormError, match="is one JSON array"):
        form('[{"text": 1}]', "text")
    with pytest.raises(FormError, match="an object a line"):
        form('{\n  "text": 1\n}', "text")


def test_a_label_stands_behind_its_text() -> None:
    def payload(line: str, form: Form = JSONL) -> bytes:
        return form.payload(line.encode(), template=Template.of("{text}"), label_field="label")

    assert payload('{"label": 7, "text": "a\\u001fb"}') == b"a b\x1f7"
    assert payload('{"text": "x", "label": 1e5}') == b"x\x1f1e5"  # as it is written
    assert payload('{"text": "x", "label": true}') == b"x\x1ftrue"
    assert payload('"a\n""b"" ",c\r\n', CSV) == b'a\n"b" \x1fc'
    assert payload('{"text": "\\ud800", "label": "x"}') == b"?\x1fx"
    assert payload("\n") == b""
    for line, fault in (
        ('{"text": "x"}', "without label"),
        ('{"text": " ", "label": "x"}', "without text"),
        ('{"text": ["x"], "label": "x"}', "without text"),
        ('{"text": "x", "label": null}', "without label"),
        ('{"text": ', "broken"),
        ("[1]", "broken"),
        ("[" * 100_000, "broken"),
    ):
        with pytest.raises(RecordError, match=fault):
            payload(line)
    with pytest.raises(RecordError, match="without label"):
        payload("alone\n", CSV)


def test_bytes_that_are_no_utf_8_stay_what_they_are() -> None:
    record = b"caf\xe9,x\n"
    assert CSV.payload(record, template=Template.of("{text}"), label_field=None) == b"caf\xe9"
    line = b'{"text": "caf\xe9"}'
    assert JSONL.payload(line, template=Template.of("{text}"), label_field=None) == b"caf\xe9"


def test_a_template_makes_one_text_of_several_fields() -> None:
    template = Template.of("Q: {the question}\nA: {answer}. {{{answer}}}")
    assert template.fields == ("the question", "answer")

    def payload(line: str) -> bytes:
        return JSONL.payload(line.encode(), template=template, label_field=None, joins=True)

    assert (
        payload('{"the question": "why?", "answer": ["so", "thus"]}') == b"Q: why?\nA: so, thus. {so, thus}"
    )
    assert payload("\n") == b""
    for line, fault in (
        ('{"the question": "why?"}', "without answer"),
        ('{"the question": "why?", "answer": []}', "without answer"),
        ('{"the question": "why?", "answer": [null]}', "without answer"),
    ):
        with pytest.raises(RecordError, match=fault):
            payload(line)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("no field", "has no field"),
        ("{}", "more or less than a field's name"),
        ("{a:>9}", "more or less than a field's name"),
        ("{a!r}", "more or less than a field's name"),
        ("{a", "expected '}'"),
    ],
)
def test_a_template_that_is_none_says_how_one_is_written(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"{words}.*; write it as 'Q: {{question}}'$"):
        Template.of(written)
