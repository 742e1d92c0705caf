"""Bit histories: what followed a context so far, in one byte.

A history counts zeros and ones, few of the rarer kind. A bit of one kind makes the memory of the other fade, so the
newest events weigh most. What a history means is not assumed: an adaptive map learns it (indirect modelling).

Source: Mahoney 2005, "Adaptive weighing of context models for lossless data compression" (PAQ6 to PAQ8).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The most bits of one value that a history counts, by its count of the other value.
MOST = (40, 40, 20, 12, 8, 6, 5, 4, 4, 3, 3, 3, 3)
# On a bit of the other value, a count above the first number falls to the second.
FADED = ((25, 6), (12, 5), (6, 4), (2, 3))


def bit_histories() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The history that follows each one on a bit, uint8 (256, 2), and its zeros and ones, uint8 (256, 2).

    History 0 has seen nothing.

    >>> follows, counts = bit_histories()
    >>> counts[0].tolist(), counts[follows[0, 1]].tolist(), counts[follows[follows[0, 1], 0]].tolist()
    ([0, 0], [0, 1], [1, 1])
    """
    every = range(MOST[0] + 1)
    pairs = [(zeros, ones) for zeros, ones in itertools.product(every, every) if _kept(zeros, ones)]
    number = {pair: index for index, pair in enumerate(pairs)}
    follows, counts = np.zeros((256, 2), np.uint8), np.zeros((256, 2), np.uint8)
    for pair, index in number.items():
        counts[index] = pair
        for bit in (0, 1):
            follows[index, bit] = number[_after(pair, bit)]
    return follows, counts


def _kept(zeros: int, ones: int) -> bool:
    rarer, more = sorted((zeros, ones))
    return rarer < len(MOST) and more <= MOST[rarer]


def _after(pair: tuple[int, int], bit: int) -> tuple[int, int]:
    same, other = pair[bit] + 1, pair[1 - bit]
    for above, left in FADED:
        if other > above:
            other = left
            break
    while not _kept(same, other):
        if same > 1 and (same > other or other <= 1):
            same -= 1
        else:
            other -= 1
    return (other, same) if bit else (same, other)
