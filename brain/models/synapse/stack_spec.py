"""The architecture of a stack of blocks as data: its config, the size of each growth site, how it grew."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import torch

from brain.blocks.self_model import SELF_MODEL
from brain.errors import SettingsError, SpecMismatchError
from brain.growth.plan import BY_HAND, Birth, GrowthPlan
from brain.models.synapse.growth_sites import (
    BORN_MIXER,
    COLUMN_SHARE,
    block_sites,
    column_paths,
    column_sites,
    newborn_sites,
)
from brain.models.synapse.network import SynapseNetwork
from brain.online.grown_spec import GrownSpec, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from brain.models.synapse.config import StackConfig


@dataclass(frozen=True, kw_only=True)
class StackSpec(GrownSpec):
    """As every spec, and the blocks, experts and columns that were born.

    Attributes:
        layers: mixer of every block by its index, those born later behind the others.
        order: indices of blocks from input to output; a block born later leaves the others their indices, and
            so the names of their weights.
        experts: hidden units each expert was born with, by its site.
        columns: width of each column, in the order of birth; all but the youngest, and the trunk, are frozen.
    """

    config: StackConfig
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
    def initial(cls, config: StackConfig) -> Self:
        """A brain that has not grown."""
        return cls(config=config, sites=newborn_sites(config))

    def network(self) -> SynapseNetwork:
        """The network, its weights not drawn yet."""
        return SynapseNetwork(self)

    @property
    def born_sites(self) -> dict[str, int]:
        """Hidden units each site was born with."""
        return newborn_sites(self.config, self.layers, experts=self.experts, columns=self.columns)

    def attention(self, size: int) -> dict[str, int]:
        """Options of attention in a stream of that width; a stack whose layers have none has none."""
        del size
        return {}

    @property
    def workspace_slots(self) -> int:
        """Slots of a workspace that blocks share; 0: none."""
        return 0

    @property
    def workspace_size(self) -> int:
        """Width of a slot."""
        return 1

    def block_paths(self) -> list[str]:
        """What the names of the trunk's blocks begin with, from input to output."""
        return [f"blocks.{index}" for index in self.order]

    def workspace_readers(self) -> list[str]:
        """Blocks that read from the workspace: where the first of the trunk stands nothing is written there yet."""
        return self.block_paths()[1:] if self.workspace_slots else []

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
        raise SettingsError(f"{site} {'is not in a block' if site in self.sites else 'is not a growth site'}")

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

    def own_json(self) -> dict[str, Any]:
        """Blocks, experts and columns, those born later too."""
        return {
            "layers": list(self.layers),
            "order": list(self.order),
            "experts": dict(self.experts),
            "columns": list(self.columns),
        }

    @classmethod
    def own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """The same, read back; a spec from before any of them could be born has those of its config."""
        layers = tuple(str(kind) for kind in stored.get("layers", ()))
        return {
            "layers": layers,
            "order": tuple(int(index) for index in stored.get("order", range(len(layers)))),
            "experts": {str(name): int(units) for name, units in stored.get("experts", {}).items()},
            "columns": tuple(int(width) for width in stored.get("columns", ())),
        }

    def misplaced(self) -> list[str]:
        """Sites and experts that fit no place of its layers, or are missing."""
        placed = {
            site for path in self._paths() if f"{path}.mlp" in self.sites for site in self.experts_of(path)
        }
        return super().misplaced() + sorted(self.experts.keys() - placed)

    def check(self) -> None:
        """Whether its parts fit each other."""
        super().check()
        if sorted(self.order) != list(range(len(self.layers))):
            raise SpecMismatchError(
                f"the spec of {named(self.kind)} orders its blocks as {self.order}; it is damaged"
            )
