"""Growth: neurons were added or renewed."""

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
        parts = {"deepen": "a block behind ", "expert": "an expert beside ", "column": "a column, "}
        return f"[Neurogenesis] Growing {parts.get(self.operator, '')}{self.site}: {self.reason}"
