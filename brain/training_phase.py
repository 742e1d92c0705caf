"""A phase of training: which weights of a brain learn, and how fast. Plain data, without torch."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One phase; the config of a kind of brain that has some lists them: `phases: ClassVar = {1: Phase(…)}`.

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

    def lets_learn(self, name: str) -> bool:
        """Whether the weight of this name learns.

        >>> Phase(what="heads", learning_rate=1e-3, learns=("head",), frozen=("bias$",)).lets_learn("head.bias")
        False
        """
        return _matches(self.learns, name) and not _matches(self.frozen, name)


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)
