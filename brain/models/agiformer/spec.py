"""The architecture of one AGIFORMER brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from brain.blocks.self_model import SELF_MODEL
from brain.models.agiformer.config import AgiformerConfig
from brain.models.agiformer.network import AgiformerNetwork
from brain.online.grown_spec import WidenedSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANGED_BY_TRAINING = ("random_thinking", "halting_price")  # settings that change no shape


@dataclass(frozen=True, kw_only=True)
class AgiformerSpec(WidenedSpec):
    """As every spec of a brain that gets wider."""

    kind: ClassVar[str] = "agiformer"

    config: AgiformerConfig

    @classmethod
    def initial(cls, config: AgiformerConfig) -> AgiformerSpec:
        """A brain that has not grown."""
        return cls(config=config, sites=newborn_sites(config))

    def network(self) -> AgiformerNetwork:
        """The network, its weights not drawn yet."""
        return AgiformerNetwork(self)

    def trained_by(self, config: AgiformerConfig) -> AgiformerSpec:
        """The same with what another config says of training; of tied steps, also how many are taken."""
        taken = {name: getattr(config, name) for name in CHANGED_BY_TRAINING}
        if self.config.thinking_tied and self.config.thinking_steps and config.thinking_steps:
            taken["thinking_steps"] = config.thinking_steps
        return replace(self, config=replace(self.config, **taken))

    @property
    def born_sites(self) -> dict[str, int]:
        """Hidden units each site was born with."""
        return newborn_sites(self.config)

    @classmethod
    def read_config(cls, stored: Mapping[str, Any]) -> AgiformerConfig:
        """The config as it was stored."""
        return AgiformerConfig(**stored)


def thinking_sites(config: AgiformerConfig) -> list[str]:
    """Steps of thinking that have weights of their own.

    >>> thinking_sites(AgiformerConfig(thinking_steps=3))
    ['thinking.0']
    """
    steps = min(config.thinking_steps, 1) if config.thinking_tied else config.thinking_steps
    return [f"thinking.{number}" for number in range(steps)]


def newborn_sites(config: AgiformerConfig) -> dict[str, int]:
    """Hidden units that each growth site is born with, from input to output.

    >>> small = AgiformerConfig(hidden_size=8, num_heads=2, num_layers=1, byte_size=6, self_model_size=4)
    >>> newborn_sites(small)
    {'blocks.0.mlp': 32, 'thinking.0': 32, 'decoder.layers.0': 24, 'self_model': 4}
    """
    wide, narrow = config.mlp_ratio * config.hidden_size, config.mlp_ratio * config.byte_size
    return (
        {f"blocks.{number}.mlp": wide for number in range(config.num_layers)}
        | dict.fromkeys(thinking_sites(config), wide)
        | {f"decoder.layers.{number}": narrow for number in range(config.decoder_layers)}
        | {SELF_MODEL: config.self_model_size}
    )
