"""A stored state made to fit a brain: what is missing or has another form now starts over, and is reported.

They differ where a resume changes the optimizer, its plasticity or the number of rows, or where a single-file
checkpoint lacks them. Averages, and the weights that L2-Init draws back to, begin at the stored weights and never at
those of a newborn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from brain.averaging.averages import PREFIX as AVERAGE_PREFIX
from brain.growth.operators import STEP
from brain.memory.hippocampus.config import MEMORY_PREFIX, ORIGIN_PREFIX
from brain.memory.hippocampus.older_tables import upgraded
from brain.plasticity.lasting_plasticity import KNOWN_PREFIX, START_PREFIX
from brain.ports import CARRIED

if TYPE_CHECKING:
    from brain.ports import BrainState

_MOMENTS = "no prefix"
_OF_WEIGHTS = (AVERAGE_PREFIX, START_PREFIX)
_ANEW = {
    CARRIED: "the carried state of the lanes does not fit the checkpoint and starts over",
    AVERAGE_PREFIX: "the slow weights do not fit the checkpoint and begin at its weights",
    START_PREFIX: "optimizer.plasticity.l2_init pulls towards the checkpoint's weights: it lacks the first ones",
    KNOWN_PREFIX: "the checkpoint does not say how useful each unit is; that is measured again",
    MEMORY_PREFIX: "the hippocampus does not fit the checkpoint and begins empty",
    ORIGIN_PREFIX: "the hippocampus lacks sources and times: forgetting by source or time will empty it",
    _MOMENTS: "optimizer state does not fit the checkpoint and starts over",
}


def adopted(stored: BrainState, own: BrainState) -> tuple[BrainState, tuple[str, ...]]:
    """`stored` with a tensor of `learning` for each of `own`, and in words what starts over."""
    stored = replace(stored, learning=dict(upgraded(stored.learning, own.learning)))
    found = {name: _continued(name, stored, own) for name in own.learning}
    of_memory = [name for name in found if _part(name) == MEMORY_PREFIX]
    if any(found[name] is None for name in of_memory):  # its tables refer to each other
        found |= dict.fromkeys(of_memory)
    anew = [name for name, tensor in found.items() if tensor is None]
    counts = {part: sum(_part(name) == part for name in anew) for part in _ANEW}
    notices = tuple(f"{what} ({counts[part]} tensors)" for part, what in _ANEW.items() if counts[part])
    learning = {}
    for name, tensor in found.items():
        begun = stored.model.get(name.rpartition("|")[2]) if _part(name) in _OF_WEIGHTS else None
        kept = begun if tensor is None else tensor
        learning[name] = own.learning[name] if kept is None else kept
    return replace(stored, learning=learning), notices


def _part(name: str) -> str:
    """What a tensor of a brain's learning belongs to, as `_ANEW` calls it."""
    return next((prefix for prefix in _ANEW if name.startswith(prefix)), _MOMENTS)


def _continued(name: str, stored: BrainState, own: BrainState) -> torch.Tensor | None:
    """The stored form of one tensor of the brain's learning; None where it must start anew."""

    def fits(one: str) -> bool:
        return one in stored.learning and stored.learning[one].shape == own.learning[one].shape

    if fits(name):
        return stored.learning[name]
    owner, _, moment = name.rpartition("|")
    others = [one for one in own.learning if one.startswith(f"{owner}|") and one != name]
    if moment != STEP or not others or not all(fits(one) for one in others):
        return None
    # The moments continue, so their age must: counted as a whole then and by unit now, or the other way round.
    counted, wanted = stored.learning.get(name), own.learning[name]
    age = float(stored.counters.get(STEP, 0)) if counted is None else float(counted.max())
    return torch.full_like(wanted, age)
