"""The architecture of one TARS brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError, SpecMismatchError
from brain.models.tars.config import TarsConfig
from brain.models.tars.network import SELF_MODEL, TarsNetwork
from brain.models.tars.phases import PHASES
from brain.online.spec import PRECISIONS, NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from brain.growth.plan import GrowthPlan

KIND = "tars"


@dataclass(frozen=True, kw_only=True)
class TarsSpec(NetworkSpec):
    """All that must be known to build the network before its tensors load.

    Attributes:
        config: as the run was started.
        sites: hidden units of each growth site now.
        growth: what grew, in order: each plan as JSON.
        frozen_by_hand: names of weights that a person keeps from learning.
        begun: SHA-256 of every weight when the phase began; empty without a phase.
    """

    config: TarsConfig
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())
    frozen_by_hand: tuple[str, ...] = ()
    begun: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def newborn(cls, config: TarsConfig) -> TarsSpec:
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

    def network(self) -> TarsNetwork:
        """The network, its weights not drawn yet."""
        return TarsNetwork(self)

    def with_frozen(self, names: tuple[str, ...]) -> TarsSpec:
        """The same with other weights frozen by hand."""
        return replace(self, frozen_by_hand=names)

    def trained_by(self, config: TarsConfig) -> TarsSpec:
        """The same in the phase of another config, which has not begun yet."""
        return replace(self, config=replace(self.config, phase=config.phase), begun={})

    def learns(self, name: str) -> bool:
        """Whether the weight of this name learns in the phase that this is."""
        phase = self.config.phase
        return phase is None or PHASES[phase].lets_learn(name)

    def units(self, site: str) -> dict[str, int]:
        """Units of a site, and those of them that were there from the start."""
        return {"hidden": self.sites[site], "born_hidden": newborn_sites(self.config)[site]}

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        return frozenset(entry["site"] for entry in self.growth)

    def grown(self, plan: GrowthPlan) -> TarsSpec:
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
            f"{plan.site} cannot grow by {plan.operator}: sites of a {KIND} brain get wider only"
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-able form; `brain.build.brain_from_spec` reads it."""
        return {
            "kind": KIND,
            "config": asdict(self.config),
            "sites": dict(self.sites),
            "growth": [dict(entry) for entry in self.growth],
            "frozen": list(self.frozen_by_hand),
            "begun": dict(self.begun),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TarsSpec:
        """Read `to_json` back.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            spec = cls(
                config=TarsConfig(**stored["config"]),
                sites={str(name): int(units) for name, units in stored["sites"].items()},
                growth=tuple(dict(entry) for entry in stored.get("growth", ())),
                frozen_by_hand=tuple(str(name) for name in stored.get("frozen", ())),
                begun={str(name): str(digest) for name, digest in stored.get("begun", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of a {KIND} brain cannot be read ({error}); it is damaged"
            ) from error
        if odd := sorted(spec.sites.keys() ^ newborn_sites(spec.config).keys()):
            raise SpecMismatchError(f"the spec of a {KIND} brain does not fit its layers at {', '.join(odd)}")
        return spec


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
