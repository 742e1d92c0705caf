"""How large the hippocampus is; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from brain.ranges import LEAST_MEMORY_MIB

MEMORY_PREFIX = "hippocampus|"
"""What the names of its tensors begin with in `BrainState.learning`."""
ORIGIN_PREFIX = "origin|"
"""What those of the rows in its past begin with there."""

MIB = 1 << 20
LEAST_MIB = LEAST_MEMORY_MIB  # an older checkpoint may ask for less


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Elements of each table.

    Attributes:
        buckets: of 16 bytes, a power of two; a quarter comes in addition for indirect contexts.
        heads: of 4 bytes, a power of two.
        past: bytes a lane, each with another of what else followed.
    """

    buckets: int
    heads: int
    past: int


def sizes_for(mib: int, *, lanes: int) -> Sizes:
    """What fits into a number of MiB: as many buckets as fit, then the past and its index.

    >>> sizes_for(128, lanes=32)
    Sizes(buckets=4194304, heads=2097152, past=344064)
    """
    room = max(mib, LEAST_MIB) * MIB - 19 * MIB  # the maps and what else does not grow
    buckets = _power_of_two(room // 20)
    rest = room - buckets * 20
    heads = _power_of_two(rest // 8)
    return Sizes(
        buckets=buckets, heads=heads, past=max(1024, min((rest - heads * 4) // 2, heads * 8) // lanes)
    )


def _power_of_two(most: int) -> int:
    return 1 << max(10, most.bit_length() - 1)
