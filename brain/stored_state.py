"""What others must know of a stored state: the parts of it that only its kind of brain understands stay here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.memory.hippocampus.config import MEMORY_PREFIX, ORIGIN_PREFIX
from brain.missing_capabilities import MEMORY_SETTING
from brain.ports import CARRIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import BrainState

AWAKE_ONLY = (CARRIED, MEMORY_PREFIX, ORIGIN_PREFIX)
"""What the names of tensors begin with in `BrainState.learning` that sleep leaves as they are."""


def lanes_to_read(stored: BrainState) -> int:
    """Lanes that a brain must have to take the state over for reading only.

    What an exact memory remembers stands in a past for each lane, so it needs the run's number of them.
    """
    past = stored.learning.get(f"{MEMORY_PREFIX}past")
    return 1 if past is None else len(past)


def memory_off(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by which a brain of this config has no exact memory; none where it has no such setting.

    >>> memory_off({"hippocampus_mib": 128}), memory_off({})
    ({'hippocampus_mib': 0}, {})
    """
    return {MEMORY_SETTING: 0} if MEMORY_SETTING in config else {}
