"""Pushed text, probes and names of sources when something of them is forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np

from brain.memory.forgetting import Track
from brain.memory.selection import Selection
from daemon.erasing_receipts import Receipt
from daemon.streams.cursor import Cursor, Extent, LaneState, PushedText, SourceState, Tail
from daemon.streams.pushed import cursor_edited
from daemon.trainer.erasing.from_checkpoint import blanked, edit_of
from daemon.trainer.measures.frozen_probes import stored_without
from daemon.trainer.state.source_names import SourceNames

TEXT = b"Jolanda answers at 0341 480 2291."


def receipt(kind: str, **changes: Any) -> Receipt:
    return Receipt(run="r", number=9, step=50, time="", kind=kind, asked="pushed", **changes)


def test_a_passage_becomes_blanks_of_its_length() -> None:
    data = b"He said so. " + TEXT + b" And more."
    left = blanked(data, TEXT)
    assert left == b"He said so. " + b" " * len(TEXT) + b" And more."
    assert blanked(TEXT + b"\n", TEXT) is None
    assert blanked(TEXT[:20], TEXT) is None  # a piece of a longer text, sent in parts
    assert blanked(b"nothing of it", TEXT) == b"nothing of it"


def cursor() -> Cursor:
    """A run with one source; of two pushed texts lane 0 reads the first, and lane 1 has just read it."""
    return Cursor(
        rows=0, pass_rows=0, passes=0, held_out_share=0.0, generator={}, mix="sequential", mix_state=None,
        sources=(SourceState("novels", ""),),
        lanes=(LaneState(1), LaneState(1, 8, Tail(1, "pushed/3", 8))),
        held=(Extent("a", 0, 9, 1), Extent("pushed/3", 0, 40, 1), None, Extent("pushed/5", 0, 9, 1)),
        sequence=5, pushed_texts=2, pushed_bytes=60,
        pushed=(PushedText(3, "api", TEXT), PushedText(5, "api", b"so it goes " + TEXT)),
    )  # fmt: skip


def test_no_lane_reads_on_in_a_pushed_text_that_is_gone() -> None:
    after = cursor_edited(cursor(), edit_of(receipt("text", text=TEXT), ()))
    assert [text.sequence for text in after.pushed] == [5]
    assert after.pushed[0].text.rstrip() == b"so it goes"
    assert after.held == (Extent("a", 0, 9, 1), None, None, Extent("pushed/5", 0, 9, 1))
    assert after.lanes[1].tail is None
    assert Cursor.from_json(after.to_json()).pushed == after.pushed


def test_pushed_texts_go_as_a_source_and_by_when_they_came() -> None:
    assert cursor_edited(cursor(), edit_of(receipt("source"), ())).pushed == ()
    since = cursor_edited(cursor(), edit_of(receipt("since", since=40), {5}))
    assert [text.sequence for text in since.pushed] == [3]


def test_probes_lose_rows_or_go() -> None:
    rows = np.zeros((3, 40), np.uint8)
    texts = [b"one line of text", TEXT, b"another line"]
    for row, text in enumerate(texts):
        rows[row, : len(text)] = np.frombuffer(text, np.uint8)
    length = np.array([len(text) for text in texts])
    nats = np.arange(6.0).reshape(3, 2)
    arrays = {"rows|a": rows, "length|a": length, "nats|a": nats}
    arrays |= {"rows|b": rows[1:2], "length|b": length[1:2], "nats|b": nats[1:2]}
    state = {
        "sources": ["a", "b", "pushed"], "next": 3, "fingerprints": {"a": "x", "b": "y"},
        "tracks": {name: vars(Track()) for name in ("a", "b")},
    }  # fmt: skip
    by_text, kept = stored_without(state, arrays, Selection(text=TEXT))
    assert sorted(kept) == ["length|a", "nats|a", "rows|a"]
    assert kept["nats|a"].tolist() == [[0.0, 1.0], [4.0, 5.0]]
    assert (by_text["fingerprints"], by_text["next"], list(by_text["tracks"])) == ({"a": "x"}, 0, ["a"])
    by_source, left = stored_without(state, arrays, Selection(since=3), "a")
    assert sorted(left) == ["length|b", "nats|b", "rows|b"]
    assert by_source["fingerprints"] == {"b": "y"}


def test_numbers_of_sources_mean_what_they_meant_then() -> None:
    first = SourceNames.of({}, 0, ["novels", "pushed"])
    assert first.spans("pushed") == ((1, 0, None),)
    kept = {"source_names": [[0, ["novels", "pushed"]]]}
    later = SourceNames.of(kept, 70, ["news", "novels", "pushed"])
    assert later.spans("novels") == ((0, 0, 70), (1, 70, None))
    assert later.spans("pushed") == ((1, 0, 70), (2, 70, None))
    assert later.spans("nothing") == ()
    assert later.ever == ["news", "novels", "pushed"]
    assert SourceNames.of(later.state(), 90, ["news", "novels", "pushed"]).state() == later.state()
    # A checkpoint from before they were kept knows them by its cursor.
    old = SourceNames.of({"cursor": {"sources": [{"name": "novels"}]}}, 70, ["news", "pushed"])
    assert old.spans("novels") == ((0, 0, 70),)
