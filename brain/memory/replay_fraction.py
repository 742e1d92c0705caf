"""How much of a batch replays: more while old sources are being forgotten, slowly less once they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brain.memory.config import ReplayConfig

RISE = 1.25
FALL = 0.95


def next_fraction(fraction: float, forgetting: float, threshold: float, config: ReplayConfig) -> float:
    """The share of rows that replay from now on, within `config.fraction` … `config.max_fraction`.

    Args:
        fraction: of the moment.
        forgetting: mean forgetting over sources as just measured, in BPC.
        threshold: what is tolerated, in BPC.
        config: the bounds; without replay (fraction 0) there is nothing to raise.

    >>> from brain.memory.config import ReplayConfig
    >>> [next_fraction(f, forgetting, 0.02, ReplayConfig()) for f, forgetting in ((0.2, 0.05), (0.45, 0.05))]
    [0.25, 0.5]
    >>> next_fraction(0.2, 0.0, 0.02, ReplayConfig())
    0.2
    """
    if not config.fraction:
        return 0.0
    moved = fraction * (RISE if forgetting > threshold else FALL)
    return max(config.fraction, min(moved, max(config.max_fraction, config.fraction)))
