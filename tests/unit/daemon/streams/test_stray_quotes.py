"""A quote too many in a table of CSV costs its own record, is reported with its line, and swallows no other."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.loading import resolve_config
from daemon.errors import ConfigError
from daemon.events import DocumentSkipped
from daemon.streams.quotes import MANY_LINES, holds_records
from tests.unit.daemon.streams.opening import Opener, read_pass

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.streams.stream import ExperienceStream

NUM_ROWS = 300
STRAY_LINE = 107


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "cache")


def lines(delimiter: str = ",") -> list[str]:
    """A header, and rows of which every twentieth has to be quoted."""
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\n")
    writer.writerow(("text", "intent"))
    writer.writerows(
        (f"row {n}{delimiter * (n % 20 == 0)} of many", f"label_{n % 7}") for n in range(NUM_ROWS)
    )
    return written.getvalue().splitlines(keepends=True)


def table(path: Path, **settings: Any) -> dict[str, Any]:
    return {"kind": "table", "path": str(path), "label_field": "intent", **settings}


def texts(stream: ExperienceStream) -> set[str]:
    return {data.decode() for data in read_pass(stream, 1)[0]}


@pytest.mark.parametrize(
    ("order", "label_field"), [("file", "intent"), ("shuffled", "intent"), ("file", None)]
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("place", ["first in a field", "last in a quoted field"])
def test_a_stray_quote_costs_one_record(
    tmp_path: Path, opener: Opener, *, order: str, label_field: str | None, delimiter: str, place: str
) -> None:
    rows, name = lines(delimiter), "table"
    text, _, label = rows[STRAY_LINE - 1].partition(delimiter)
    rows[STRAY_LINE - 1] = (
        f'"{text}{delimiter}{label}' if place.startswith("first") else f'"{text}""{delimiter}{label}'
    )
    (tmp_path / name).write_text("".join(rows))
    stream = opener(source=(table(tmp_path / name, order=order, label_field=label_field),), lanes=1)
    assert stream.sources[0].num_documents == NUM_ROWS - 1
    assert stream.sources[0].skipped == {"with a quote that is not closed": 1}
    assert opener.messages(DocumentSkipped) == [
        f"{name} of source {name}: 1 of 300 records skipped: with a quote that is not closed; the first on line 107"
    ]
    read = texts(stream)
    assert len(read) == NUM_ROWS - 1
    assert not any("\n" in one for one in read if label_field)


def test_a_quote_that_nothing_closes_costs_one_record(tmp_path: Path, opener: Opener) -> None:
    rows = [row for row in lines() if '"' not in row]
    (tmp_path / "a.csv").write_text("".join([*rows[:5], '"' + rows[5], *rows[6:]]))
    stream = opener(source=(table(tmp_path / "a.csv"),), lanes=1)
    assert stream.sources[0].num_documents == len(rows) - 2
    assert (
        "1 of 285 records skipped: with a quote that is not closed; the first on line 6"
        in (opener.messages(DocumentSkipped)[0])
    )


def test_a_text_that_ends_within_quotes_is_one_record(tmp_path: Path, opener: Opener) -> None:
    (tmp_path / "a.csv").write_text('text,intent\nwhole,x\n"cut off\nin the middle of\na text, of prose, and')
    stream = opener(source=(table(tmp_path / "a.csv"),), lanes=1)
    assert texts(stream) == {"whole\x1fx"}
    assert opener.messages(DocumentSkipped) == [
        "a.csv of source a.csv: 1 of 2 records skipped: with a quote that is not closed; the first on lines 3 to 5"
    ]


def test_a_file_that_is_one_unclosed_quote_is_refused_by_what_is_wrong(tmp_path: Path) -> None:
    def refusal() -> str:
        with pytest.raises(ConfigError) as caught:
            resolve_config(overrides={"stream.source": [table(tmp_path / "a.csv")]}, environ={})
        return str(caught.value)

    (tmp_path / "a.csv").write_text('text,intent\n"one\ntwo\nthree\n')
    assert "nothing to read in a.csv: 1 record with a quote that is not closed" in refusal()
    (tmp_path / "a.csv").write_text('"text,intent\none,x\ntwo,y\n')
    assert "a.csv has no field 'text'; its first line has a quote that is not closed" in refusal()


def test_quotes_that_move_the_label_cost_their_record(tmp_path: Path, opener: Opener) -> None:
    (tmp_path / "a.csv").write_text(
        'text,intent\n"he said "so", and left",x\n"he said "so" and left",y\n5" wide,z\n'
    )
    stream = opener(source=(table(tmp_path / "a.csv"),), lanes=1)
    assert texts(stream) == {'he said so" and left"\x1fy', '5" wide\x1fz'}
    assert (
        "1 of 3 records skipped: with a stray quote; the first on line 2"
        in opener.messages(DocumentSkipped)[0]
    )


def test_two_stray_quotes_that_look_like_a_pair_are_reported(tmp_path: Path, opener: Opener) -> None:
    rows = [row for row in lines() if '"' not in row]
    rows[5], rows[30] = '"' + rows[5], rows[30].replace(",", '",')
    (tmp_path / "a.csv").write_text("".join(rows))
    stream = opener(source=(table(tmp_path / "a.csv"),), lanes=1)
    assert stream.sources[0].num_documents == len(rows) - 26
    assert opener.messages(DocumentSkipped) == [
        (
            "a.csv of source a.csv: 1 of 260 records taken as they are, holding many lines that look like records, as "
            "if a quote was missing; the first on lines 6 to 31"
        )
    ]


def test_texts_of_many_lines_are_no_reason_to_warn(tmp_path: Path, opener: Opener) -> None:
    poem = "\n".join(f"line {n}{', and more' * (n % 3)}" for n in range(60))
    few = "\n".join(["a,b"] * MANY_LINES)
    code = "\n".join(['print("a", "b")', "", 'x = ["", "c"]'] * 20)
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("text", "intent"), (poem, "p"), (few, "f"), (code, "c"), ("\n" * 40, "n")]
        )
    stream = opener(source=(table(tmp_path / "a.csv"),), lanes=1)
    assert {text.partition("\x1f")[2] for text in texts(stream)} == {"p", "f", "c"}
    assert [line for line in opener.messages(DocumentSkipped) if "quote" in line] == []


def test_a_table_of_one_field_has_no_lines_that_look_like_records() -> None:
    record = ('"' + "a line\n" * 40 + '"\n').encode()
    assert not holds_records(record, delimiter=",", num_fields=1)
    assert holds_records(record.replace(b" ", b","), delimiter=",", num_fields=2)


def test_a_followed_table_goes_on_behind_stray_quotes(tmp_path: Path, opener: Opener) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,intent\n5" wide,x\n')
    stream = opener(source=(table(path),), lanes=1, at_end="wait")

    def next_texts() -> list[str]:
        opener.seconds += 2.0
        found = []
        while len((experience := stream.next([0])[0]).length):
            found.append(experience.bytes[0, : experience.length[0]].tobytes().decode())
        return found

    def append(text: str) -> None:
        with path.open("a") as file:
            file.write(text)

    assert next_texts() == ['5" wide\x1fx'], "a quote within a text opens nothing"
    append('"swallows,x\n' + "plain,y\n" * (MANY_LINES + 1))
    assert next_texts() == []
    assert opener.messages(DocumentSkipped) == [
        (
            "a.csv of source a.csv: the record on line 3 has a quote that is not closed yet; what follows is read "
            "once it is, or after 16 MiB"
        )
    ]
    append('"quoted, rightly",z\n')
    assert next_texts() == ["plain\x1fy"] * (MANY_LINES + 1) + ["quoted, rightly\x1fz"]
    assert "with a quote that is not closed; the first on line 3" in opener.messages(DocumentSkipped)[-1]
