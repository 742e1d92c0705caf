"""The architecture of one TARS brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from brain.blocks.self_model import SELF_MODEL
from brain.models.tars.config import TarsConfig
from brain.models.tars.network import TarsNetwork
from brain.models.tars.phases import PHASES
from brain.online.grown_spec import WidenedSpec

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class TarsSpec(WidenedSpec):
    """As every spec, and how far the phase of training has come.

    Attributes:
        begun: SHA-256 of every weight when the phase began; empty without a phase.
    """

    kind: ClassVar[str] = "tars"

    config: TarsConfig
    begun: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def initial(cls, config: TarsConfig) -> TarsSpec:
        """A brain that has not grown."""
        return cls(config=config, sites=newborn_sites(config))

    def network(self) -> TarsNetwork:
        """The network, its weights not drawn yet."""
        return TarsNetwork(self)

    def trained_by(self, config: TarsConfig) -> TarsSpec:
        """The same in the phase of another config, which has not begun yet."""
        return replace(self, config=replace(self.config, phase=config.phase), begun={})

    def learns(self, name: str) -> bool:
        """Whether the weight of this name learns in the phase that this is."""
        phase = self.config.phase
        return phase is None or PHASES[phase].lets_learn(name)

    @property
    def born_sites(self) -> dict[str, int]:
        """Hidden units each site was born with."""
        return newborn_sites(self.config)

    @classmethod
    def read_config(cls, stored: Mapping[str, Any]) -> TarsConfig:
        """The config as it was stored."""
        return TarsConfig(**stored)

    def own_json(self) -> dict[str, Any]:
        """What every weight was when the phase began."""
        return {"begun": dict(self.begun)}

    @classmethod
    def own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The same, read back."""
        return {"begun": {str(name): str(digest) for name, digest in stored.get("begun", {}).items()}}


def newborn_sites(config: TarsConfig) -> dict[str, int]:
    """Hidden units that each growth site is born with: those of refinement steps and of the self model.

    >>> newborn_sites(TarsConfig(hidden_size=8, num_layers=1, pool_steps=2, self_model_size=4))
    {'blocks.0.pool.0': 8, 'blocks.0.pool.1': 8, 'self_model': 4}
    """
    return {
        f"blocks.{number}.pool.{step}": config.pool_ratio * config.hidden_size
        for number in range(config.num_layers)
        for step in range(config.pool_steps)
    } | {SELF_MODEL: config.self_model_size}
