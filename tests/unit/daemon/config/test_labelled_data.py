"""Data of a brain that learns labels: the built-in table, and tables given as plain paths."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from daemon.config.loading import override_config
from tests.unit.daemon.config.test_loading import complaint, resolve

REFLEX = {"brain.kind": "reflex"}


def table(tmp_path: Path, head: str, *, name: str = "mine.csv") -> str:
    path = tmp_path / name
    text = f"{head}\nhello,greeting,1\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return str(path)


def sources(path: str, **asked: Any) -> list[dict[str, Any]]:
    return [dict(one) for one in resolve({**REFLEX, "stream.data": [path], **asked}).stream.source]


def test_without_data_it_learns_the_table_built_into_its_kind() -> None:
    config = resolve(REFLEX)
    (source,) = config.stream.source
    assert Path(source["path"]).name == "intents.csv"
    assert (source["label_field"], source["order"], config.preset) == ("intent", "shuffled", "reflex")
    assert override_config(config, {"seed": 4}).stream.source == config.stream.source


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        ("text,category,number", ("text", "category")),
        ("Intent,number,Utterance", ("Utterance", "Intent")),
        ("question,kind,label", ("question", "label")),
    ],
)
def test_fields_are_found_by_their_usual_names(tmp_path: Path, head: str, fields: tuple[str, str]) -> None:
    (source,) = sources(table(tmp_path, head))
    assert (source["text_field"], source["label_field"], source["order"]) == (*fields, "shuffled")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1251"])
def test_a_table_in_another_encoding_is_read_as_the_stream_reads_it(tmp_path: Path, encoding: str) -> None:
    rows = "".join(f"Где моя карта, я потерял её в прошлый вторник {row},потеря\n" for row in range(40))
    (tmp_path / "t.csv").write_text(f"что сказано,Label\n{rows}", encoding=encoding)
    (source,) = sources(str(tmp_path / "t.csv"))
    assert (source["text_field"], source["label_field"]) == ("что сказано", "Label")


def test_of_two_fields_the_other_is_the_other(tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_text('{"what": "hello", "intent": "greeting"}\n')
    (source,) = sources(str(path))
    assert (source["text_field"], source["label_field"]) == ("what", "intent")


def test_a_packed_table_and_a_followed_one_are_tables_too(tmp_path: Path) -> None:
    (source,) = sources(table(tmp_path, "text,label,n", name="t.csv.gz"), **{"stream.at_end": "wait"})
    assert (source["label_field"], source["order"]) == ("label", "file")


def test_fields_that_could_be_anything_are_listed(tmp_path: Path) -> None:
    path = table(tmp_path, "a,b,c")
    message = complaint({**REFLEX, "stream.data": [path]})
    assert (
        f"{path} has the fields a, b, c; their names do not show which is the text and which is the label"
        in message
    )
    assert "(command line); name them: --set 'stream.source=" in message


def test_what_is_no_table_has_no_labels(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no label in here")
    assert "no source has any" in complaint({**REFLEX, "stream.data": [str(tmp_path / "notes.txt")]})


def test_other_data_takes_the_place_of_the_tables_before(tmp_path: Path) -> None:
    config = resolve(REFLEX)
    own = table(tmp_path, "text,label,n")
    (source,) = override_config(config, {"stream.data": [own]}).stream.source
    assert source["path"] == own


def test_a_language_brain_reads_a_table_as_plain_text(tmp_path: Path) -> None:
    config = resolve({"brain.kind": "synapse", "stream.data": [table(tmp_path, "text,label,n")]})
    assert (len(config.stream.data), config.stream.source) == (1, ())


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"", "a.csv is empty; a table has a header line"),
        ("a.csv", b" \n\n", "a.csv is empty"),
        ("a.jsonl", b'[{"text": "a", "label": "b"}]', "a.jsonl is one JSON array; .*jq"),
        ("a.json", b'["a", "b"]', "a.json is one JSON array; .*jq"),
        ("a.csv", b"\0\1\2", "a.csv is not text"),
        ("a.csv", b"%PDF-1.4 text,label", "a.csv is not text"),
        ("a.csv.gz", b"\x1f\x8bno gzip", "cannot read .*a.csv.gz: its gzip data is damaged"),
        (
            "a.csv",
            b"this is a whole sentence and no name of a field\n",
            "has the fields none; their names do",
        ),
    ],
)
def test_what_is_no_table_is_refused_with_what_it_is(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert re.search(why, complaint({**REFLEX, "stream.data": [str(tmp_path / name)]}))


def test_json_lines_may_be_called_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"text": "hello", "label": "greeting"}\n')
    (source,) = sources(str(tmp_path / "a.json"))
    assert (source["text_field"], source["label_field"]) == ("text", "label")
