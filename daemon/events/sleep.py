"""Sleep: begun, ended, undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from daemon.events.event import Event, Severity


@dataclass(frozen=True, kw_only=True)
class SleepBegan(Event):
    """The run fell asleep: it replays and is taught by its slow weights."""

    steps: int
    reason: str

    @property
    def message(self) -> str:
        return f"[Sleep] Began ({self.reason}): {self.steps} steps of replay"


@dataclass(frozen=True, kw_only=True)
class SleepEnded(Event):
    """The run woke up; mean probe losses in bits per byte, None without probes."""

    steps: int
    before: float | None
    after: float | None

    @property
    def message(self) -> str:
        if self.before is None or self.after is None:
            return f"[Sleep] Ended after {self.steps} steps"
        return f"[Sleep] Ended after {self.steps} steps: probe loss {self.before:.3f} → {self.after:.3f} BPC"


@dataclass(frozen=True, kw_only=True)
class CarriedOver(Event):
    """What a sleep taught the network of items that only the exact memory knew; losses in bits per byte of them.

    Attributes:
        items: how many.
        share: of the gap between the network's loss and that with memory, by which the network's own fell.
        before: loss of the network alone before the sleep.
        after: and behind it.
        with_memory: loss of both before it.
    """

    items: int
    share: float
    before: float
    after: float
    with_memory: float

    @property
    def message(self) -> str:
        return (
            f"[Sleep] Carried over {self.share:.1%} of what only the exact memory knew of {self.items} passages: "
            f"network alone {self.before:.3f} → {self.after:.3f} BPC, with memory {self.with_memory:.3f}"
        )


@dataclass(frozen=True, kw_only=True)
class SleepRolledBack(Event):
    """A sleep did harm and was undone: the weights are those before it."""

    severity: ClassVar[Severity] = "warning"
    before: float
    after: float
    tolerance: float

    @property
    def message(self) -> str:
        tolerated = f"sleep.tolerance is {100 * self.tolerance:g} %"
        return f"[Sleep] Undone: probe loss {self.before:.4f} → {self.after:.4f} BPC ({tolerated})"
