"""What the rules of growth look at: sites, error and earlier growth; plain data, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brain.growth.plan import smallest_birth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.config import GrowthConfig
    from brain.growth.cooldowns import Cooldowns
    from brain.growth.site import Site


@dataclass(frozen=True, kw_only=True)
class SiteSignal:
    """How a site fares; every number follows from weights and one batch.

    Attributes:
        utilisation: share of units that contribute at least a tenth of the mean unit's contribution.
        dormant_share: share of units whose activation is at most 0.025 of the mean unit's
            (Sokar et al. 2023).
        rank_share: effective rank of the activations (Roy & Vetterli 2007) over the number of units.
        unexpressed: outgoing gradient of units that might be born, as far as no existing unit expresses it,
            over that of the existing ones.
    """

    utilisation: float
    dormant_share: float
    rank_share: float
    unexpressed: float


@dataclass(frozen=True, kw_only=True)
class GrowthHistory:
    """All that a decision may depend on.

    Attributes:
        step: finished steps.
        sites: what may grow.
        signals: how each of them fares, smoothed over the last looks.
        born_steps: step at which a site last grew; absent when it is as old as the brain.
        error: smoothed loss in bits per byte; None before the first.
        best_error: the lowest so far.
        risen_step: since when the error has been above what `RisingError` bears; None while it is not.
        sleeps: whether the brain can fall asleep now, and does so by itself at times.
        slept_step: step at which the last sleep ended; None when there was none.
        last_growth_step: None when nothing ever grew.
        num_growths: so far.
        num_neurons: hidden units of all sites.
        recyclable: whether dormant units can be renewed.
        limits: the settings of growth.
        cooldowns: as they are after the verdicts on earlier growth.
    """

    step: int
    sites: Mapping[str, Site]
    signals: Mapping[str, SiteSignal]
    born_steps: Mapping[str, int]
    error: float | None
    best_error: float | None
    risen_step: int | None
    sleeps: bool
    slept_step: int | None
    last_growth_step: int | None
    num_growths: int
    num_neurons: int
    recyclable: bool
    limits: GrowthConfig
    cooldowns: Cooldowns

    def mature(self) -> list[str]:
        """Sites that were looked at, are not frozen, old enough (a brain is born with newborns alone), and rested."""
        return [
            name
            for name, site in self.sites.items()
            if name in self.signals and not site.frozen and self._has_rested(name)
        ]

    def _has_rested(self, site: str) -> bool:
        born = self.born_steps.get(site)
        if born is None:
            return self.step >= self.limits.maturity_steps
        return self.step - born >= max(self.limits.maturity_steps, self.cooldowns.of_site(site))

    def cap(self, site: str) -> int:
        """Units the site may have."""
        return int(self.sites[site].born_units * self.limits.site_ratio)

    def at_cap(self, site: str) -> bool:
        """Whether not one birth more fits; pairs need room for two."""
        return self.sites[site].units + smallest_birth(self.limits.newborns) > self.cap(site)

    def neighbours(self, site: str) -> list[str]:
        """Sites right before and behind it."""
        place = self.sites[site].place
        return [name for name, other in self.sites.items() if abs(other.place - place) == 1]
