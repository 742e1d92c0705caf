"""What the architectures of brains that grow have in common: units of each site, what grew, and the form on disk."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from brain.errors import SettingsError, SpecMismatchError
from brain.online.network_spec import PRECISIONS, NetworkSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from brain.growth.plan import GrowthPlan


@dataclass(frozen=True, kw_only=True)
class GrownSpec(NetworkSpec):
    """All that must be known to build the network before its tensors load.

    Attributes:
        config: as the run was started.
        sites: hidden units of each growth site now; sites of one kind need not be equal.
        growth: what grew, in order: each plan as JSON.
        frozen_by_hand: names of weights that a person keeps from learning.
        kind: under which it is registered.
    """

    kind: ClassVar[str]

    config: Any
    sites: Mapping[str, int]
    growth: tuple[Mapping[str, Any], ...] = field(default=())
    frozen_by_hand: tuple[str, ...] = ()

    @property
    @abstractmethod
    def born_sites(self) -> dict[str, int]:
        """Hidden units each site was born with."""

    @classmethod
    @abstractmethod
    def read_config(cls, stored: Mapping[str, Any]) -> Any:
        """The config as it was stored; raises what a damaged one may."""

    @property
    def dtype(self) -> torch.dtype:
        """Precision of matrix products."""
        return PRECISIONS[self.config.precision]

    @property
    def hippocampus_mib(self) -> int:
        """Room for the exact memory beside the network."""
        return int(self.config.hippocampus_mib)

    def with_frozen(self, names: tuple[str, ...]) -> Self:
        """The same with other weights frozen by hand."""
        return replace(self, frozen_by_hand=names)

    def units(self, site: str) -> dict[str, int]:
        """Units of a site, and those of them that were there from the start."""
        return {"hidden": self.sites[site], "born_hidden": self.born_sites[site]}

    def to_json(self) -> dict[str, Any]:
        """JSON-able form; `brain.build.brain_from_spec` reads it."""
        config = asdict(self.config)
        return {
            "kind": self.kind,
            "config": {
                name: list(value) if isinstance(value, tuple) else value for name, value in config.items()
            },
            "sites": dict(self.sites),
            "growth": [dict(entry) for entry in self.growth],
            "frozen": list(self.frozen_by_hand),
            **self.own_json(),
        }

    def own_json(self) -> dict[str, Any]:
        """What this kind of brain has besides."""
        return {}

    @classmethod
    def own_fields(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """`own_json` read back; raises what a damaged one may."""
        del stored
        return {}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read `to_json` back.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """
        try:
            spec = cls(
                config=cls.read_config(stored["config"]),
                sites={str(name): int(units) for name, units in stored["sites"].items()},
                growth=tuple(dict(entry) for entry in stored.get("growth", ())),
                frozen_by_hand=tuple(str(name) for name in stored.get("frozen", ())),
                **cls.own_fields(stored),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SpecMismatchError(
                f"the spec of {named(cls.kind)} cannot be read ({error}); it is damaged"
            ) from error
        spec.check()
        return spec

    def misplaced(self) -> list[str]:
        """Sites that fit no place of its layers, or are missing."""
        return sorted(self.sites.keys() ^ self.born_sites.keys())

    def check(self) -> None:
        """Whether its parts fit each other.

        Raises:
            SpecMismatchError: they do not.
        """
        if odd := self.misplaced():
            raise SpecMismatchError(
                f"the spec of {named(self.kind)} does not fit its layers at {', '.join(odd)}"
            )


class WidenedSpec(GrownSpec):
    """Of a brain that gets wider in its sites, and grows in no other way."""

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        return frozenset(entry["site"] for entry in self.growth)

    def grown(self, plan: GrowthPlan) -> Self:
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
            f"{plan.site} cannot grow by {plan.operator}: sites of {named(self.kind)} get wider only"
        )


def named(kind: str) -> str:
    """A brain of a kind, within a sentence.

    >>> named("tars"), named("agiformer")
    ('a tars brain', 'an agiformer brain')
    """
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} brain"
