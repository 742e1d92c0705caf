"""Hashes of any stretches of a row of symbols: the same symbols have the same hash everywhere, forever.

Stored weights belong to hashes, so nothing here may change. Source: Weinberger et al. 2009, "Feature hashing for
large scale multitask learning".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2 ** 64
_INVERSE = pow(_BASE, -1, 1 << 64)
_KIND, _FIRST = 0xD6E8FEB86659FD93, 0x9FB21C651E98DF25


class Spans:
    """Hashes of stretches of one row of symbols, from sums of its beginnings (a polynomial hash)."""

    def __init__(self, symbols: Hashes) -> None:
        self._sums = np.zeros(len(symbols) + 1, np.uint64)
        self._sums[1:] = np.cumsum(symbols * _powers(_BASE, len(symbols)))
        self._shift = _powers(_INVERSE, len(symbols) + 1)

    def hash(self, start: Places, end: Places, kind: int) -> Hashes:
        """Of symbols start … end - 1, wherever they stand; features of different kinds are kept apart."""
        same = (self._sums[end] - self._sums[start]) * self._shift[start]
        return _mixed(same + _salt(kind))


def pairs(hashes: Hashes, kind: int) -> Hashes:
    """Of each two that follow each other, (n - 1,) of (n,)."""
    return _mixed(hashes[:-1] * np.uint64(_FIRST) + hashes[1:] + _salt(kind))


def buckets(hashes: Hashes, num_buckets: int) -> Places:
    """The bucket that each falls into."""
    return ((hashes >> np.uint64(32)) * np.uint64(num_buckets) >> np.uint64(32)).astype(np.int64)


def _salt(kind: int) -> np.uint64:
    """What keeps features of different kinds apart."""
    return np.uint64(_KIND * kind % (1 << 64))


def _powers(base: int, count: int) -> Hashes:
    """Base to the power of 0 … count - 1, modulo 2 ** 64."""
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors, dtype=np.uint64)


def _mixed(hashes: Hashes) -> Hashes:
    """Every bit of a hash made to depend on all of them, as MurmurHash3 ends."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(factor)
    return hashes ^ (hashes >> np.uint64(33))
