"""Tables as sources: each record is read whole, once a pass, from wherever a cursor stands."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config.loading import resolve_config
from daemon.errors import ConfigError, StreamError
from daemon.events import DocumentSkipped, SourceChanged
from tests.unit.daemon.streams.opening import Opener, numbered, read_pass, through_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daemon.streams.stream import ExperienceStream

RECORDS = [
    (f'Question {n}, with "quotes"\nand a line {"more " * (n % 40)}', f"label_{n % 7}") for n in range(300)
]


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "home" / "cache")


def write_csv(
    path: Path, records: Sequence[tuple[str, str]] = RECORDS, *, header: bool = True, mode: str = "w"
) -> Path:
    with path.open(mode, newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(("text", "intent"))
        writer.writerows(records)
    return path


def write_jsonl(path: Path, records: Sequence[tuple[str, str]] = RECORDS) -> Path:
    lines = (json.dumps({"intent": label, "text": text}) + "\n" for text, label in records)
    path.write_text("".join(lines))
    return path


def table(path: Path, **settings: Any) -> dict[str, Any]:
    return {"kind": "table", "path": str(path), "label_field": "intent", **settings}


def payloads(records: Sequence[tuple[str, str]] = RECORDS) -> Counter[bytes]:
    return Counter(f"{text}\x1f{label}".encode() for text, label in records)


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
@pytest.mark.parametrize("mix", ["round_robin", "curious"])
@pytest.mark.parametrize("order", ["file", "shuffled"])
def test_every_record_is_a_document_with_its_label(
    tmp_path: Path, opener: Opener, write: Any, mix: str, order: str
) -> None:
    stream = opener(source=(table(write(tmp_path / "intents"), order=order),), mix=mix)
    info = stream.sources[0]
    assert (info.name, info.num_documents, info.num_skipped) == ("intents", len(RECORDS), 0)
    found, _ = read_pass(stream)
    assert found == payloads()


@pytest.mark.parametrize("order", ["file", "shuffled"])
@pytest.mark.parametrize("mix", ["round_robin", "curious"])
def test_a_resume_continues_bit_for_bit(tmp_path: Path, opener: Opener, mix: str, order: str) -> None:
    source = (
        table(write_csv(tmp_path / "a.csv")),
        table(write_jsonl(tmp_path / "b.jsonl"), text_field="text"),
    )
    for sources in (source, source[:1]):
        stream = opener(source=sources, mix=mix, held_out_share=0.1, segment_bytes=16)
        for step in range(60):
            _, cursor = stream.next(range(4))
            if step % 7:
                continue
            other = opener(
                source=sources, mix=mix, held_out_share=0.1, segment_bytes=16, cursor=through_json(cursor)
            )
            expected, reached = stream.next(range(4))
            got, again = other.next(range(4))
            assert got.bytes.tobytes() == expected.bytes.tobytes()
            assert got.document == expected.document
            assert got.reset.tolist() == expected.reset.tolist()
            assert again == reached


def test_one_record_in_a_hundred_is_held_out_and_never_learned(tmp_path: Path, opener: Opener) -> None:
    stream = opener(source=(table(write_csv(tmp_path / "a.csv")),), held_out_share=0.1)
    held_out = stream.held_out(0)
    kept: Counter[bytes] = Counter()
    blocks: dict[str, bytes] = {}
    for index in range(len(held_out)):
        data, name, _ = held_out.read(index)
        blocks[name] = blocks.get(name, b"") + data
    kept.update(blocks.values())
    assert 15 <= len(blocks) <= 50
    found, _ = read_pass(stream)
    assert found.keys() | kept.keys() == payloads().keys()
    assert not found.keys() & kept.keys()


def test_a_record_is_read_to_its_end_before_the_lane_goes_elsewhere(tmp_path: Path, opener: Opener) -> None:
    (tmp_path / "notes.txt").write_bytes(numbered(50_000))
    write_jsonl(tmp_path / "long.jsonl", [("x" * 5000, "a"), ("y" * 5000, "b")] * 3)
    sources = (table(tmp_path / "long.jsonl"), {"kind": "files", "path": str(tmp_path / "notes.txt")})
    stream = opener(source=sources, lanes=1, stretch_bytes=256)
    stream.push(b"pushed", sequence=1, origin="test")
    names = [stream.next([0])[0].document[0] for _ in range(800)]
    runs = [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
    records = [name for name in runs if name.startswith("long.jsonl/")]
    assert len(records) >= 6
    assert max(Counter(records).values()) <= 1 + len(records) // 6, "no record is taken up twice in a pass"
    assert "notes.txt" in runs


def test_bad_records_are_counted_and_reported_once(tmp_path: Path, opener: Opener) -> None:
    lines = [
        '{"text": "a", "intent": "x"}',
        '{"text": "b"}',
        "{",
        '{"text": "c", "intent": "y"}',
        "",
        '{"text": "d"}',
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    stream = opener(source=(table(tmp_path / "t.jsonl"),))
    found, _ = read_pass(stream)
    assert found == Counter([b"a\x1fx", b"c\x1fy"])
    assert stream.sources[0].skipped == {"broken": 1, "without intent": 2}
    assert opener.messages(DocumentSkipped) == [
        "t.jsonl of source t.jsonl: 2 of 5 records skipped: without intent; the first on line 2",
        "t.jsonl of source t.jsonl: 1 of 5 records skipped: broken; the first on line 3",
    ]


def test_a_folder_gives_its_tables_and_passes_over_the_rest(tmp_path: Path, opener: Opener) -> None:
    folder = tmp_path / "all"
    (folder / "sub").mkdir(parents=True)
    write_csv(folder / "a.csv", RECORDS[:5])
    (folder / "sub" / "b.csv.gz").write_bytes(
        gzip.compress(write_csv(tmp_path / "b.csv", RECORDS[5:9]).read_bytes())
    )
    (folder / "latin.tsv").write_bytes(
        "text\tintent\nMünchen grüßt schön und außerdem öfter\tß\n".encode("cp1252")
    )
    (folder / "README.md").write_text("text,intent\nno,record\n")
    (folder / "other.csv").write_text("id,body\n1,2\n")
    stream = opener(source=(table(folder, name="mine"),))
    found, _ = read_pass(stream)
    assert found == payloads([*RECORDS[:9], ("München grüßt schön und außerdem öfter", "ß")])
    assert stream.sources[0].name == "mine"
    assert stream.sources[0].skipped == {"no table": 1}
    assert opener.messages(DocumentSkipped) == [
        "other.csv of source mine: skipped: other.csv has no field 'text'; it has id, body"
    ]


def test_a_sorted_table_is_shuffled_the_same_way_in_every_pass(tmp_path: Path, opener: Opener) -> None:
    path = write_csv(tmp_path / "a.csv", sorted(RECORDS, key=lambda record: record[1]))

    def names(stream: ExperienceStream) -> list[str]:
        found = [stream.next([0])[0].document[0] for _ in range(620)]
        return [name for place, name in enumerate(found) if place == 0 or found[place - 1] != name]

    stream = opener(source=(table(path, order="shuffled"),), lanes=1, segment_bytes=1024)
    read = names(stream)
    starts = [int(name.partition("/")[2]) for name in read[:300]]
    assert len(set(starts)) == 300
    assert sum(later > start for start, later in itertools.pairwise(starts)) < 200, (
        "not the order of the file"
    )
    assert read[300:600] == read[:300]
    assert names(opener(source=(table(path, order="shuffled"),), lanes=1, segment_bytes=1024)) == read


def test_without_a_label_a_record_is_its_text(tmp_path: Path, opener: Opener) -> None:
    stream = opener(source=(table(write_csv(tmp_path / "a.csv"), label_field=None),))
    assert read_pass(stream)[0].keys() == {text.encode() for text, _ in RECORDS}


def test_a_file_that_changes_is_read_again_in_the_next_pass(tmp_path: Path, opener: Opener) -> None:
    path = write_csv(tmp_path / "a.csv", RECORDS[:3])
    stream = opener(source=(table(path),), lanes=1)
    read_pass(stream, 1)
    write_csv(path, RECORDS[10:14])
    texts = b"".join(stream.next([0])[0].bytes.tobytes().rstrip(b"\0") for _ in range(60))
    assert all(payload in texts for payload in payloads(RECORDS[10:14]))
    assert stream.sources[0].num_documents == 4
    assert opener.messages(SourceChanged) == ["Source a.csv changed: 1 changed"]


def rows(stream: ExperienceStream) -> Iterator[bytes]:
    """What a followed source has to read now, record by record."""
    text = b""
    while len((experience := stream.next([0])[0]).length):
        if experience.reset[0] and text:
            yield text
            text = b""
        text += experience.bytes[0, : experience.length[0]].tobytes()
    if text:
        yield text


def test_what_is_appended_is_read_once_it_is_whole(tmp_path: Path, opener: Opener) -> None:
    path = write_csv(tmp_path / "a.csv", RECORDS[:3])
    stream = opener(source=(table(path),), lanes=1, at_end="wait", held_out_share=0.0)
    assert Counter(rows(stream)) == payloads(RECORDS[:3])
    whole = write_csv(tmp_path / "rest.csv", RECORDS[3:6], header=False).read_bytes()
    cut = whole.index(b"\n", len(whole) // 2) + 1  # within quotes: a text has a line end
    seen: Counter[bytes] = Counter()
    for piece in (whole[:cut], whole[cut:-5], whole[-5:]):
        with path.open("ab") as file:
            file.write(piece)
        opener.seconds += 2
        cursor = through_json(stream.cursor())
        stream = opener(source=(table(path),), lanes=1, at_end="wait", cursor=cursor)
        seen.update(rows(stream))
    assert seen == payloads(RECORDS[3:6])
    assert stream.sources[0].num_documents == 6
    write_csv(path, RECORDS[20:22])
    opener.seconds += 2
    assert Counter(rows(stream)) == payloads(RECORDS[20:22])
    assert stream.sources[0].num_documents == 2
    assert opener.messages(DocumentSkipped) == []
    assert "was rewritten" in opener.messages(SourceChanged)[-1]


def test_records_that_are_skipped_make_no_file_one_that_was_passed_over(
    tmp_path: Path, opener: Opener
) -> None:
    path = tmp_path / "grow.jsonl"
    path.write_text("")
    labelled, unlabelled = '{"text": "a", "intent": "b"}\n', '{"text": "a"}\n'
    (tmp_path / "other.jsonl").write_text(labelled + unlabelled)
    stream = opener(source=(table(tmp_path),), lanes=1, at_end="wait", held_out_share=0.0)
    list(rows(stream))
    path.write_text(labelled + unlabelled)
    opener.seconds += 2
    assert list(rows(stream)) == [b"a\x1fb"]
    assert len(opener.messages(DocumentSkipped)) == 2
    assert opener.messages(SourceChanged) == []
    path.unlink()
    opener.seconds += 2
    assert list(rows(stream)) == []
    assert "grow.jsonl cannot be read now" in opener.messages(SourceChanged)[-1]


def test_a_file_without_the_fields_is_read_once_it_has_them(tmp_path: Path, opener: Opener) -> None:
    write_csv(tmp_path / "good.csv", RECORDS[:1])
    path = tmp_path / "late.csv"
    path.write_text("title,intent\na,b\n")
    stream = opener(source=(table(tmp_path),), lanes=1, at_end="wait", held_out_share=0.0)
    list(rows(stream))
    assert opener.messages(SourceChanged) == []
    path.write_text("text,intent\nread,now\n")
    opener.seconds += 2
    assert list(rows(stream)) == [b"read\x1fnow"]
    assert any("late.csv holds text that can be read" in line for line in opener.messages(SourceChanged))


def test_held_out_records_of_a_followed_table_follow_it(tmp_path: Path, opener: Opener) -> None:
    path = write_csv(tmp_path / "a.csv", RECORDS[:100])
    stream = opener(source=(table(path),), lanes=1, at_end="wait", held_out_share=0.2)
    seen = Counter(rows(stream))
    before = len(stream.held_out(0))
    write_csv(path, RECORDS[100:], header=False, mode="a")
    opener.seconds += 2
    seen.update(rows(stream))
    held = {stream.held_out(0).read(index)[1] for index in range(len(stream.held_out(0)))}
    assert before < len(held)
    assert len(held) + seen.total() == len(RECORDS)


def test_a_mistake_in_a_table_is_one_line_before_anything_starts(tmp_path: Path, opener: Opener) -> None:
    path = write_csv(tmp_path / "a.csv")

    def complaint(**settings: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            resolve_config(overrides={"stream.source": [table(path, **settings)]}, environ={})
        return str(caught.value)

    assert (
        complaint(label_field="intnet")
        == "a.csv has no field 'intnet'; it has text, intent; did you mean intent? (command line)"
    )
    (folder := tmp_path / "many").mkdir()
    write_csv(folder / "a.csv")
    (folder / "0.csv").write_text("id,body\n1,2\n")
    resolve_config(overrides={"stream.source": [table(folder)]}, environ={})  # one has them
    (folder / "a.csv").unlink()
    with pytest.raises(ConfigError, match=r"0\.csv has no field 'text'; it has id, body"):
        resolve_config(overrides={"stream.source": [table(folder)]}, environ={})
    assert "stream.source.0: text_field and label_field are the same" in complaint(text_field="intent")
    assert "did you mean stream.source.0.text_field?" in complaint(txt_field="text")
    assert "one of auto, csv, jsonl is expected" in complaint(format="cvs")
    assert "delimiter is ';;'" in complaint(delimiter=";;")
    (tmp_path / "none").mkdir()
    with pytest.raises(StreamError, match=r"no \.csv, \.tsv, \.jsonl, \.ndjson file is in the folder"):
        opener(source=(table(tmp_path / "none"),))
    (tmp_path / "bad.csv").write_text("text,intent\nalone\n")
    with pytest.raises(StreamError, match=r"nothing to read in file .*: 1 without intent"):
        opener(source=(table(tmp_path / "bad.csv"),))


def test_another_kind_for_the_same_file_continues_without_what_was_held(
    tmp_path: Path, opener: Opener
) -> None:
    path = write_csv(tmp_path / "a.csv")
    stream = opener(path)
    cursor = [stream.next(range(4))[1] for _ in range(9)][-1]
    other = opener(source=(table(path),), cursor=through_json(cursor))
    found = {name for _ in range(50) for name in other.next(range(4))[0].document}
    assert all(name.startswith("a.csv/") for name in found)
    assert "its files differ" in opener.messages(SourceChanged)[0]
