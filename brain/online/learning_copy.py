"""A copy of a brain that learns beside it, to tell what one of the two has done differently was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from brain.online.online_brain import OnlineBrain
    from brain.ports import BrainState


def twin_of(brain: OnlineBrain[Any], state: BrainState | None = None) -> OnlineBrain[Any]:
    """A separate brain that continues from the state of `brain`, or from that of an earlier twin.

    Raises:
        SpecMismatchError: the stored state does not fit.
    """
    stored = brain.state() if state is None else state
    devices = [brain.device] if brain.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        twin = brain.grown_into(type(brain.spec).from_json(stored.spec), seed=0)
        twin.learner.hippocampus = None
        twin.load(twin.adopt(stored)[0])
    return twin
