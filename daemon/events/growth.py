"""Growth: neurons were added or renewed, and whether that paid."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.events.event import Event


@dataclass(frozen=True, kw_only=True)
class BrainGrew(Event):
    """Neurons were added, or dormant ones renewed, without a change of the brain's output.

    The units are those of the site; of a part that is added whole, its own, so that there were none before.
    """

    site: str
    operator: str  # widen, deepen, expert, column, recycle
    units_before: int
    units_after: int
    num_renewed: int
    num_neurons: int
    trigger: str  # name of the rule, or by_hand
    reason: str
    evidence: dict[str, float]

    @property
    def message(self) -> str:
        if self.operator == "recycle":
            return f"[Neurogenesis] Renewing {self.num_renewed} dormant units of {self.site}: {self.reason}"
        parts = {"deepen": "a block after ", "expert": "an expert beside ", "column": "a column, "}
        return f"[Neurogenesis] Growing {parts.get(self.operator, '')}{self.site}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class GrowthJudged(Event):
    """A growth was judged against a twin that did not grow and learned from the same text.

    `gain` is how far the loss lay below the twin's, as a share of it; `noise` is its standard error, `least` the gain
    that would pay. Without a verdict `paid` and the numbers are null, and `reason` says why.
    """

    site: str
    operator: str
    by_hand: bool
    grew_step: int
    paid: bool | None
    reason: str
    gain: float | None
    noise: float | None
    least: float | None
    promised_bpc: float | None
    bpc: float | None
    cooldown_steps: int  # of the site, from its growth on

    @property
    def message(self) -> str:
        which = f"[Neurogenesis] The growth of {self.site} at step {self.grew_step:,}"
        if self.paid is None:
            return f"{which} was not judged: {self.reason}"
        assert self.gain is not None
        side = "below" if self.gain >= 0 else "above"
        found = (
            f"{self.bpc:.4f} bits a byte, {abs(self.gain):.2%} ± {self.noise:.2%} {side} "
            f"the {self.promised_bpc:.4f} of a twin that did not grow; {self.least:.2%} below would pay"
        )
        rest = "" if self.by_hand else f"; its cool-down is now {self.cooldown_steps:,} steps"
        return f"{which} {'paid' if self.paid else 'did not pay'}: {found}{rest}"
