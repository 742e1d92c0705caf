"""The architecture of one SYNAPSE brain as data: the stack, with the attention and the workspace of its config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.stack_spec import StackSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_SIZE = 64  # channels of a head where the config leaves their number open


@dataclass(frozen=True, kw_only=True)
class SynapseSpec(StackSpec):
    """As `StackSpec`."""

    kind: ClassVar[str] = "synapse"

    config: SynapseConfig

    @classmethod
    def read_config(cls, stored: Mapping[str, Any]) -> SynapseConfig:
        """The config as it was stored; raises what a damaged one may."""
        return SynapseConfig(**{**stored, "layers": tuple(stored["layers"])})

    def attention(self, size: int) -> dict[str, int]:
        """Heads and window, in a stream of that width."""
        heads = self.config.num_heads or max(1, size // HEAD_SIZE)
        return {"num_heads": heads, "window": self.config.window}

    @property
    def workspace_slots(self) -> int:
        """As the config has them."""
        return self.config.workspace_slots

    @property
    def workspace_size(self) -> int:
        """As the config has it."""
        return self.config.workspace_size
