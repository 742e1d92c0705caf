"""The architecture of one AGIFORMER brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError, SpecMismatchError
from brain.models.agiformer.config import AgiformerConfig
from brain.models.agiformer.network import SELF_MODEL, AgiformerNetwork
from brain.online.spec import PRECISIONS, NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from brain.growth.plan import GrowthPlan

KIND = "agiformer"
CHANGED_BY_TRAINING = ("random_thinking", "halting_price")  # settings that change no shape


@dataclass(frozen=True, kw_only=True)
class AgiformerSpec(NetworkSpec):
    """All that must be known to build the network before its tensors load.

    Attributes:
        config: as the run was started.
        sites: hidden units of each growth site now.
        growth: what grew, in order: each plan as JSON.
        frozen_by_hand: names of weights that a person keeps from learning.
    """

    config: AgiformerConfig
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())
    frozen_by_hand: tuple[str, ...] = ()

    @classmethod
    def newborn(cls, config: AgiformerConfig) -> AgiformerSpec:
        """A brain that has not grown."""
        return cls(config=config, sites=newborn_sites(config))

    @property
    def dtype(self) -> torch.dtype:
        """Precision of matrix products."""
        return PRECISIONS[self.config.precision]

    @property
    def hippocampus_mib(self) -> int:
        """Room for the exact memory beside the network."""
        return self.config.hippocampus_mib

    def network(self) -> AgiformerNetwork:
        """The network, its weights not drawn yet."""
        return AgiformerNetwork(self)

    def with_frozen(self, names: tuple[str, ...]) -> AgiformerSpec:
        """The same with other weights frozen by hand."""
        return replace(self, frozen_by_hand=names)

    def trained_by(self, config: AgiformerConfig) -> AgiformerSpec:
        """The same with what another config says of training; of tied steps, also how many are taken."""
        taken = {name: getattr(config, name) for name in CHANGED_BY_TRAINING}
        if self.config.thinking_tied and self.config.thinking_steps and config.thinking_steps:
            taken["thinking_steps"] = config.thinking_steps
        return replace(self, config=replace(self.config, **taken))

    def units(self, site: str) -> dict[str, int]:
        """Units of a site, and those of them that were there from the start."""
        return {"hidden": self.sites[site], "born_hidden": newborn_sites(self.config)[site]}

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        return frozenset(entry["site"] for entry in self.growth)

    def grown(self, plan: GrowthPlan) -> AgiformerSpec:
        """The architecture after `plan`: sites get wider, or units of theirs are renewed.

        Raises:
            SettingsError: the plan is for anything else.
        """
        growth = (*self.growth, plan.to_json())
        match plan.operator:
            case "widen":
                sites = {**self.sites, plan.site: self.sites[plan.site] + plan.units}
                return replace(self, sites=sites, growth=growth)
            case "recycle":
                return replace(self, growth=growth)
        raise SettingsError(
            f"{plan.site} cannot grow by {plan.operator}: sites of an {KIND} brain get wider only"
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able form; `brain.build.brain_from_spec` reads it."""
        return {
            "kind": KIND,
            "config": asdict(self.config),
            "sites": dict(self.sites),
            "growth": [dict(entry) for entry in self.growth],
            "frozen": list(self.frozen_by_hand),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> AgiformerSpec:
        """Read `to_json` back.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            spec = cls(
                config=AgiformerConfig(**stored["config"]),
                sites={str(name): int(units) for name, units in stored["sites"].items()},
                growth=tuple(dict(entry) for entry in stored.get("growth", ())),
                frozen_by_hand=tuple(str(name) for name in stored.get("frozen", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of an {KIND} brain cannot be read ({error}); it is damaged"
            ) from error
        if odd := sorted(spec.sites.keys() ^ newborn_sites(spec.config).keys()):
            raise SpecMismatchError(
                f"the spec of an {KIND} brain does not fit its layers at {', '.join(odd)}"
            )
        return spec


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
