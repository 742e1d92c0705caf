"""How large the hippocampus is; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

MEMORY_PREFIX = "hippocampus|"
"""What the names of its tensors begin with in `BrainState.learning`."""

MIB = 1 << 20
LEAST_MIB = 20  # below that too little would be left beside the maps


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Elements of each table.

    Attributes:
        buckets: of 16 bytes, a power of two.
        heads: of 4 bytes, a power of two.
        past: bytes a lane.
    """

    buckets: int
    heads: int
    past: int


def sizes_for(mib: int, *, lanes: int) -> Sizes:
    """What fits into so many MiB: as many buckets as fit, an eighth of their bytes for the past, and its index.

    >>> sizes_for(128, lanes=32)
    Sizes(buckets=4194304, heads=2097152, past=262144)
    """
    room = max(mib, LEAST_MIB) * MIB - 18 * MIB  # the maps and what else does not grow
    buckets = 1 << max(10, (room // 16).bit_length() - 1)
    if buckets * 16 + buckets * 4 > room:
        buckets //= 2
    return Sizes(buckets=buckets, heads=buckets // 2, past=max(1024, buckets * 2 // lanes))
