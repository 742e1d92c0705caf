"""What must be remembered to decide about growth, and what has grown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from daemon.trainer.growth.growth_trial import Trial


@dataclass(kw_only=True)
class GrowthState:
    """Growth of one run.

    Attributes:
        signals: smoothed signals of each site, by name.
        born: step at which each site last got units.
        best_error: smoothed BPC at its best since the last growth.
        risen_step: since when the error has been too far above that; None while it is not.
        last_growth_step: step of the last growth.
        pending: plan of the growth before which the checkpoint at hand was saved.
        history: what grew, when, with the metrics before and after, and the verdict.
        trial: of the newest growth, until there is a verdict.
    """

    signals: dict[str, dict[str, float]] = field(default_factory=dict)
    born: dict[str, int] = field(default_factory=dict)
    best_error: float | None = None
    risen_step: int | None = None
    last_growth_step: int | None = None
    pending: Mapping[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    trial: Trial | None = None

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> GrowthState:
        """The state out of `loop` in a checkpoint's `state.json`; `restore_trial` adds a trial."""
        kept = stored.get("growth") or {}
        return cls(
            signals={name: dict(signal) for name, signal in (kept.get("signals") or {}).items()},
            born=dict(kept.get("born") or {}),
            best_error=kept.get("best_error"),
            risen_step=kept.get("risen_step"),
            last_growth_step=kept.get("last_growth_step"),
            pending=kept.get("pending"),
            history=list(stored.get("growth_history") or []),
        )

    def state(self) -> dict[str, Any]:
        """Its entries of `loop`, JSON-able."""
        decides = {name: value for name, value in vars(self).items() if name not in {"history", "trial"}}
        trial = None if self.trial is None else self.trial.state()
        return {"growth": {**decides, "trial": trial}, "growth_history": self.history}

    def tensors(self) -> dict[str, Tensor]:
        """What is kept beside them."""
        return {} if self.trial is None else self.trial.tensors()

    def go_back_to(self, stored: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Forget what grew behind a checkpoint with this `state.json`; its records."""
        undone = self.history[len(stored.get("growth_history", [])) :]
        if undone:
            before = GrowthState.restored(stored.get("loop", {}))
            for name in ("signals", "born", "best_error", "risen_step", "last_growth_step"):
                setattr(self, name, getattr(before, name))
            self.pending = self.trial = None
            del self.history[-len(undone) :]
        return undone
