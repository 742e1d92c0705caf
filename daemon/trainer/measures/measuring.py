"""What is measured beside learning: vital signs, held-out loss and samples, each within its own budget.

It draws from random generators of its own and changes nothing that learning sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.ports import Moment
from daemon.events import EvaluationFinished
from daemon.trainer.measures.held_out_loss import accuracy_by_source, mixed_by_source
from daemon.trainer.measures.label_watch import LabelWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Batch, Brain, Choice, StepReport
    from daemon.trainer.link.reporting import Reporter
    from daemon.trainer.measures.held_out_loss import HeldOutEvaluation
    from daemon.trainer.measures.reliance_by_source import RelianceBySource
    from daemon.trainer.measures.sampling import Sampler
    from daemon.trainer.measures.slow_weights import BetterWeights
    from daemon.trainer.measures.watching import Watch
    from daemon.trainer.ports import Clock


class Measuring:
    """Measures after a step, and on demand.

    Args:
        brain: that is measured.
        better_weights: of it, which are evaluated and drawn samples from.
        choices: that the brain made in this step.
        watch: over the vital signs.
        evaluation: on held-out text.
        reliance: on the exact memory.
        sampler: draws what the brain generates.
        clock: of the run.
        progressed: called in the middle of long work; may end it.
        reporter: takes all of it.
    """

    def __init__(
        self,
        brain: Brain,
        better_weights: BetterWeights,
        choices: Callable[[], tuple[Choice, ...]],
        *,
        watch: Watch,
        evaluation: HeldOutEvaluation,
        reliance: RelianceBySource,
        sampler: Sampler,
        clock: Clock,
        progressed: Callable[[], None],
        reporter: Reporter,
    ) -> None:
        self._brain = brain
        self._better_weights = better_weights
        self._choices = choices
        self._watch = watch
        self._evaluation = evaluation
        self._reliance = reliance
        self._sampler = sampler
        self._clock = clock
        self._progressed = progressed
        self._reporter = reporter
        self._labels = LabelWatch(brain)

    def measure(self, batch: Batch, report: StepReport, context: bytes) -> None:
        """After a step: what is due of each.

        Args:
            batch: that was learned from.
            report: of the step.
            context: what a sample continues.
        """
        step = self._clock.step
        self._look(batch, report)
        self._reporter.still_alive()
        self._reliance.add(batch, report)
        self._reliance.report(self._reporter, step)
        if self._evaluation.due(step, self._clock.session_seconds):
            with self._better_weights():
                loss = self._evaluation.score_slice(self._brain, step)
            self._evaluation.report([] if loss is None else [loss], self._reporter, step)
            self._reporter.still_alive()
        if self._sampler.due():
            with self._better_weights():
                self._reporter.sample(self._sampler.sample(self._brain, context))
        for warning in self._labels.look(report.metrics, step):
            self._reporter.event(warning)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Score the whole held-out set on demand: `bpc`, each by source and `total`; empty where nothing is held out.

        Of a brain that predicts labels `accuracy` and `num_examples` as well; of one with an exact memory `mixed_bpc`.

        Raises:
            Interrupted: the run is to end; what was scored stays scored.
        """
        step = self._clock.step
        with self._better_weights():
            losses = self._evaluation.score_all(self._brain, step, self._progressed)
        total = self._evaluation.report(losses, self._reporter, step)
        if total is None:
            return {}
        by_source, mixed = {loss.source: loss.bpc for loss in losses}, mixed_by_source(losses)
        self._reporter.event(
            EvaluationFinished(
                step=step,
                bpc=total.bpc,
                by_source=by_source,
                num_bytes=total.num_bytes,
                accuracy=total.accuracy,
                num_examples=total.num_examples,
                mixed_bpc=total.mixed_bpc,
                mixed_by_source=mixed,
            )
        )
        found: dict[str, dict[str, float]] = {"bpc": {**by_source, "total": total.bpc}}
        if total.accuracy is not None:
            accuracy = accuracy_by_source(losses)
            examples = {loss.source: loss.num_examples for loss in losses if loss.source in accuracy}
            found["accuracy"] = {**accuracy, "total": total.accuracy}
            found["num_examples"] = {**examples, "total": total.num_examples}
        if total.mixed_bpc is not None:
            found["mixed_bpc"] = {**mixed, "total": total.mixed_bpc}
        return found

    def _look(self, batch: Batch, report: StepReport) -> None:
        """Vital signs."""
        step = self._clock.step
        moment = Moment(
            step=step,
            brain=self._brain,
            batch=batch,
            report=report,
            choices=self._choices(),
            training_seconds=self._clock.training_seconds,
        )
        if tick := self._watch.look(moment, self._reporter.still_alive):
            for reading in tick.readings:
                self._reporter.reading(reading, step)
            for event in tick.events:
                self._reporter.event(event)
            for name, value in self._watch.points().items():
                self._reporter.point(name, step, value)
