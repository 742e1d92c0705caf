"""What of a stored state others must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.memory.hippocampus.config import MEMORY_PREFIX
from brain.stored_state import AWAKE_ONLY, lanes_to_read, memory_off
from tests.contract.cases import LANES, TINY, make

if TYPE_CHECKING:
    from brain.ports import BrainState

CPU = torch.device("cpu")


def state_of(*, memory: bool) -> BrainState:
    settings = next(one for one in TINY["synapse"] if bool(one["hippocampus_mib"]) == memory)
    return make("synapse", settings, CPU).state()


def test_an_exact_memory_needs_the_lanes_it_has_a_past_of() -> None:
    assert lanes_to_read(state_of(memory=True)) == LANES
    assert lanes_to_read(state_of(memory=False)) == 1


def test_only_a_brain_that_may_have_a_memory_gets_none() -> None:
    assert memory_off(TINY["synapse"][2]) == {"hippocampus_mib": 0}
    assert memory_off({"hidden_size": 8}) == {}


def test_sleep_leaves_the_exact_memory_as_it_is() -> None:
    remembered = [name for name in state_of(memory=True).learning if name.startswith(MEMORY_PREFIX)]
    assert remembered
    assert all(name.startswith(AWAKE_ONLY) for name in remembered)
