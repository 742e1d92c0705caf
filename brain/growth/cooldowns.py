"""How long nothing grows by itself after a growth: longer after one that did not pay, shorter after one that did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brain.growth.plan import BY_HAND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from brain.growth.config import GrowthConfig

FEWEST, MOST = -2, 6  # doublings: between a quarter and 64 times the first cool-down


@dataclass(frozen=True, kw_only=True)
class Cooldowns:
    """Cool-downs in steps, by site and of the brain as a whole.

    Attributes:
        first: before any verdict.
        sites: how often that of a site was doubled, less how often it was halved; absent before its first verdict.
        brain: the same of the brain as a whole, whatever grew.
    """

    first: int
    sites: Mapping[str, int] = field(default_factory=dict)
    brain: int = 0

    @classmethod
    def of(cls, limits: GrowthConfig, grown: Iterable[Mapping[str, Any]]) -> Cooldowns:
        """As they follow from what grew, oldest first; a record has its `verdict` once there is one.

        A growth by hand changes none: no rule asked for it.
        """
        sites: dict[str, int] = {}
        brain = 0
        for record in grown:
            paid = (record.get("verdict") or {}).get("paid")
            if paid is None or record.get("trigger") == BY_HAND:
                continue
            site = record["site"]
            sites[site] = _moved(sites.get(site, 0), paid=paid)
            brain = _moved(brain, paid=paid)
        return cls(first=limits.cooldown_steps or limits.every_steps, sites=sites, brain=brain)

    def of_site(self, site: str) -> int:
        """Steps that the site rests after it grew.

        >>> Cooldowns(first=2000, sites={"self_model": 1}).of_site("self_model")
        4000
        """
        return self._steps(self.sites.get(site, 0))

    def of_brain(self) -> int:
        """Steps that everything rests after anything grew."""
        return self._steps(self.brain)

    def _steps(self, doublings: int) -> int:
        return round(self.first * 2.0**doublings)


def _moved(doublings: int, *, paid: bool) -> int:
    return max(doublings - 1, FEWEST) if paid else min(doublings + 1, MOST)
