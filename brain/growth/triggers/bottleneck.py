"""The activations of a site fill all its dimensions: information is squeezed through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from brain.growth.plan import Proposal
from brain.growth.triggers import triggers
from brain.ranges import SHARE

if TYPE_CHECKING:
    from brain.growth.history import GrowthHistory


@triggers.register("bottleneck", builds="brain.growth.triggers.bottleneck:Bottleneck")
@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """Widen a site whose effective rank is `at_least` of its width; deepen behind it where widening is over.

    Widening is over when the site and a neighbour have all the units they may have.
    """

    enabled: bool = True
    at_least: Annotated[float, SHARE] = 0.9

    def propose(self, history: GrowthHistory) -> Proposal | None:
        """The tightest mature site: wider, or another block behind it."""
        tight = [name for name in history.mature() if history.signals[name].rank_share >= self.at_least]
        for site in sorted(tight, key=lambda name: -history.signals[name].rank_share):
            share = history.signals[site].rank_share
            reason = f"Information bottleneck (effective rank {share:.2f} ≥ {self.at_least:.2f} of width"
            evidence = {"rank_share": share, "at_least": self.at_least}
            if not history.at_cap(site):
                return Proposal(operator="widen", site=site, reason=f"{reason})", evidence=evidence)
            full = [name for name in history.neighbours(site) if history.at_cap(name)]
            room = history.limits.max_neurons - history.num_neurons
            if full and 0 < history.sites[site].deeper_units <= room:
                return Proposal(
                    operator="deepen",
                    site=site,
                    reason=f"{reason}; it and {full[0]} are full)",
                    evidence=evidence,
                )
        return None
