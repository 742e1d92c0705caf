"""Algorithm R, for the reservoir of all that was offered and for that of one source alike.

Source: Vitter 1985, "Random sampling with a reservoir".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from brain.memory.policies.policy import IntArray


def places(uniform: NDArray[np.float64], seen: int, room: int) -> IntArray:
    """Place among `room` of each of n items that are offered after `seen` others, (n,); -1 for one passed over.

    Args:
        uniform: a number in [0, 1) for each item, (n,).
        seen: items offered before, all of which had the same chance to be kept.
        room: places, all of them taken.

    >>> places(np.array([0.0, 0.5, 0.99]), seen=9, room=4).tolist()
    [0, -1, -1]
    """
    drawn = (uniform * (seen + 1 + np.arange(len(uniform)))).astype(np.int64)
    drawn[drawn >= room] = -1
    return drawn


def even_share(sources: IntArray, room: int, seed: int) -> IntArray:
    """Indices, sorted, of the items to keep in a smaller memory, from the sources of all, (n,).

    Every source keeps as nearly the same number as it can, at random among its own: a uniform sample of a uniform
    sample is one.
    """
    if len(sources) <= room:
        return np.arange(len(sources))
    random, chosen = np.random.default_rng(seed), []
    kinds, counts = np.unique(sources, return_counts=True)
    order = np.argsort(counts, kind="stable")  # what the small cannot fill is left for the large
    for place, index in enumerate(order.tolist()):
        share = min(int(counts[index]), room // (len(order) - place))
        own = np.flatnonzero(sources == kinds[index])
        chosen.append(random.choice(own, share, replace=False))
        room -= share
    return np.sort(np.concatenate(chosen)).astype(np.int64)
