"""Converts the tables of an older hippocampus to today's form.

The older form did not know where contexts branched: its gates, trust and match probabilities serve each kind of
branching at first. Its past was longer for the same room: the newest part is kept, and pointers behind it are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.memory.hippocampus import context_tables as tables
from brain.memory.hippocampus.config import MEMORY_PREFIX, ORIGIN_PREFIX
from brain.memory.hippocampus.origins import note_left

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

_GATES = 256 + tables.LENGTHS * tables.KINDS + 2 * 256 + 8 * 256  # rows without branching


def upgraded(stored: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`stored` tensors of a brain, those of a hippocampus without branching as `own` has them; others as they are.

    What does not fit in any other way is left, for whoever adopts it to see.
    """
    found = {
        name: stored.get(MEMORY_PREFIX + name)
        for name in ("gates", "trust", "matches", "heads", "past", "stand")
    }
    gates, past, now = found["gates"], found["past"], own.get(MEMORY_PREFIX + "past")
    if gates is None or past is None or now is None or MEMORY_PREFIX + "branches" in stored:
        return stored
    if len(gates) != _GATES or len(past) != len(now) or any(one is None for one in found.values()):
        return stored
    arrays = {name: one.numpy() for name, one in found.items() if one is not None}
    read = arrays["stand"][:, tables.READ]
    size = now.shape[1]
    stand = arrays["stand"].copy()
    stand[:, tables.MATCH] = _pointers(stand[:, tables.MATCH], read, past.shape[1], size)
    stand[stand[:, tables.MATCH] == 0, tables.LENGTH] = 0
    begin, end = tables.BY_MATCH, tables.BY_MATCH + tables.LENGTHS * tables.KINDS
    made = {
        "gates": np.concatenate(
            [arrays["gates"][:begin], _by_branching(arrays["gates"][begin:end]), arrays["gates"][end:]]
        ),
        "trust": _by_branching(arrays["trust"]),
        "matches": arrays["matches"].repeat(tables.BRANCHINGS),
        "heads": _pointers(arrays["heads"], read, past.shape[1], size),
        "past": np.stack([_newest(*one, size) for one in zip(arrays["past"], read, strict=True)]),
        "branches": np.zeros((len(past), size), np.uint8),
        "stand": stand,
    }
    return {
        **stored,
        **{MEMORY_PREFIX + name: torch.from_numpy(table) for name, table in made.items()},
        MEMORY_PREFIX + "disputes": own[MEMORY_PREFIX + "disputes"],  # they mean something else now
        **_origins(stored, own),
    }


def _by_branching(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows by length and known contexts, as rows by length, branching and known contexts."""
    by_length = rows.reshape(tables.LENGTHS, tables.KINDS, -1)
    return by_length.repeat(tables.BRANCHINGS, axis=0).reshape(-1, rows.shape[1])


def _newest(ring: NDArray[np.generic], count: int, size: int) -> NDArray[np.generic]:
    """A ring of `size` of what stands in another, of which `count` were ever noted, its newest."""
    made = np.zeros((size, *ring.shape[1:]), ring.dtype)
    kept = np.arange(max(0, count - min(size, len(ring))), count)
    made[kept % size] = ring[kept % len(ring)]
    return made


def _pointers(flat: NDArray[np.int64], read: NDArray[np.int64], before: int, size: int) -> NDArray[np.int64]:
    """Places in rings of `size` of what was pointed at in rings of another, plus one; 0 where that is gone."""
    lane, place = np.divmod(np.maximum(flat.astype(np.int64), 1) - 1, before)
    newest = read[lane]
    byte = newest - 1 - (newest - 1 - place) % before
    there = (flat > 0) & (byte >= np.maximum(0, newest - size))
    return np.where(there, lane * size + byte % size + 1, 0).astype(flat.dtype)


def _origins(stored: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the past was read from, in the rings of today."""
    names = [ORIGIN_PREFIX + name for name in ("rows", "count", "left")]
    if any(name not in stored or name not in own for name in names):
        return {}
    rows, count, left = (stored[name].numpy() for name in names)
    size, left = own[names[0]].shape[1], left.copy()
    for ring, number in zip(rows, count, strict=True):
        gone = ring[np.arange(max(0, number - len(ring)), max(0, number - size)) % len(ring)]
        note_left(left, gone)
    made = np.stack([_newest(ring, int(number), size) for ring, number in zip(rows, count, strict=True)])
    return {names[0]: torch.from_numpy(made), names[2]: torch.from_numpy(left)}
