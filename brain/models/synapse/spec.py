"""The architecture of one SYNAPSE brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError, SpecMismatchError
from brain.growth.plan import Birth, GrowthSite
from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.sites import (
    BORN_MIXER,
    COLUMN_SHARE,
    EXPERT_SHARE,
    SELF_MODEL,
    block_sites,
    column_paths,
    column_sites,
    newborn_sites,
    number_of,
    path_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.plan import GrowthPlan

KIND = "synapse"
TRUNK = ("embedding", "bigram.", "blocks.", "head.")  # what its names begin with; the self model is beside it
COLUMN_DEPTH = "a column stays as deep as it was born"


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
        experts: hidden units each expert was born with, by its site.
        columns: width of each column, in the order of birth; all but the youngest, and the trunk, are frozen.
    """

    config: SynapseConfig
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())
    layers: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    experts: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[int, ...] = ()

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
        return newborn_sites(self.config, self.layers, experts=self.experts, columns=self.columns)

    def units(self, site: str) -> dict[str, int]:
        """Units of a site, and those of them that were there from the start."""
        return {"hidden": self.sites[site], "born_hidden": self.born_sites[site]}

    def block_paths(self) -> list[str]:
        """What the names of the trunk's blocks begin with, from input to output."""
        return [f"blocks.{index}" for index in self.order]

    def column_paths(self, number: int) -> list[str]:
        """The same of a column's blocks; there are as many."""
        return column_paths(number, len(self.order))

    def experts_of(self, path: str) -> list[str]:
        """Sites of the experts of a block, in the order of their birth."""
        return sorted((site for site in self.experts if path_of(site) == path), key=number_of)

    @property
    def frozen(self) -> tuple[str, ...]:
        """What the names of weights begin with that a younger column has frozen for good."""
        if not self.columns:
            return ()
        return (*TRUNK, *(f"columns.{number}." for number in range(len(self.columns) - 1)))

    def is_frozen(self, name: str) -> bool:
        """Whether a weight or a site belongs to an older column."""
        return name.startswith(self.frozen) if self.columns else False

    def growth_sites(self) -> dict[str, GrowthSite]:
        """The sites from input to output, of each column behind the last; the self model stands beside all."""
        sites: dict[str, GrowthSite] = {}
        deeper = sum(self._newborn_block("").values())
        streams = [(self.block_paths(), self.config.hidden_size, deeper)]
        streams += [(self.column_paths(number), width, 0) for number, width in enumerate(self.columns)]
        place = 0
        for paths, width, units in streams:
            for path in paths:
                for site in (f"{path}.mixer", f"{path}.mlp"):
                    if site in self.sites:
                        sites[site] = self._growth_site(site, place, width, units)
                        place += 1
                # Beside the MLP, so in its place.
                sites |= {
                    site: self._growth_site(site, place - 1, width, units) for site in self.experts_of(path)
                }
            place += 1  # the first of a column is no neighbour of the last of another
        return sites | {SELF_MODEL: self._growth_site(SELF_MODEL, place, self.config.hidden_size, 0)}

    def _growth_site(self, site: str, place: int, width: int, deeper_units: int) -> GrowthSite:
        frozen = self.is_frozen(site)
        return GrowthSite(
            units=self.sites[site],
            born_units=self.born_sites[site],
            place=place,
            parameters_per_unit=(3 if site.endswith(".mixer") else 2) * width,
            deeper_units=deeper_units,
            expert=self._expert(site, width) if site.endswith(".mlp") else None,
            frozen=frozen,
            **({"not_deeper": COLUMN_DEPTH} if site.startswith("columns.") else {}),
        )

    def _expert(self, site: str, width: int) -> Birth:
        """The expert that can be born beside the MLP of a block."""
        path = path_of(site)
        units = max(1, self.born_sites[site] // EXPERT_SHARE)
        # Both matrices, and the gate's one row.
        return Birth(
            name=f"{path}.experts.{len(self.experts_of(path))}",
            units=units,
            parameters=(2 * units + 1) * width,
        )

    @property
    def next_column(self) -> tuple[str, int, int]:
        """Name, width and hidden units of the column that can be born."""
        number, width = len(self.columns), max(1, self.config.hidden_size // COLUMN_SHARE)
        sites = column_sites(number, depth=len(self.order), width=width, mlp_ratio=self.config.mlp_ratio)
        return f"columns.{number}", width, sum(sites.values())

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        changed = {
            entry["site"] for entry in self.growth if entry.get("operator", "widen") in ("widen", "recycle")
        }
        return frozenset(changed & self.sites.keys())

    def grown(self, plan: GrowthPlan) -> SynapseSpec:
        """The architecture after `plan`.

        Raises:
            SettingsError: the plan is for a column that has been born already, or cannot be born yet.
        """
        growth = (*self.growth, plan.to_json())
        match plan.operator:
            case "widen":
                sites = {**self.sites, plan.site: self.sites[plan.site] + plan.units}
                return replace(self, sites=sites, growth=growth)
            case "deepen":
                index, behind = len(self.layers), self.order.index(number_of(path_of(plan.site))) + 1
                born = self._newborn_block(f"blocks.{index}")
                return replace(
                    self,
                    sites=self._with(born),
                    growth=growth,
                    layers=(*self.layers, BORN_MIXER),
                    order=(*self.order[:behind], index, *self.order[behind:]),
                )
            case "expert":
                path = path_of(plan.site)
                born = {f"{path}.experts.{len(self.experts_of(path))}": plan.units}
                experts = {**self.experts, **born}
                return replace(self, sites=self._with(born), growth=growth, experts=experts)
            case "column":
                number = len(self.columns)
                if plan.site != f"columns.{number}":
                    raise SettingsError(f"{plan.site} cannot be born: the next column is columns.{number}")
                born = column_sites(
                    number, depth=len(self.order), width=plan.width, mlp_ratio=self.config.mlp_ratio
                )
                columns = (*self.columns, plan.width)
                return replace(self, sites=self._with(born), growth=growth, columns=columns)
            case "recycle":
                return replace(self, growth=growth)

    def _newborn_block(self, path: str) -> dict[str, int]:
        """Sites of a block of the trunk that is born now."""
        return block_sites(path, BORN_MIXER, size=self.config.hidden_size, mlp_ratio=self.config.mlp_ratio)

    def _with(self, born: Mapping[str, int]) -> dict[str, int]:
        """All sites; the self model stays last, as in a newborn."""
        sites = {**self.sites, **born}
        sites[SELF_MODEL] = sites.pop(SELF_MODEL)
        return sites

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
            "experts": dict(self.experts),
            "columns": list(self.columns),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> SynapseSpec:
        """Read `to_json` back; a spec from before blocks, experts or columns could be born has none of its own.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            config = SynapseConfig(**{**stored["config"], "layers": tuple(stored["config"]["layers"])})
            layers = tuple(str(kind) for kind in stored.get("layers", config.layers))
            spec = cls(
                config=config,
                sites={str(name): int(units) for name, units in stored["sites"].items()},
                growth=tuple(dict(entry) for entry in stored.get("growth", ())),
                layers=layers,
                order=tuple(int(index) for index in stored.get("order", range(len(layers)))),
                experts={str(name): int(units) for name, units in stored.get("experts", {}).items()},
                columns=tuple(int(width) for width in stored.get("columns", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of a {KIND} brain cannot be read ({error}); it is damaged"
            ) from error
        spec._check()
        return spec

    def _check(self) -> None:
        """Whether its parts fit each other."""
        odd = sorted(self.sites.keys() ^ self.born_sites.keys())
        odd += [site for site in self.experts if not self._has_place(site)]
        if odd:
            raise SpecMismatchError(f"the spec of a {KIND} brain does not fit its layers at {', '.join(odd)}")
        if sorted(self.order) != list(range(len(self.layers))):
            raise SpecMismatchError(
                f"the spec of a {KIND} brain orders its blocks as {self.order}; it is damaged"
            )

    def _has_place(self, expert: str) -> bool:
        """Whether an expert stands beside an MLP, and its elders are there."""
        path = path_of(expert)
        names = [f"{path}.experts.{number}" for number in range(len(self.experts_of(path)))]
        return f"{path}.mlp" in self.sites and expert in names
