"""The architecture of one SYNAPSE brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from brain.errors import SpecMismatchError
from brain.growth.plan import GrowthSite
from brain.models.synapse.config import SynapseConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from brain.growth.plan import GrowthPlan

KIND = "synapse"
SELF_MODEL = "self_model"
BORN_MIXER = "mingru"  # of a block born later: the cheapest that carries a state


def block_sites(config: SynapseConfig, index: int, mixer: str) -> dict[str, int]:
    """Hidden units of the sites of block `index` when it is born.

    >>> block_sites(SynapseConfig(hidden_size=8), 0, "mingru")
    {'blocks.0.mixer': 8, 'blocks.0.mlp': 32}
    """
    recurrent = {f"blocks.{index}.mixer": config.hidden_size} if mixer == "mingru" else {}
    return recurrent | {f"blocks.{index}.mlp": config.mlp_ratio * config.hidden_size}


def newborn_sites(config: SynapseConfig, layers: Iterable[str] | None = None) -> dict[str, int]:
    """Hidden units of each growth site before any growth.

    Sites are the hidden layers of MLPs, of recurrent mixers and of the self model.

    >>> newborn_sites(SynapseConfig(hidden_size=8, layers=("mingru",)))
    {'blocks.0.mixer': 8, 'blocks.0.mlp': 32, 'self_model': 128}
    """
    sites: dict[str, int] = {}
    for index, mixer in enumerate(config.layers if layers is None else layers):
        sites |= block_sites(config, index, mixer)
    return sites | {SELF_MODEL: config.self_model_size}


@dataclass(frozen=True, kw_only=True)
class SynapseSpec:
    """All that must be known to build the network before its tensors load.

    Attributes:
        config: as the run was started.
        sites: hidden units of each growth site now; sites of one kind need not be equal.
        growth: what grew, in order: each plan as JSON.
        layers: mixer of every block by its index, those born later behind the others.
        order: indices of blocks from input to output; a block born later leaves the others their indices, and
            so the names of their weights.
    """

    config: SynapseConfig
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())
    layers: tuple[str, ...] = ()
    order: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """A brain without a block born later has the layers of its config."""
        if not self.layers:
            object.__setattr__(self, "layers", tuple(self.config.layers))
            object.__setattr__(self, "order", tuple(range(len(self.config.layers))))

    @classmethod
    def newborn(cls, config: SynapseConfig) -> SynapseSpec:
        """A brain that has not grown."""
        return cls(config=config, sites=newborn_sites(config))

    @property
    def born_sites(self) -> dict[str, int]:
        """Hidden units each site was born with."""
        return newborn_sites(self.config, self.layers)

    def growth_sites(self) -> dict[str, GrowthSite]:
        """The sites from input to output; the self model stands beside the trunk."""
        born, size = self.born_sites, self.config.hidden_size
        deeper = sum(block_sites(self.config, 0, BORN_MIXER).values())
        on_the_way = [name for index in self.order for name in self.sites if block_of(name) == index]
        sites = {}
        for place, name in enumerate(on_the_way):
            matrices = 3 if name.endswith(".mixer") else 2
            sites[name] = GrowthSite(
                units=self.sites[name],
                born_units=born[name],
                place=place,
                parameters_per_unit=matrices * size,
                deeper_units=deeper,
            )
        aside = GrowthSite(
            units=self.sites[SELF_MODEL],
            born_units=born[SELF_MODEL],
            place=len(sites) + 1,
            parameters_per_unit=2 * size,
        )
        return sites | {SELF_MODEL: aside}

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        changed = {entry["site"] for entry in self.growth if entry.get("operator", "widen") != "deepen"}
        return frozenset(changed & self.sites.keys())

    def grown(self, plan: GrowthPlan) -> SynapseSpec:
        """The architecture after `plan`."""
        growth = (*self.growth, plan.to_json())
        match plan.operator:
            case "widen":
                sites = {**self.sites, plan.site: self.sites[plan.site] + plan.units}
                return replace(self, sites=sites, growth=growth)
            case "deepen":
                index, behind = len(self.layers), self.order.index(block_of(plan.site)) + 1
                # The self model stays last, as in a newborn.
                sites = {**self.sites, **block_sites(self.config, index, BORN_MIXER)}
                sites[SELF_MODEL] = sites.pop(SELF_MODEL)
                return replace(
                    self,
                    sites=sites,
                    growth=growth,
                    layers=(*self.layers, BORN_MIXER),
                    order=(*self.order[:behind], index, *self.order[behind:]),
                )
            case "recycle":
                return replace(self, growth=growth)

    def to_json(self) -> dict[str, Any]:
        """JSON-able form; `brain.build.brain_from_spec` reads it."""
        config = asdict(self.config) | {"layers": list(self.config.layers)}
        return {
            "kind": KIND,
            "config": config,
            "sites": dict(self.sites),
            "growth": [dict(g) for g in self.growth],
            "layers": list(self.layers),
            "order": list(self.order),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SynapseSpec:
        """Read `to_json` back; a spec from before blocks could be born has no layers of its own.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            config = SynapseConfig(**{**stored["config"], "layers": tuple(stored["config"]["layers"])})
            sites = {str(name): int(units) for name, units in stored["sites"].items()}
            growth = tuple(dict(entry) for entry in stored.get("growth", ()))
            layers = tuple(str(kind) for kind in stored.get("layers", config.layers))
            order = tuple(int(index) for index in stored.get("order", range(len(layers))))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of a {KIND} brain cannot be read ({error}); it is damaged"
            ) from error
        expected = newborn_sites(config, layers)
        if sites.keys() != expected.keys():
            odd = sorted(sites.keys() ^ expected.keys())
            raise SpecMismatchError(f"the spec of a {KIND} brain does not fit its layers at {', '.join(odd)}")
        if sorted(order) != list(range(len(layers))):
            raise SpecMismatchError(f"the spec of a {KIND} brain orders its blocks as {order}; it is damaged")
        return cls(config=config, sites=sites, growth=growth, layers=layers, order=order)


def block_of(site: str) -> int:
    """Index of the block a site belongs to; −1 for the self model.

    >>> block_of("blocks.12.mlp"), block_of("self_model")
    (12, -1)
    """
    return int(site.split(".")[1]) if site.startswith("blocks.") else -1
