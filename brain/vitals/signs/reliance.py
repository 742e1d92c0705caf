"""Reliance of a live brain: how much of the evidence for its predictions comes from the exact memory."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from brain.memory.ports import Remembering
from brain.missing_capabilities import why_no_memory
from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError, UnsupportedError
from brain.vitals.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from brain.ports import Moment, Reading
    from brain.vitals.config import RelianceConfig
    from brain.vitals.module_watch import ModuleWatch

BLOCKS = 8  # stretches of rows, each left out once: how far the share depends on what was just read
LEAST_ROWS = 2 * BLOCKS


class RelianceSign(LiveSign):
    """The exact memory's share of the evidence, a mean over bytes, each predicted before it was learned from.

    Beside it stand what these bytes cost the network alone (`bpc`) and both together (`mixed_bpc`). The standard error
    is the jackknife's over stretches of rows.
    """

    name = "reliance"

    def __init__(
        self,
        config: RelianceConfig,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - this sign looks at predictions, not modules
        seed: int = 0,  # noqa: ARG002 - nothing is drawn
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config = config
        self.version = f"1 window={config.window_rows}"
        self._window = Window(config.window_rows, ("share", "alone", "mixed", "bytes"))

    def observe(self, moment: Moment) -> None:
        """Keep the rows of this step; those that the memory did not read have no share."""
        report = moment.report
        if report.row_reliance is not None and report.row_mixed_loss is not None:
            num_bytes = moment.batch.mask.sum(dim=1)
            self._window.add(report.row_reliance, report.row_loss, report.row_mixed_loss, num_bytes)

    def _estimate(self, moment: Moment) -> Reading:
        if not (isinstance(moment.brain, Remembering) and moment.brain.remembers):
            raise UnsupportedError(why_no_memory(moment.brain))
        rows = np.stack(self._window.arrays(), axis=1) if len(self._window) else np.empty((0, 4))
        rows = rows[np.isfinite(rows).all(axis=1) & (rows[:, 3] > 0)]
        if len(rows) < LEAST_ROWS:
            raise NotMeasurableError(
                f"insufficient samples: {len(rows)} of {LEAST_ROWS} rows read with the memory"
            )
        share, alone, mixed = _means(rows)
        blocks = np.array_split(np.arange(len(rows)), BLOCKS)
        left_out = np.array([_means(np.delete(rows, block, axis=0))[0] for block in blocks])
        return self._reading(
            share,
            uncertainty=math.sqrt((BLOCKS - 1) * float(left_out.var())),
            samples=len(rows),
            detail={"bpc": alone / math.log(2), "mixed_bpc": mixed / math.log(2)},
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """The window."""
        return {name: torch.as_tensor(value) for name, value in self._window.tensors("window").items()}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the window back."""
        self._window.load(tensors, "window")


def _means(rows: NDArray[np.float64]) -> tuple[float, float, float]:
    """Share, loss alone and loss of both, of rows (N, 4), weighted by their bytes."""
    share, alone, mixed = np.average(rows[:, :3], axis=0, weights=rows[:, 3]).tolist()
    return share, alone, mixed
