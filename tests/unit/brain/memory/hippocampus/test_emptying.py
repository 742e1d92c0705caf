"""What the hippocampus is told to forget it can no longer complete; what else it knew it still knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from brain.memory.hippocampus import context_tables as tables
from brain.memory.hippocampus import emptying
from brain.memory.hippocampus.compiled import loops
from brain.memory.hippocampus.config import Sizes
from brain.memory.hippocampus.exact_memory import Hippocampus
from brain.memory.selection import Selection, SourceSpan

SIZES = Sizes(buckets=1 << 15, heads=1 << 12, past=1 << 13)
ROW = 32
SECRET = b"Jolanda answers the bakery's telephone at 0341 480 2291 before noon."
KNOWN = b"My name is Ada Lovelace. The engine in London has the number 0171 555 0123 on it."
FILLER = b"The loom weaves flowers and leaves, and so on it goes from one day to the next. "


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    assert loops().ready.wait(120)


class Reader:
    """Lanes that read texts by rows of 32 bytes, beside a network that knows nothing."""

    def __init__(self, lanes: int = 1, sizes: Sizes = SIZES) -> None:
        self.memory = Hippocampus(sizes, lanes=lanes)
        self.step = 0

    def read(self, text: bytes, *, lane: int = 0, source: int = 0, jump: bool = True) -> None:
        for begin in range(0, len(text), ROW):
            row = torch.frombuffer(bytearray(text[begin : begin + ROW]), dtype=torch.uint8)[None]
            self.memory.read(
                row,
                row >= 0,
                torch.tensor([lane]),
                torch.tensor([jump and begin == 0]),
                torch.full((*row.shape, 8), 0.5),
                learn=True,
                source=torch.tensor([source]),
                step=self.step,
            )
            self.step += 1

    def complete(self, prompt: bytes, count: int) -> bytes:
        reader, made, uniform = self.memory.reader(1), b"", torch.full((1, 256), 1 / 256)
        row = torch.frombuffer(bytearray(prompt), dtype=torch.uint8)[None]
        reader.read(row, row >= 0, torch.full((*row.shape, 8), 0.5))
        for _ in range(count):
            byte = reader.predict(uniform).argmax(dim=-1).to(torch.uint8)
            made += bytes(byte.tolist())
            reader.read(byte[:, None], byte[:, None] >= 0, torch.full((1, 1, 8), 0.5))
        return made

    def nats(self, text: bytes) -> float:
        row = torch.frombuffer(bytearray(text), dtype=torch.uint8)[None]
        mixed = self.memory.reader(1).read(row, row >= 0, torch.full((*row.shape, 8), 0.5))
        return float(mixed.nats.sum())

    def knows_secret(self) -> bool:
        return self.complete(b"the bakery's telephone at ", 13) == b"0341 480 2291"

    def knows_the_other(self) -> bool:
        return self.complete(b"in London has the number ", 13) == b"0171 555 0123"

    def past(self) -> bytes:
        return self.memory.tables.past.tobytes()


def taught_both(reader: Reader) -> Reader:
    reader.read(FILLER * 4 + KNOWN + FILLER + SECRET + FILLER * 3)
    assert reader.knows_secret()
    assert reader.knows_the_other()
    return reader


def test_a_passage_read_once_is_completed_before_and_not_after() -> None:
    reader = taught_both(Reader())
    erased = reader.memory.forget(Selection(text=SECRET))
    assert erased.num_bytes == len(SECRET)
    assert erased.num_buckets > 0
    assert not reader.knows_secret()
    assert reader.knows_the_other()
    assert b"0341 480 2291" not in reader.past()
    # Not merely less sure of it: it fares no better than with a number that it never read.
    other = b"Jolanda answers the bakery's telephone at 0762 913 5548 before noon."
    assert reader.nats(SECRET) > 0.9 * reader.nats(other)
    assert b"0341" not in b"".join(reader.complete(SECRET[:cut], 30) for cut in range(4, 40, 3))
    reader.memory.check(reader.memory.tensors())


def test_what_was_overwritten_in_the_past_is_still_erased_from_the_histories() -> None:
    reader = taught_both(Reader(sizes=Sizes(buckets=1 << 17, heads=1 << 12, past=1 << 9)))
    reader.read(FILLER * 8)
    assert b"0341 480 2291" not in reader.past()
    assert reader.knows_secret()
    assert reader.memory.forget(Selection(text=SECRET)).num_bytes == 0
    assert not reader.knows_secret()
    assert reader.knows_the_other()


def test_pieces_that_two_lanes_read_are_found_at_their_jumps() -> None:
    reader = Reader(lanes=2)
    cut = SECRET.index(b"480")
    reader.read(FILLER + SECRET[:cut])
    reader.read(SECRET[cut:] + FILLER, lane=1)
    reader.read(FILLER)
    assert reader.memory.forget(Selection(text=SECRET)).num_bytes == len(SECRET)
    assert b"telephone" not in reader.past()
    assert b"480 2291" not in reader.past()


def test_a_lane_that_stands_in_it_goes_on_behind_a_jump() -> None:
    reader, fresh = taught_both(Reader()), Reader()
    reader.read(SECRET[:50], jump=False)
    reader.memory.forget(Selection(text=SECRET))
    assert reader.memory.lanes.stand[0, tables.SINCE] == 0
    assert not reader.memory.lanes.stand[0, tables.MATCH :].any()
    fresh.read(FILLER)
    assert reader.memory.lanes.stand[0, tables.READ] > 0


def test_a_source_is_forgotten_and_the_others_stay() -> None:
    reader = Reader(lanes=2)
    reader.read(FILLER * 3 + KNOWN, source=0)
    reader.read(SECRET + FILLER, lane=1, source=1)
    reader.read(FILLER * 2, source=0, jump=False)
    assert reader.knows_secret()
    erased = reader.memory.forget(Selection(sources=(SourceSpan(index=1),)))
    assert not erased.emptied
    assert erased.num_bytes == len(SECRET + FILLER)
    assert not reader.knows_secret()
    assert reader.knows_the_other()


def test_what_was_read_since_a_step_is_forgotten() -> None:
    reader = Reader()
    reader.read(FILLER * 3 + KNOWN)
    since = reader.step
    reader.read(SECRET + FILLER, jump=False)
    erased = reader.memory.forget(Selection(since=since))
    assert (erased.emptied, erased.num_bytes) == (False, len(SECRET + FILLER))
    assert not reader.knows_secret()
    assert reader.knows_the_other()


@pytest.mark.parametrize("undated", [False, True])
def test_where_nobody_knows_any_more_what_was_meant_all_is_given_up(undated: bool) -> None:
    reader = Reader(sizes=Sizes(buckets=1 << 15, heads=1 << 12, past=1 << 10))
    reader.read(SECRET, source=1)
    reader.read(FILLER * (3 if undated else 40), source=0)
    if undated:  # as in a checkpoint from before rows were dated
        reader.memory.origins.clear()
        reader.read(FILLER, source=0)
    erased = reader.memory.forget(Selection(sources=(SourceSpan(index=1),)))
    assert erased.emptied
    empty = Hippocampus(Sizes(buckets=1 << 15, heads=1 << 12, past=1 << 10), lanes=1)
    for name, tensor in reader.memory.tensors().items():
        assert torch.equal(tensor, empty.tensors()[name]), name


def test_a_source_that_was_never_read_costs_nothing() -> None:
    reader = taught_both(Reader())
    before = {name: tensor.clone() for name, tensor in reader.memory.tensors().items()}
    assert reader.memory.forget(Selection(sources=(SourceSpan(index=7),))) == emptying.Erased()
    same = [name for name, tensor in reader.memory.tensors().items() if torch.equal(tensor, before[name])]
    assert set(before) - set(same) == {"hippocampus|stand"}


def test_compiled_and_as_it_stands_the_loop_empties_the_same_buckets() -> None:
    results: list[Any] = []
    for loop in (emptying.empty_buckets_of, emptying._compiled()):
        reader = taught_both(Reader())
        lanes = tables.fresh_lanes(np.zeros((1, 512), np.uint8))
        text = np.frombuffer(SECRET, np.uint8)
        loop(reader.memory.tables, lanes, tables.new_scratch(), text, 5)
        results.append(reader.memory.tables.buckets)
    assert np.array_equal(*results)


def test_origins_survive_with_the_memory() -> None:
    reader, other = Reader(lanes=2), Reader(lanes=2)
    reader.read(FILLER * 3 + KNOWN, source=0)
    reader.read(SECRET, lane=1, source=1)
    for name, tensor in other.memory.tensors().items():
        tensor.copy_(reader.memory.tensors()[name])
    selection = Selection(sources=(SourceSpan(index=1),))
    assert other.memory.forget(selection) == reader.memory.forget(selection)
    for name, tensor in other.memory.tensors().items():
        assert torch.equal(tensor, reader.memory.tensors()[name]), name
