"""Confidence of a live brain: type-2 AUROC over predictions scored before they were learned from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.vitals.calibration import (
    brier_score,
    debiased_calibration_error,
    expected_calibration_error,
    type2_auroc,
)
from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError, WarmingUpError
from brain.vitals.module_watch import MAX_DROPPED_SHARE, ModuleWatch
from brain.vitals.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.ports import Moment, Reading
    from brain.vitals.config import ConfidenceConfig

CALIBRATION_GATE = 0.1  # debiased calibration error above which the brain's confidence is not to be trusted


class ConfidenceSign(LiveSign):
    """P(surer when right than when wrong), ties counting half, behind a calibration gate."""

    name = "confidence"

    def __init__(
        self,
        config: ConfidenceConfig,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - this sign looks at predictions, not modules
        seed: int = 0,  # noqa: ARG002 - nothing is drawn
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config = config
        self.version = f"1 window={config.window_predictions}"
        self._window = Window(config.window_predictions, ("confidence", "correct"))

    def observe(self, moment: Moment) -> None:
        """Keep the predictions of this step."""
        evidence = moment.report.evidence
        if "confidence" in evidence and "correct" in evidence:
            self._window.add(evidence["confidence"].flatten(), evidence["correct"].flatten())

    def _estimate(self, moment: Moment) -> Reading:  # noqa: ARG002 - it is about the predictions gathered so far
        if len(self._window) == 0:
            raise NotMeasurableError("no prediction with a confidence was reported yet")
        sure, right = self._window.arrays()
        finite = (sure >= -1e-6) & (sure <= 1 + 1e-6)
        dropped = float(1.0 - finite.mean())
        if dropped > MAX_DROPPED_SHARE:
            raise NotMeasurableError(
                f"{dropped:.0%} of the confidences are not in [0, 1]", {"dropped_share": dropped}
            )
        sure, right = sure[finite], right[finite]
        if len(sure) < self.config.warm_up_predictions:
            raise WarmingUpError(f"warming up, {len(sure)} of {self.config.warm_up_predictions} predictions")
        detail = {
            "accuracy": float(right.mean()),
            "mean_confidence": float(sure.mean()),
            "ece": debiased_calibration_error(sure, right),
            "ece15": expected_calibration_error(sure, right),
            "brier": brier_score(sure, right),
            "dropped_share": dropped,
        }
        detail["calibrated"] = float(detail["ece"] <= CALIBRATION_GATE)
        area = type2_auroc(sure, right)
        if area is None:
            which = "right" if right.all() else "wrong"
            raise NotMeasurableError(f"all of the last {len(sure)} predictions were {which}", detail)
        return self._reading(area.area, uncertainty=area.standard_error, samples=len(sure), detail=detail)

    def state_tensors(self) -> Mapping[str, Tensor]:
        """The window."""
        return {name: torch.as_tensor(value) for name, value in self._window.tensors("window").items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the window back."""
        self._window.load(tensors, "window")
