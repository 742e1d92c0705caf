"""Neurogenesis in the loop: look at the sites by step, decide, save, grow, and keep the record.

Everything here follows from the step or from the journal. A growth that a rule decided stands in the state as
`pending` while the checkpoint before it is saved; so a resume of that checkpoint grows at once, as this life
did. A growth by hand is journaled whole, before it is acknowledged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.capabilities import Growable
from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.cooldowns import Cooldowns
from brain.growth.decision import decide_growth
from brain.growth.history import GrowthHistory
from brain.growth.plan import WHOLE_PARTS, GrowthPlan
from daemon.events import BrainGrew, SettingRestored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.config import GrowthConfig
    from brain.growth.site import Site
    from brain.ports import Batch, Brain, StepReport
    from daemon.trainer.growth.growth_state import GrowthState
    from daemon.trainer.growth.growth_trial import Trials
    from daemon.trainer.growth.site_signals import SiteSignals
    from daemon.trainer.ports import Report, Save
    from daemon.trainer.sleep.sleeping import Sleeping
    from daemon.trainer.state.progress import Progress

RULES = ("rising_error", "bottleneck", "high_activation")  # the most pressing first


class Growing:
    """Growth of one run.

    Args:
        state: all that it must remember.
        config: the limits and rules.
        brain: that grows.
        signals: looks at the sites.
        trials: judges each growth.
        progress: step and smoothed error.
        sleeping: comes before a growth for an error that has risen.
        save: takes a checkpoint before each growth, and one behind it.
        report: takes what grew.
    """

    def __init__(
        self,
        state: GrowthState,
        config: GrowthConfig,
        *,
        brain: Brain,
        signals: SiteSignals,
        trials: Trials,
        progress: Progress,
        sleeping: Sleeping,
        save: Save,
        report: Report,
    ) -> None:
        self._state = state
        self._config = config
        self._brain = brain
        self._signals = signals
        self._trials = trials
        self._progress = progress
        self._sleeping = sleeping
        self._save = save
        self._report = report
        self.newest_batch: Batch | None = None

    def begin(self) -> None:
        """At the start of a session: finish the growth that the checkpoint was saved before."""
        pending, self._state.pending = self._state.pending, None
        if pending is not None:
            if self._config.enabled:
                self.apply(GrowthPlan.from_json(pending))
            else:
                self._report_dropped("growth is switched off")
        neurons, limit = self._brain.num_neurons(), self._config.max_neurons
        if self._config.enabled and neurons > limit:
            what = f"the brain has {neurons} neurons already, growth.max_neurons = {limit}: nothing will grow"
            self._report.event(SettingRestored(step=self._progress.step, what=what))
        self._report_size()

    def tick(self, batch: Batch, report: StepReport) -> None:
        """After a step: complete the record of earlier growth; when it is time, look, decide and grow."""
        self.newest_batch = batch
        self._complete_history()
        self._trials.follow(batch, report)
        due = self._config.enabled and self._progress.step % self._config.every_steps == 0 and report.applied
        if not (due and isinstance(self._brain, Growable)) or self._sleeping.asleep:
            return
        probes = self._signals.look(self._brain, batch)
        if probes is None or self._trials.under_way:
            return
        history = self._history(self._brain)
        if self._config.rising_error.enabled and self._config.rising_error.awaits_sleep(history):
            self._sleeping.fall_asleep(self._sleeping.config.steps, "the error has risen")
            return
        for name in RULES:
            rule = getattr(self._config, name)
            plan = decide_growth(history, rule, trigger=name) if rule.enabled else None
            fitted = None if plan is None else self._signals.fitted(plan, probes[plan.site])
            if fitted is not None and fitted.units:
                self.grow_by_rule(fitted)
                return

    def grow_by_rule(self, plan: GrowthPlan) -> None:
        """Save, and let a plan that follows from the step take effect."""
        self._state.pending = plan.to_json()
        # Growth follows from the step alone, so a full disk may not keep it from happening: an older
        # checkpoint leads to the very same growth.
        self._save.try_save("growth")
        self._state.pending = None
        self.apply(plan)
        self.save_grown()

    def save_grown(self) -> None:
        """Save after the growth, so that no later roll-back undoes it."""
        self._save.try_save("grown")

    def last_record(self) -> dict[str, Any]:
        """What grew last."""
        return self._state.history[-1]

    def apply(self, plan: GrowthPlan) -> None:
        """Let a plan take effect, now or again after a crash; one that no longer fits is dropped."""
        brain, state, step = self._brain, self._state, self._progress.step
        assert isinstance(brain, Growable)
        before = _counts(self._brain)
        sites_before, twin = brain.sites(), self._trials.twin()
        try:
            apply_growth(brain, plan, max_neurons=self._config.max_neurons)
        except SettingsError as error:
            self._report_dropped(str(error))
            return
        if plan.operator in WHOLE_PARTS:
            units_before, units_after = 0, plan.units
        else:
            units_before, units_after = sites_before[plan.site].units, brain.sites()[plan.site].units
        after = _counts(self._brain)
        record = {
            "step": step,
            "site": plan.site,
            "operator": plan.operator,
            "trigger": plan.trigger,
            "reason": plan.reason,
            "evidence": dict(plan.evidence),
            "newborns": plan.newborns,
            "units_before": units_before,
            "units_after": units_after,
            "metrics_before": {"bpc": self._progress.smooth_bpc, **before},
            "metrics_after": after,
            "settled_step": step + self._config.maturity_steps,
        }
        self._trials.break_off("something else grew meanwhile")
        state.history.append(record)
        self._trials.begin(twin, added_share=after["num_neurons"] / before["num_neurons"] - 1.0)
        self._remember(plan, sites_before, brain.sites())
        self._report.event(
            BrainGrew(
                step=step,
                site=plan.site,
                operator=plan.operator,
                units_before=units_before,
                units_after=units_after,
                num_renewed=len(plan.chosen),
                num_neurons=after["num_neurons"],
                trigger=plan.trigger,
                reason=plan.reason,
                evidence=dict(plan.evidence),
            )
        )
        self._report_size()

    def rolled_back(self, stored: Mapping[str, Any]) -> None:
        """The brain is again that of a checkpoint with this `state.json`: forget what grew since."""
        if not (undone := self._state.go_back_to(stored)):
            self._trials.break_off("the brain was rolled back meanwhile")
            return
        sites = ", ".join(record["site"] for record in undone)
        what = f"the roll-back went behind the growth of {sites}: it is undone"
        self._report.event(SettingRestored(step=self._progress.step, what=what))
        self._report_size()

    def _history(self, brain: Growable) -> GrowthHistory:
        state = self._state
        return GrowthHistory(
            step=self._progress.step,
            sites=brain.sites(),
            signals=self._signals.smoothed(),
            born_steps=state.born,
            error=self._progress.smooth_bpc,
            best_error=state.best_error,
            risen_step=state.risen_step,
            sleeps=self._sleeping.may_come_by_itself(),
            slept_step=self._sleeping.woke,
            last_growth_step=state.last_growth_step,
            num_growths=len(state.history),
            num_neurons=self._brain.num_neurons(),
            recyclable=True,
            limits=self._config,
            cooldowns=Cooldowns.of(self._config, state.history),
        )

    def _remember(self, plan: GrowthPlan, before: Mapping[str, Site], after: Mapping[str, Site]) -> None:
        state, step = self._state, self._progress.step
        state.last_growth_step = step
        # A site that was born whole is as young as the newborns of one that was widened.
        grown = [name for name in after if name == plan.site or name not in before]
        state.born.update(dict.fromkeys(grown, step))
        kept = state.signals
        for name in [name for name in kept if name == plan.site or name not in after or after[name].frozen]:
            del kept[name]
        # A new brain, a new best: the same rise must not call for growth again and again.
        state.best_error, state.risen_step = None, None

    def _complete_history(self) -> None:
        """Once newborns are mature, write down how the brain fares."""
        for record in self._state.history:
            if record["settled_step"] <= self._progress.step and "bpc" not in record["metrics_after"]:
                record["metrics_after"]["bpc"] = self._progress.smooth_bpc

    def _report_dropped(self, why: str) -> None:
        what = f"a growth did not take effect: {why}"
        self._report.event(SettingRestored(step=self._progress.step, what=what))

    def _report_size(self) -> None:
        for name, count in _counts(self._brain).items():
            self._report.point(name, self._progress.step, count)


def _counts(brain: Brain) -> dict[str, int]:
    return {"num_neurons": brain.num_neurons(), "num_parameters": brain.num_parameters()}
