"""The form in which a part of the trainer keeps its numbers in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(kw_only=True)
class Stored:
    """State of one part; each field is an entry of `loop` in a checkpoint's `state.json`, by its own name.

    What belongs to one session alone is a field with `init=False`, and is not stored.
    """

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> Self:
        """The state out of `loop`; what an older or foreign checkpoint lacks has its default."""
        names = [one.name for one in fields(cls) if one.init]
        return cls(**{name: stored[name] for name in names if name in stored})

    def state(self) -> dict[str, Any]:
        """Its entries of `loop`, JSON-able."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}
