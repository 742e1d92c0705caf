"""The error has risen and a sleep did not cure it: something is to be learned that no unit expresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from brain.growth.plan import Proposal
from brain.growth.triggers import triggers
from brain.ranges import AMOUNT_OR_ZERO, COUNT

if TYPE_CHECKING:
    from brain.growth.history import GrowthHistory


@triggers.register("rising_error", builds="brain.growth.triggers.rising_error:RisingError")
@dataclass(frozen=True, kw_only=True)
class RisingError:
    """Widen the site with the largest relative unexpressed gradient when the error stays above its best.

    It must stay `above` (a share) over its best for `patience_steps`, and through a sleep where there
    are any: one is asked for.
    """

    enabled: bool = True
    above: Annotated[float, AMOUNT_OR_ZERO] = 0.1
    patience_steps: Annotated[int, COUNT] = 2000

    def risen(self, error: float, best_error: float) -> bool:
        """Whether the error is further above its best than is borne."""
        return error > best_error * (1.0 + self.above)

    def awaits_sleep(self, history: GrowthHistory) -> bool:
        """Whether the rise has lasted and a sleep, which might cure it, is all that is wanting."""
        return history.sleeps and _rested_steps(history) is None and bool(self._open_sites(history))

    def propose(self, history: GrowthHistory) -> Proposal | None:
        """Where units are missed most, once the rise has lasted."""
        since, error, best = history.risen_step, history.error, history.best_error
        open_sites = self._open_sites(history)
        if since is None or error is None or best is None or not open_sites:
            return None
        rested = _rested_steps(history)
        if rested is None and history.sleeps:
            return None
        # The error is smoothed: only from a look on after waking does it tell what the sleep has cured.
        if rested is not None and rested < history.limits.every_steps:
            return None
        site = max(open_sites, key=lambda name: history.signals[name].unexpressed)
        unexpressed = history.signals[site].unexpressed
        return Proposal(
            operator="widen",
            site=site,
            reason=(
                f"Rising error ({error:.2f} > {best:.2f} + {self.above:.0%}; "
                f"unexpressed gradient {unexpressed:.2f})"
            ),
            evidence={"error": error, "best_error": best, "unexpressed": unexpressed, "risen_step": since},
        )

    def _open_sites(self, history: GrowthHistory) -> list[str]:
        """Mature sites with room to grow, if the error has risen and stayed above its best for long enough."""
        since, error, best = history.risen_step, history.error, history.best_error
        if since is None or error is None or best is None or not self.risen(error, best):
            return []
        if history.step - since < self.patience_steps:
            return []
        return [name for name in history.mature() if not history.at_cap(name)]


def _rested_steps(history: GrowthHistory) -> int | None:
    """Steps since the last sleep ended, if that was behind the error's rise."""
    slept, since = history.slept_step, history.risen_step
    return None if slept is None or since is None or slept <= since else history.step - slept
