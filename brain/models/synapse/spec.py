"""The architecture of one SYNAPSE brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from brain.errors import SpecMismatchError
from brain.models.synapse.config import SynapseConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "synapse"


def newborn_sites(config: SynapseConfig) -> dict[str, int]:
    """Hidden units of each growth site before any growth.

    Sites are the hidden layers of MLPs, of recurrent mixers and of the self model.

    >>> newborn_sites(SynapseConfig(hidden_size=8, layers=("mingru",)))
    {'blocks.0.mixer': 8, 'blocks.0.mlp': 32, 'self_model': 128}
    """
    sites = {}
    for index, mixer in enumerate(config.layers):
        if mixer == "mingru":
            sites[f"blocks.{index}.mixer"] = config.hidden_size
        sites[f"blocks.{index}.mlp"] = config.mlp_ratio * config.hidden_size
    return sites | {"self_model": config.self_model_size}


@dataclass(frozen=True, kw_only=True)
class SynapseSpec:
    """All that must be known to build the network before its tensors load.

    Attributes:
        config: as the run was started.
        sites: hidden units of each growth site now; sites of one kind need not be equal.
        growth: what grew, in order, as the growth room wrote it.
    """

    config: SynapseConfig
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())

    @classmethod
    def newborn(cls, config: SynapseConfig) -> SynapseSpec:
        """A brain that has not grown."""
        return cls(config=config, sites=newborn_sites(config))

    def to_json(self) -> dict[str, Any]:
        """JSON-able form; `brain.build.brain_from_spec` reads it."""
        config = asdict(self.config) | {"layers": list(self.config.layers)}
        return {
            "kind": KIND,
            "config": config,
            "sites": dict(self.sites),
            "growth": [dict(g) for g in self.growth],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SynapseSpec:
        """Read `to_json` back.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            config = SynapseConfig(**{**stored["config"], "layers": tuple(stored["config"]["layers"])})
            sites = {str(name): int(units) for name, units in stored["sites"].items()}
            growth = tuple(dict(entry) for entry in stored.get("growth", ()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of a {KIND} brain cannot be read ({error}); it is damaged"
            ) from error
        if sites.keys() != newborn_sites(config).keys():
            odd = sorted(sites.keys() ^ newborn_sites(config).keys())
            raise SpecMismatchError(f"the spec of a {KIND} brain does not fit its layers at {', '.join(odd)}")
        return cls(config=config, sites=sites, growth=growth)
