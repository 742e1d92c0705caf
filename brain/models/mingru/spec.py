"""The architecture of one minGRU language model as data: the stack of the default brain, all blocks of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from brain.models.mingru.config import MinGRUConfig
from brain.models.synapse.stack_spec import StackSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class MinGRUSpec(StackSpec):
    """As `StackSpec`; it grows in every way in which that does."""

    kind: ClassVar[str] = "mingru"

    @classmethod
    def read_config(cls, stored: Mapping[str, Any]) -> MinGRUConfig:
        """The config as it was stored."""
        return MinGRUConfig(**stored)
