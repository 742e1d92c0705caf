"""Every kind of source keeps what a Corpus promises: one new file is one kind, and faces this suite."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from daemon.streams.decoding import DecodedCache
from daemon.streams.holdout import HoldOut
from daemon.streams.kinds import settings_of, sources
from daemon.streams.sources import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.streams.corpus import Corpus, Run

KINDS = [entry.name for entry in sources]
# Settings beside the path under which a kind reads the two files below.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "files": [{}],
    "table": [{"label_field": "intent"}, {"order": "shuffled"}],
}
CASES = [(kind, settings) for kind in KINDS for settings in SETTINGS.get(kind, [{}])]
LONGEST = 8192


@pytest.fixture(params=CASES, ids=[f"{kind}-{number}" for number, (kind, _) in enumerate(CASES)])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    kind, settings = request.param
    folder = tmp_path / "data"
    folder.mkdir()
    for name, count in (("a.csv", 2000), ("b.csv", 3)):
        lines = [f"text number {number} of {name},label {number % 5}\n" for number in range(count)]
        (folder / name).write_text("text,intent\n" + "".join(lines))
    return {"kind": kind, "path": str(folder), **settings}


def opened(table: dict[str, Any], folder: Path, share: float = 0.1) -> Corpus:
    (source,) = resolve((), [table])
    corpus: Corpus = sources.get(source.kind).load()(
        source,
        split=HoldOut.of(share),
        cache=DecodedCache(folder / "cache"),
        skip=lambda document, reason: pytest.fail(f"{document}: {reason}"),
        grows=False,
    )
    corpus.list(lambda num_files: None)
    return corpus


def runs(corpus: Corpus) -> Iterator[tuple[str, Run]]:
    for document in corpus.listing.documents:
        offset, size = 0, corpus.size(document)
        while (run := corpus.run(document.name, offset, size, LONGEST)) is not None:
            assert offset <= run.start < run.behind <= size
            yield document.name, run
            offset = run.behind


def test_it_is_described_and_its_settings_have_docstrings() -> None:
    for entry in sources:
        assert entry.summary
        described = inspect.getdoc(entry.config) or ""
        assert all(f"{field.name}:" in described for field in dataclasses.fields(entry.config))


def test_the_same_is_read_in_every_process(table: dict[str, Any], tmp_path: Path) -> None:
    first, second = opened(table, tmp_path), opened(table, tmp_path)
    assert first.listing.fingerprint == second.listing.fingerprint
    found = list(runs(first))
    assert found
    assert found == list(runs(second))
    for _, run in reversed(found):  # in any order, whatever was read before
        whole = first.read(run.document, run.begin, run.end - run.begin)
        assert len(whole) == run.end - run.begin
        assert second.read(run.document, run.begin + 3, 5) == whole[3:8]
    assert first.read("no such document", 0, 5) == b""


def test_runs_belong_to_listed_documents_and_can_be_cut_out(table: dict[str, Any], tmp_path: Path) -> None:
    corpus = opened(table, tmp_path)
    for document, run in runs(corpus):
        assert corpus.locate(run.document, run.begin)[0] == document
    large = corpus.listing.documents[0]
    bound = corpus.bound(large, large.size // 2)
    halves = [
        [run for name, run in runs(corpus) if name == large.name and run.start < bound],
        [run for name, run in runs(corpus) if name == large.name and run.start >= bound],
    ]
    if bound:
        assert all(halves)
        assert corpus.run(large.name, bound, corpus.size(large), LONGEST) == halves[1][0]


def test_what_is_held_out_is_never_read_and_all_the_rest_is(table: dict[str, Any], tmp_path: Path) -> None:
    corpus, whole = opened(table, tmp_path), opened(table, tmp_path, share=0.0)

    def texts(corpus: Corpus) -> list[bytes]:
        return [corpus.read(run.document, run.begin, run.end - run.begin) for _, run in runs(corpus)]

    held_out = corpus.held_out()
    assert corpus.held_out() is held_out
    assert len(held_out) > 0
    assert len(whole.held_out()) == 0
    held = [held_out.read(index)[0] for index in range(len(held_out))]
    assert all(held)
    assert sum(map(len, texts(corpus))) + sum(map(len, held)) == sum(map(len, texts(whole)))


def test_the_fingerprint_follows_the_files(table: dict[str, Any], tmp_path: Path) -> None:
    corpus = opened(table, tmp_path)
    before, held_out = corpus.listing.fingerprint, corpus.held_out()
    (tmp_path / "data" / "c.csv").write_text("text,intent\n" + "one more,of it\n" * 500)
    corpus.list(lambda num_files: None)
    assert corpus.listing.fingerprint != before
    assert corpus.held_out() is not held_out
    assert any(name == "c.csv" for name, _ in runs(corpus))


def test_settings_are_checked_without_opening_anything(table: dict[str, Any]) -> None:
    settings_of(table).check(may_fill=False)
