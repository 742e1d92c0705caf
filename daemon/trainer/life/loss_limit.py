"""A run that ends once its held-out loss is low enough: `limits.held_out_bpc`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.events import LossCompared

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.trainer.measures.held_out_sample import HeldOutSample
    from daemon.trainer.ports import Clock, Report
    from daemon.trainer.state.progress import Limits

EVERY_STEPS = 200


class LossLimit:
    """Compares the network's own loss, by its better weights, on a held-out sample every `EVERY_STEPS` steps.

    It follows the step and changes nothing, so a resumed run ends where an uninterrupted one does.

    Args:
        limits: with the loss at which the run ends; None for none.
        sample: made when it is first needed: text may not have come yet.
        brain: whose loss it is.
        clock: of the run.
        report: takes each comparison.
    """

    def __init__(
        self,
        limits: Limits,
        sample: Callable[[], HeldOutSample],
        *,
        brain: Brain,
        clock: Clock,
        report: Report,
    ) -> None:
        self._limits = limits
        self._sample = sample
        self._brain = brain
        self._clock = clock
        self._report = report
        self._made: HeldOutSample | None = None
        self._compared: int | None = None
        self._reached: str | None = None

    def reached(self) -> str | None:
        """The limit, in words, once it is reached; None before."""
        target, step = self._limits.target_bpc, self._clock.step
        if target is None or step % EVERY_STEPS or step == self._compared:
            return self._reached
        self._compared = step
        self._made = self._made or self._sample()
        found = self._made.better(self._brain)
        if found is None:
            return None
        bpc, _ = found
        self._report.event(LossCompared(step=step, bpc=bpc, target_bpc=target))
        if bpc <= target:
            # A resume of this checkpoint continues.
            self._limits.target_bpc = None
            self._reached = f"held-out BPC {bpc:.3f}"
        return self._reached
