"""The phases in which a TARS brain may be trained: which weights learn, and how fast. Plain data, without torch."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One of them.

    Attributes:
        what: what learns, in words.
        learning_rate: AdamW's.
        learns: patterns of the names of weights that may learn.
        frozen: patterns of those among them that do not.
    """

    what: str
    learning_rate: float
    learns: tuple[str, ...] = ("",)
    frozen: tuple[str, ...] = ()

    def has_learning(self, name: str) -> bool:
        """Whether the weight of this name learns.

        >>> PHASES[2].has_learning("blocks.0.core.ssd.skip"), PHASES[4].has_learning("blocks.0.core.wkv.shift")
        (False, True)
        """
        return _matches(self.learns, name) and not _matches(self.frozen, name)


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


PHASES = {
    1: Phase(what="everything", learning_rate=3e-4),
    2: Phase(
        what="all but decay, skip, time step and convolution of the state space",
        learning_rate=3e-5,
        frozen=(r"\.core\.ssd\.(log_rate|skip|dt_bias|conv\.)",),
    ),
    3: Phase(
        what="experts and refinement pool", learning_rate=3e-6, learns=(r"^blocks\.\d+\.(experts|pool)\.",)
    ),
    4: Phase(
        what="fusion of the two recurrences, and token shifts of the WKV",
        learning_rate=1.5e-5,
        learns=(r"\.core\.(fuse_|wkv\.shift$|wkv\.out\.)",),
    ),
}
