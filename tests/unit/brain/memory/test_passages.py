"""Passages are found whole, and in the pieces that borders of rows leave of them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from brain.errors import SettingsError
from brain.memory.passages import PassageSearch, Rows, spans
from brain.memory.selection import Selection, SourceSpan

TEXT = b"Call Jolanda at 0341 480 2291 before noon."
WIDTH = 16


def found(*documents: bytes, text: bytes = TEXT, lost: tuple[int, ...] = ()) -> list[bytes]:
    """Rows that hold the text, of documents cut into rows; rows numbered in `lost` are not there."""
    pieces = [
        (document[begin : begin + WIDTH], source, begin)
        for source, document in enumerate(documents)
        for begin in range(0, len(document), WIDTH)
    ]
    kept = [piece for number, piece in enumerate(pieces) if number not in lost]
    rows = np.zeros((len(kept), WIDTH), np.uint8)
    for row, (data, _, _) in enumerate(kept):
        rows[row, : len(data)] = np.frombuffer(data, np.uint8)
    length, source, offset = (
        np.array(column, np.int64)
        for column in zip(*((len(data), source, begin) for data, source, begin in kept), strict=True)
    )
    search, columns = PassageSearch(text), Rows(rows, length, source, offset, offset * 0)
    for block in np.array_split(np.arange(len(kept)), 3):  # borders between blocks count like all others
        search.look(block, columns.take(block))
    return [kept[key][0] for key in search.found().tolist()]


@pytest.mark.parametrize("before", range(WIDTH))
def test_every_row_that_holds_a_part_is_found_wherever_the_borders_fall(before: int) -> None:
    document = b"x" * before + TEXT + b" and then some more of it" * 3
    end = before + len(TEXT)
    wanted = [
        document[begin : begin + WIDTH]
        for begin in range(0, len(document), WIDTH)
        if min(begin + WIDTH, end) - max(begin, before) >= 2  # a single byte says nothing
    ]
    assert found(b"quite another text that says nothing of it", document) == wanted


def test_a_short_piece_counts_only_where_the_row_beyond_the_border_proves_it() -> None:
    document = b"x" * (WIDTH - 4) + TEXT
    assert document[:WIDTH] in found(document)
    assert document[:WIDTH] not in found(b"y" * 10, document, lost=(2,))
    assert found(b"we all say: Call", b"something else") == []


def test_a_text_shorter_than_two_pieces_is_found_across_a_border() -> None:
    document = b"z" * 11 + b"0341 4802" + b"z" * 20
    assert found(document, text=b"0341 4802") == [document[:16], document[16:32]]


def test_rows_of_another_document_at_the_same_border_prove_nothing() -> None:
    first, second = b"x" * (WIDTH - 4) + TEXT[:4], b"x" * WIDTH + TEXT[4:]
    assert found(first, second) == [
        second[WIDTH : 2 * WIDTH],
        second[2 * WIDTH : 3 * WIDTH],
        second[3 * WIDTH :],
    ]


def test_spans_are_exact_in_random_texts() -> None:
    chooser = random.Random(5)
    for _ in range(200):
        noise = bytes(chooser.choice(b"ab ") for _ in range(60))
        place, cut = chooser.randrange(60), chooser.randrange(len(TEXT) - 8)
        data = noise[:place] + TEXT + noise[place:]
        assert spans(data, TEXT) == [(place, place + len(TEXT))]
        assert spans(TEXT[cut:] + noise, TEXT)[0] == (0, len(TEXT) - cut)
        assert spans(noise + TEXT[: cut + 8], TEXT)[-1] == (60, 68 + cut)
    assert spans(TEXT[5:30], TEXT) == [(0, 25)]
    assert spans(b"Call Jo", TEXT) == []


def test_one_thing_at_a_time_and_no_text_that_stands_everywhere() -> None:
    with pytest.raises(SettingsError, match="at least 8"):
        Selection(text=b"the")
    with pytest.raises(SettingsError, match="one thing"):
        Selection(text=TEXT, since=3)
    with pytest.raises(SettingsError, match="one thing"):
        Selection()


def test_sources_count_within_the_steps_of_their_number() -> None:
    step, source = np.array([0, 5, 5, 9, 9]), np.array([1, 1, 2, 1, 2])
    meant = Selection(sources=(SourceSpan(index=1, before_step=6), SourceSpan(index=2, from_step=6)))
    assert meant.dated(step, source).tolist() == [True, True, False, False, True]
    assert Selection(since=5).dated(step, source).tolist() == [False, True, True, True, True]
