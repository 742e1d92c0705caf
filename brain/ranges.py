"""Which numbers a setting may take: stands on its field, `rows: Annotated[int, COUNT] = 32`.

Of a field that holds several numbers the range is that of each.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Which numbers a setting may take; the edges belong to it unless `above` or `below` excludes them.

    With `or_zero` 0 may stand for "none", however far it lies from the rest.
    """

    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    or_zero: bool = False

    def __contains__(self, value: float) -> bool:
        if self.or_zero and value == 0:
            return True
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def bounds_for(self, value: float) -> str:
        """The bounds in words, for somebody who gave `value`; a far ceiling only when it is exceeded.

        >>> COUNT.bounds_for(0), COUNT.bounds_for(2**60), SHARE.bounds_for(7)
        ('of at least 1', 'at most 9,007,199,254,740,991', 'of at least 0 and at most 1')
        """
        words = {
            "of at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        if self.at_most is not None and self.at_most > 1e6:
            words = {"at most": self.at_most} if value > self.at_most else {**words, "at most": None}
        bounds = " and ".join(f"{word} {_shown(limit)}" for word, limit in words.items() if limit is not None)
        return f"of 0, or {bounds}" if self.or_zero else bounds


LARGEST = 2**53 - 1  # every program that reads JSON knows whole numbers up to here
COUNT = Range(at_least=1, at_most=LARGEST)
COUNT_OR_ZERO = Range(at_least=0, at_most=LARGEST)
# What is allocated as a whole: more than any machine of today can hold is a slip of the finger.
SIZE = Range(at_least=1, at_most=65_536)
SIZE_OR_ZERO = Range(at_least=0, at_most=65_536)
LEAST_MEMORY_MIB = 20  # less leaves too little of an exact memory beside its maps
MEMORY_MIB = Range(at_least=LEAST_MEMORY_MIB, at_most=65_536, or_zero=True)
LAYERS = Range(at_least=1, at_most=4096)
LAYERS_OR_ZERO = Range(at_least=0, at_most=4096)
PATCH = Range(at_least=1, at_most=64)
BYTES = Range(at_least=1, at_most=1024 * 1024)
WINDOW = Range(at_least=1, at_most=10_000_000)
AMOUNT = Range(above=0, at_most=1e9)
AMOUNT_OR_ZERO = Range(at_least=0, at_most=1e9)
SHARE = Range(at_least=0, at_most=1)
SOME_LEFT = Range(at_least=0, below=1)


def _shown(value: float) -> str:
    return f"{value:g}" if abs(value) <= 1e6 else f"{value:,.0f}"
