"""A hippocampus that did not know where contexts branch, in the tables of one that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from brain.memory.hippocampus import context_tables as tables
from brain.memory.hippocampus.config import Sizes
from brain.memory.hippocampus.exact_memory import Hippocampus
from brain.memory.hippocampus.older_tables import upgraded

if TYPE_CHECKING:
    from torch import Tensor

TEXT = b"The lighthouse keeper wrote down 7719 ships before the winter of that year.\n"
OTHER = b"Nobody in the village below ever learned what the numbers in his book were for. "
PAST = 512


def memory_that_read(past: int, *texts: bytes) -> Hippocampus:
    memory = Hippocampus(Sizes(buckets=1 << 12, heads=1 << 10, past=past), lanes=2)
    for step, text in enumerate(texts):
        row = torch.frombuffer(bytearray(text), dtype=torch.uint8)[None]
        network = torch.full((*row.shape, 8), 0.5)
        memory.read(
            row, row >= 0, torch.tensor([1]), torch.tensor([step == 0]), network, learn=True, step=step
        )
    return memory


def as_before(memory: Hippocampus) -> dict[str, Tensor]:
    """Its tensors as they were stored before branching was known: what each kind of it has is that of none."""
    stored = {name: tensor.clone() for name, tensor in memory.tensors().items()}
    del stored["hippocampus|branches"]
    by_match = slice(tables.BY_MATCH, tables.BY_LAST)
    gates = stored["hippocampus|gates"]
    kept = gates[by_match].reshape(tables.LENGTHS, tables.BRANCHINGS, tables.KINDS, -1)[:, 0].flatten(0, 1)
    stored["hippocampus|gates"] = torch.cat([gates[: tables.BY_MATCH], kept, gates[tables.BY_LAST :]])
    trust = stored["hippocampus|trust"].reshape(tables.LENGTHS, tables.BRANCHINGS, tables.KINDS, -1)
    stored["hippocampus|trust"] = trust[:, 0].flatten(0, 1)
    for name in ("matches", "disputes"):
        stored[f"hippocampus|{name}"] = stored[f"hippocampus|{name}"][:: tables.BRANCHINGS].clone()
    return stored


def adopt(stored: dict[str, Tensor], past: int) -> Hippocampus:
    memory = Hippocampus(Sizes(buckets=1 << 12, heads=1 << 10, past=past), lanes=2)
    made = upgraded(stored, memory.tensors())
    memory.check(made)
    for name, tensor in memory.tensors().items():
        assert made[name].dtype == tensor.dtype
        tensor.copy_(made[name])
    return memory


@pytest.mark.parametrize("past", [PAST, 2 * PAST])
def test_it_finds_what_it_read_last_and_when(past: int) -> None:
    before = memory_that_read(2 * PAST, *[OTHER] * 20, TEXT, OTHER)
    memory = adopt(as_before(before), past)
    reader, row = memory.reader(1), torch.frombuffer(bytearray(TEXT[:33]), dtype=torch.uint8)[None]
    reader.read(row, row >= 0, torch.full((*row.shape, 8), 0.5))
    made = b""
    for _ in range(4):
        byte = reader.predict(torch.full((1, 256), 1 / 256)).argmax(dim=-1).to(torch.uint8)
        made += bytes(byte.tolist())
        passage = reader.match()
        assert passage is not None
        assert passage.step == 20
        reader.read(byte[None], byte[None] >= 0, torch.full((1, 1, 8), 0.5))
    assert made == b"7719"


def test_nothing_points_to_what_is_gone() -> None:
    memory = adopt(as_before(memory_that_read(2 * PAST, TEXT, *[OTHER] * 9)), PAST)
    kept = memory.tables.past[1].tobytes()
    assert TEXT not in kept + kept
    for pointer in memory.tables.heads[memory.tables.heads > 0].tolist():
        lane, place = divmod(pointer - 1, PAST)
        assert lane == 1
        assert memory.tables.past[lane, place] != 0


def test_what_is_of_today_or_of_no_memory_is_left_as_it_is() -> None:
    memory = memory_that_read(PAST, TEXT)
    stored = memory.tensors()
    assert upgraded(stored, memory.tensors()) is stored
    stored = {"hidden.weight|momentum": torch.ones(2)}
    assert upgraded(stored, memory.tensors()) is stored
