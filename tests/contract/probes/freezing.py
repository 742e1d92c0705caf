"""Does what must not change stay? Bit for bit, weights, moments, carried state and counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain


def changed_by(brain: Brain, action: Callable[[], object]) -> list[str]:
    """Names of the tensors and counters of `brain` that differ, bit for bit, after `action` ran."""
    state = brain.state()
    before = {name: t.clone() for name, t in {**state.model, **state.learning}.items()}
    counters = dict(state.counters)
    action()
    state = brain.state()
    after = {**state.model, **state.learning}
    names = [
        name for name in sorted(before.keys() | after.keys()) if not _same(before.get(name), after.get(name))
    ]
    keys = sorted(counters.keys() | state.counters.keys())
    return names + [key for key in keys if counters.get(key) != state.counters.get(key)]


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    # Compared as raw bytes, so that equal NaNs are equal and 0 differs from −0.
    raw = [t.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for t in (one, other)]
    return torch.equal(*raw)
