"""The state of sleep: when the run last woke and, while it sleeps, how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brain.sleep.carry_over import CarryOver
from brain.stored_state import AWAKE_ONLY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

MODEL, LEARNING = "model|", "learning|"
AWAKE = tuple(f"{LEARNING}{prefix}" for prefix in AWAKE_ONLY)


@dataclass(kw_only=True)
class SleepInProgress:
    """A sleep under way.

    Attributes:
        steps: that it takes.
        done: steps of them that are finished.
        reason: why the run fell asleep.
        counters: of the brain when it did.
        scored: the probes were scored before the first step.
        before: mean loss on them then, in BPC; None where nothing is known.
        skips: non-finite steps in a row.
        undone: it did harm, and the brain is again as before.
        carried: what it carries over from the exact memory to the network; None before that was chosen.
    """

    steps: int
    done: int = 0
    reason: str = ""
    counters: Mapping[str, Any] = field(default_factory=dict)
    scored: bool = False
    before: float | None = None
    skips: int = 0
    undone: bool = False
    carried: CarryOver | None = None


@dataclass(kw_only=True)
class SleepState:
    """Sleep of one run.

    Attributes:
        woke: step of the last waking.
        forgetting: mean forgetting as it was measured since.
        current: the sleep under way; None while awake.
        tensors: what that sleep would go back to.
    """

    woke: int | None = None
    forgetting: float | None = None
    current: SleepInProgress | None = None
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @property
    def asleep(self) -> bool:
        """Whether the next step is one of sleep."""
        return self.current is not None

    @classmethod
    def restored(cls, stored: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SleepState:
        """The state out of `loop` in a checkpoint's `state.json`, and the tensors beside it."""
        kept = dict(stored.get("sleep") or {})
        current = None
        if kept.get("steps"):
            current = SleepInProgress(
                steps=kept["steps"],
                done=kept.get("done", 0),
                reason=kept.get("reason", ""),
                counters=kept.get("counters", {}),
                scored="before" in kept,
                before=kept.get("before"),
                skips=kept.get("skips", 0),
                undone=bool(kept.get("undone")),
                carried=CarryOver.restored(kept["carried"]) if kept.get("carried") else None,
            )
        return cls(
            woke=kept.get("woke"),
            forgetting=kept.get("forgetting"),
            current=current,
            # Older checkpoints held what sleep leaves as it is, too.
            tensors={name: one.clone() for name, one in tensors.items() if not name.startswith(AWAKE)},
        )

    def state(self) -> dict[str, Any]:
        """Its entry of `loop`, JSON-able: flat; `before` stands in it once the probes were scored."""
        known = {"woke": self.woke, "forgetting": self.forgetting}
        kept: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
        if self.current is not None:
            left_out = {"scored", "carried"} | (set() if self.current.scored else {"before"})
            kept |= {name: value for name, value in vars(self.current).items() if name not in left_out}
            if self.current.carried is not None:
                kept["carried"] = self.current.carried.state()
        return {"sleep": kept}

    def wake(self, step: int) -> None:
        """The run is awake from this step on."""
        self.woke, self.forgetting, self.current, self.tensors = step, None, None, {}
