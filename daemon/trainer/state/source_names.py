"""What the numbers of sources meant over the life of a run: a resume with other data renumbers them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.trainer.state.checkpoint_form import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(kw_only=True)
class SourceNames(Stored):
    """From which step on the sources had which names, by number; the last is pushed text.

    Attributes:
        source_names: step and names, oldest first.
    """

    source_names: list[tuple[int, list[str]]] = field(default_factory=list)

    @classmethod
    def of(cls, kept: Mapping[str, Any], step: int, names: Sequence[str]) -> SourceNames:
        """Those of a checkpoint, or the sources of its cursor where it kept none, and what they are called now."""
        known = [(int(first), [str(name) for name in own]) for first, own in kept.get("source_names", ())]
        cursor = kept.get("cursor")
        if not known and cursor:
            known = [(0, [*(str(source["name"]) for source in cursor["sources"]), names[-1]])]
        if not known or known[-1][1] != list(names):
            known.append((step, list(names)))
        return cls(source_names=known)

    def spans(self, name: str) -> tuple[tuple[int, int, int | None], ...]:
        """Number, first step and the step behind the last at which it meant the source of that name."""
        ends = [first for first, _ in self.source_names[1:]]
        return tuple(
            (names.index(name), first, end)
            for (first, names), end in zip(self.source_names, [*ends, None], strict=True)
            if name in names and end != first
        )

    @property
    def ever(self) -> list[str]:
        """Every name there was, the newest first."""
        return list(dict.fromkeys(name for _, names in reversed(self.source_names) for name in names))

    @property
    def now(self) -> list[str]:
        """What is read now."""
        return self.source_names[-1][1]
