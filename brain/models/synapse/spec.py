"""The architecture of one SYNAPSE brain as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch

from brain.errors import SettingsError, SpecMismatchError
from brain.growth.plan import BY_HAND, Birth, GrowthPlan
from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.growth_sites import (
    BORN_MIXER,
    COLUMN_SHARE,
    SELF_MODEL,
    block_sites,
    column_paths,
    column_sites,
    newborn_sites,
)
from brain.models.synapse.network import SynapseNetwork
from brain.online.spec import PRECISIONS, NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from brain.models.synapse.config import StackConfig


@dataclass(frozen=True, kw_only=True)
class SynapseSpec(NetworkSpec):
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
        frozen_by_hand: names of weights that a person keeps from learning.
        kind: under which it is registered.
    """

    kind: ClassVar[str] = "synapse"

    config: StackConfig
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())
    layers: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    experts: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[int, ...] = ()
    frozen_by_hand: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """A brain without a block born later has the layers of its config."""
        if not self.layers:
            object.__setattr__(self, "layers", tuple(self.config.layers))
            object.__setattr__(self, "order", tuple(range(len(self.config.layers))))

    @classmethod
    def newborn(cls, config: StackConfig) -> Self:
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

    def network(self) -> SynapseNetwork:
        """The network, its weights not drawn yet."""
        return SynapseNetwork(self)

    def with_frozen(self, names: tuple[str, ...]) -> Self:
        """The same with other weights frozen by hand."""
        return replace(self, frozen_by_hand=names)

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

    def workspace_readers(self) -> list[str]:
        """Blocks that read from the workspace: where the first of the trunk stands nothing is written there yet."""
        return self.block_paths()[1:] if self.config.workspace_slots else []

    def column_paths(self, number: int) -> list[str]:
        """The same of a column's blocks; there are as many."""
        return column_paths(number, len(self.order))

    def experts_of(self, path: str) -> list[str]:
        """Sites of the experts of a block, in the order of their birth."""
        found: list[str] = []
        while (site := f"{path}.experts.{len(found)}") in self.experts:
            found.append(site)
        return found

    def _paths(self) -> Iterator[str]:
        """What the names of each block begin with, the trunk's first."""
        yield from self.block_paths()
        for number in range(len(self.columns)):
            yield from self.column_paths(number)

    def _path_with(self, site: str) -> str:
        """The block in which a site stands."""
        for path in self._paths():
            if site in (f"{path}.mixer", f"{path}.mlp", *self.experts_of(path)):
                return path
        raise SettingsError(f"{site} {'stands in no block' if site in self.sites else 'is no growth site'}")

    def next_column(self) -> Birth:
        """The column that can be born beside all that is there, which is then frozen but for the self model."""
        name, width, units = self.newborn_column()
        plan = GrowthPlan(
            operator="column",
            site=name,
            units=units,
            width=width,
            trigger=BY_HAND,
            reason="as if it were born",
        )
        with torch.device("meta"):  # built without memory, to be counted
            now, grown = self.network(), self.grown(plan).network()
        learning = {name for name, weight in grown.named_parameters() if weight.requires_grad}
        return Birth(
            name=name,
            units=units,
            width=width,
            parameters=sum(weight.numel() for weight in grown.columns[-1].parameters()),
            freezes=sum(
                weight.numel()
                for name, weight in now.named_parameters()
                if weight.requires_grad and name not in {*learning, *self.frozen_by_hand}
            ),
        )

    def newborn_column(self) -> tuple[str, int, int]:
        """Name, width and hidden units of the next column."""
        number, width = len(self.columns), max(1, self.config.hidden_size // COLUMN_SHARE)
        return f"columns.{number}", width, sum(self._column_sites(number, width).values())

    def _column_sites(self, number: int, width: int) -> dict[str, int]:
        return column_sites(number, depth=len(self.order), width=width, mlp_ratio=self.config.mlp_ratio)

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        changed = {
            entry["site"] for entry in self.growth if entry.get("operator", "widen") in ("widen", "recycle")
        }
        return frozenset(changed & self.sites.keys())

    def grown(self, plan: GrowthPlan) -> Self:
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
                index, behind = len(self.layers), self.block_paths().index(self._path_with(plan.site)) + 1
                born = self.newborn_block(f"blocks.{index}")
                return replace(
                    self,
                    sites=self._with(born),
                    growth=growth,
                    layers=(*self.layers, BORN_MIXER),
                    order=(*self.order[:behind], index, *self.order[behind:]),
                )
            case "expert":
                path = self._path_with(plan.site)
                born = {f"{path}.experts.{len(self.experts_of(path))}": plan.units}
                experts = {**self.experts, **born}
                return replace(self, sites=self._with(born), growth=growth, experts=experts)
            case "column":
                number = len(self.columns)
                if plan.site != f"columns.{number}":
                    raise SettingsError(f"{plan.site} cannot be born: the next column is columns.{number}")
                born = self._column_sites(number, plan.width)
                columns = (*self.columns, plan.width)
                return replace(self, sites=self._with(born), growth=growth, columns=columns)
            case "recycle":
                return replace(self, growth=growth)

    def newborn_block(self, path: str) -> dict[str, int]:
        """Sites of a block of the trunk that is born now."""
        return block_sites(path, BORN_MIXER, size=self.config.hidden_size, mlp_ratio=self.config.mlp_ratio)

    def _with(self, born: Mapping[str, int]) -> dict[str, int]:
        """All sites; the self model stays last, as in a newborn."""
        sites = {**self.sites, **born}
        sites[SELF_MODEL] = sites.pop(SELF_MODEL)
        return sites

    def to_json(self) -> dict[str, Any]:
        """JSON-able form; `brain.build.brain_from_spec` reads it."""
        config = asdict(self.config)
        return {
            "kind": self.kind,
            "config": {
                name: list(value) if isinstance(value, tuple) else value for name, value in config.items()
            },
            "sites": dict(self.sites),
            "growth": [dict(g) for g in self.growth],
            "layers": list(self.layers),
            "order": list(self.order),
            "experts": dict(self.experts),
            "columns": list(self.columns),
            "frozen": list(self.frozen_by_hand),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read `to_json` back; a spec from before blocks, experts or columns could be born has none of its own.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            config = cls.read_config(stored["config"])
            layers = tuple(str(kind) for kind in stored.get("layers", config.layers))
            spec = cls(
                config=config,
                sites={str(name): int(units) for name, units in stored["sites"].items()},
                growth=tuple(dict(entry) for entry in stored.get("growth", ())),
                layers=layers,
                order=tuple(int(index) for index in stored.get("order", range(len(layers)))),
                experts={str(name): int(units) for name, units in stored.get("experts", {}).items()},
                columns=tuple(int(width) for width in stored.get("columns", ())),
                frozen_by_hand=tuple(str(name) for name in stored.get("frozen", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of a {cls.kind} brain cannot be read ({error}); it is damaged"
            ) from error
        spec._check()
        return spec

    @classmethod
    def read_config(cls, stored: Mapping[str, Any]) -> StackConfig:
        """The config as it was stored; raises what a damaged one may."""
        return SynapseConfig(**{**stored, "layers": tuple(stored["layers"])})

    def _check(self) -> None:
        """Whether its parts fit each other."""
        odd = sorted(self.sites.keys() ^ self.born_sites.keys())
        placed = {
            site for path in self._paths() if f"{path}.mlp" in self.sites for site in self.experts_of(path)
        }
        odd += sorted(self.experts.keys() - placed)
        if odd:
            raise SpecMismatchError(
                f"the spec of a {self.kind} brain does not fit its layers at {', '.join(odd)}"
            )
        if sorted(self.order) != list(range(len(self.layers))):
            raise SpecMismatchError(
                f"the spec of a {self.kind} brain orders its blocks as {self.order}; it is damaged"
            )
