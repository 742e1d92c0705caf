"""Does every trainable weight learn? A weight that no gradient ever reaches is a promise that is not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from brain.ports import Batch, Brain


def share_learned(brain: Brain, batches: Iterable[Batch]) -> dict[str, float]:
    """Share of the entries of each floating-point weight that moved while the brain learned `batches`.

    Without weight decay an entry moves only if a gradient reached it. The brain continues from there.
    """
    weights = {name: t for name, t in brain.state().model.items() if t.is_floating_point()}
    before = {name: t.clone() for name, t in weights.items()}
    moved = {name: torch.zeros_like(t, dtype=torch.bool) for name, t in weights.items()}
    for batch in batches:
        brain.learn(batch)
        for name, weight in brain.state().model.items():
            if name in moved:
                moved[name] |= weight != before[name]
    return {name: entries.float().mean().item() for name, entries in moved.items()}
