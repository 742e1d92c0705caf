"""Self-prediction error of a live brain: variance of the next state left unexplained."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError, UnsupportedError, WarmingUpError
from brain.vitals.module_watch import MAX_DROPPED_SHARE, ModuleWatch
from brain.vitals.self_prediction import (
    clean_states,
    fraction_of_variance_unexplained,
    linear_baseline,
    persistence_baseline,
    unexplained_error,
)
from brain.vitals.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading
    from brain.vitals.config import SelfPredictionErrorConfig

_EVIDENCE = ("state", "next_state", "predicted_state")


class SelfPredictionErrorSign(LiveSign):
    """FVU = E‖h_{t+1} − ĥ_{t+1}‖² / Var(h_{t+1}), prequential; a brain that foresees nothing scores 1."""

    name = "self_prediction_error"

    def __init__(
        self,
        config: SelfPredictionErrorConfig,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - this sign looks at the reported state, not modules
        seed: int = 0,  # noqa: ARG002 - nothing is drawn
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config = config
        self.version = f"1 window={config.window_states}"
        self._window = Window(config.window_states, _EVIDENCE)

    def observe(self, moment: Moment) -> None:
        """Keep evenly spread states of this step with what was foreseen of them."""
        evidence = moment.report.evidence
        if not all(name in evidence for name in _EVIDENCE):
            return
        stride = -(-len(evidence["state"]) // self.config.states_per_step) or 1
        self._window.add(*(evidence[name][::stride].float() for name in _EVIDENCE))

    def _estimate(self, moment: Moment) -> Reading:
        if len(self._window) == 0:
            if "predicted_state" not in moment.report.evidence:
                raise UnsupportedError("this brain has no self model")
            raise NotMeasurableError("no state yet")
        before, after, foreseen = self._window.arrays()
        clean = clean_states(before, foreseen, after)
        detail = {"coverage": clean.coverage, "dropped_share": clean.dropped_share}
        if clean.dropped_share > MAX_DROPPED_SHARE:
            raise NotMeasurableError(f"{clean.dropped_share:.0%} of the states are not finite", detail)
        if not clean.units.any():
            raise NotMeasurableError("every unit of the state is constant", {**detail, "collapsed": 1.0})
        before, after, foreseen = (part[clean.rows][:, clean.units] for part in (before, after, foreseen))
        if len(after) < 2 * self.config.states_per_step:
            wanted = 2 * self.config.states_per_step
            raise WarmingUpError(f"insufficient samples: {len(after)} of {wanted}", detail)
        detail["persistence"] = persistence_baseline(before, after)
        if len(after) >= 4 * after.shape[1]:  # with fewer the fitted half could not determine the map
            detail["linear"] = linear_baseline(before, after)
        return self._reading(
            fraction_of_variance_unexplained(after, foreseen),
            uncertainty=unexplained_error(after, foreseen),
            samples=len(after),
            detail=detail,
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """The window."""
        return self._window.tensors("window")

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the window back."""
        self._window.load(tensors, "window")
