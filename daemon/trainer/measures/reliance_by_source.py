"""How much of the evidence comes from the exact memory, by source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Batch, StepReport
    from daemon.trainer.ports import Report

EVERY_STEPS = 50  # as the frozen probes


class RelianceBySource:
    """Means over the bytes read since the last report; a brain without an exact memory has none.

    Args:
        name_of: the name of a source by its index.
    """

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self._name_of = name_of
        self._sums: dict[int, tuple[float, int]] = {}  # share times bytes, and bytes

    def add(self, batch: Batch, report: StepReport) -> None:
        """Count the rows of a step."""
        if (share := report.row_reliance) is None:
            return
        known = ~share.isnan()
        num_bytes, source = batch.mask.sum(dim=1).cpu()[known], batch.source.cpu()[known]
        shares = share[known] * num_bytes
        for index in torch.unique(source).tolist():
            own = source == index
            total, count = self._sums.get(index, (0.0, 0))
            self._sums[index] = total + float(shares[own].sum()), count + int(num_bytes[own].sum())

    def report(self, reporter: Report, step: int) -> None:
        """When it is due, a point for each source that was read since the last ones."""
        if step % EVERY_STEPS:
            return
        sums, self._sums = self._sums, {}
        for index, (total, count) in sums.items():
            if count:
                reporter.point(f"reliance/{self._name_of(index)}", step, total / count)
