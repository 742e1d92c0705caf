"""Nearly all units of a site are in use: it is small for what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from brain.growth.plan import Proposal
from brain.growth.triggers import triggers
from brain.ranges import AMOUNT_OR_ZERO

if TYPE_CHECKING:
    from brain.growth.history import GrowthHistory


@triggers.register("high_activation", builds="brain.growth.triggers.high_activation:HighActivation")
@dataclass(frozen=True, kw_only=True)
class HighActivation:
    """Widen the site with the largest share of units in use, once it is above `above`."""

    enabled: bool = True
    above: Annotated[float, AMOUNT_OR_ZERO] = 0.85

    def propose(self, history: GrowthHistory) -> Proposal | None:
        """The busiest mature site with room to grow, if it is busy enough."""
        open_sites = [name for name in history.mature() if not history.at_cap(name)]
        if not open_sites:
            return None
        site = max(open_sites, key=lambda name: history.signals[name].utilisation)
        used = history.signals[site].utilisation
        if used <= self.above:
            return None
        return Proposal(
            operator="widen",
            site=site,
            reason=f"High activation ({used:.2f} > {self.above:.2f})",
            evidence={"utilisation": used, "above": self.above},
        )
