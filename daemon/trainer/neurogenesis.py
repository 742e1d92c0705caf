"""Neurogenesis in the loop: look at the sites by step, decide, save, grow, and keep the record.

Everything here follows from the step or from the journal. A growth that a rule decided stands in the state as
`pending` while the checkpoint before it is saved; so a resume of that checkpoint grows at once, as this life
did. A growth by hand is journaled whole, before it is acknowledged.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, get_args

import torch

from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.decision import (
    birth_seed,
    column_by_hand,
    decide_growth,
    deepen_by_hand,
    expert_by_hand,
    plan_by_hand,
    room_for,
    why_no_expert,
    why_not_deeper,
)
from brain.growth.history import GrowthHistory, SiteSignal
from brain.growth.plan import WHOLE_PARTS, GrowthPlan, OperatorByHand, smallest_birth
from brain.growth.signals import SiteProbe, calibrated_scale, read_signal
from brain.ports import Growable
from daemon.events import BrainGrew, SettingRestored
from daemon.trainer.growth_view import growth_view, next_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.config import GrowthConfig
    from brain.growth.site import Site
    from brain.ports import Batch, Brain, StepReport
    from daemon.trainer.loop import Loop
    from daemon.trainer.state import LoopState

SMOOTHING = 0.5  # of a look's signals
RULES = ("rising_error", "bottleneck", "high_activation")  # the most pressing first
_NOT_GROWABLE = "not available for this brain"
_BORN_WHOLE = {"deepen": "a block", "expert": "an expert", "column": "a column"}


class Growing:
    """Growth of one run. All it must remember is in `LoopState.growth` and `LoopState.growth_history`.

    Args:
        config: the limits and rules.
        seed: of the generator that each look draws from, together with its step.
    """

    def __init__(self, config: GrowthConfig, *, seed: int) -> None:
        self.config = config
        self._seed = seed
        self._batch: Batch | None = None

    def begin(self, loop: Loop) -> None:
        """At the beginning of a life: finish the growth before which the checkpoint was saved."""
        stored = loop.parts.state.growth.get("pending")
        if stored is not None:
            loop.parts.state.growth["pending"] = None
            if self.config.enabled:
                self.apply(loop, GrowthPlan.from_json(stored))
            else:
                self._say_dropped(loop, "growth is switched off")
        neurons, limit = loop.parts.brain.num_neurons(), self.config.max_neurons
        if self.config.enabled and neurons > limit:
            what = f"the brain has {neurons} neurons already, growth.max_neurons = {limit}: nothing will grow"
            loop.parts.reporter.event(SettingRestored(step=loop.step, what=what))
        self._report_size(loop)

    def tick(self, loop: Loop, batch: Batch, report: StepReport) -> None:
        """After a step: complete the record of earlier growth; when it is time, look, decide and grow."""
        state = loop.parts.state
        self._batch = batch
        self._complete_history(state)
        due = self.config.enabled and state.step % self.config.every_steps == 0 and report.applied
        if not (due and isinstance(loop.parts.brain, Growable)) or loop.parts.sleeping.asleep(loop):
            return
        probes = self._look(loop, batch)
        if probes is None:
            return
        history = self._history(loop, loop.parts.brain)
        if self.config.rising_error.enabled and self.config.rising_error.awaits_sleep(history):
            loop.parts.sleeping.fall_asleep(loop, loop.parts.config.sleep.steps, "the error has risen")
            return
        for name in RULES:
            rule = getattr(self.config, name)
            plan = decide_growth(history, rule, trigger=name) if rule.enabled else None
            fitted = None if plan is None else self._fitted(plan, probes[plan.site])
            if fitted is not None and fitted.units:
                self._grow_saved(loop, fitted)
                return

    def plan_by_hand(
        self, loop: Loop, site: str | None, fraction: float | None, operator: OperatorByHand = "widen"
    ) -> GrowthPlan:
        """The growth a person asks for; without a site, where units are missed most.

        Raises:
            SettingsError: the brain cannot grow, there is no such site, or no room.
        """
        brain = loop.parts.brain
        if not isinstance(brain, Growable):
            raise SettingsError(_NOT_GROWABLE)
        if loop.parts.sleeping.asleep(loop):
            # A sleep may be rolled back, to weights that would no longer fit.
            raise SettingsError("the brain is asleep; it can grow when it is awake again")
        if operator not in get_args(OperatorByHand):
            known = ", ".join(get_args(OperatorByHand))
            raise SettingsError(f"operator = {operator!r}: one of {known} is expected")
        if operator in _BORN_WHOLE and fraction is not None:
            raise SettingsError(f"{_BORN_WHOLE[operator]} is born whole: leave fraction out")
        seed = birth_seed(loop.step, len(loop.parts.state.growth_history))
        if operator == "column":
            if site is not None:
                raise SettingsError("a column stands beside all that is there: leave site out")
            return column_by_hand(brain.sites(), self.config, next_column(brain), seed=seed)
        probes = self._probe(loop, self._batch) if self._batch is not None else {}
        chosen = site if site is not None else self._neediest(brain, probes, operator)
        if operator == "deepen":
            return deepen_by_hand(brain.sites(), self.config, chosen, seed=seed)
        if operator == "expert":
            return expert_by_hand(brain.sites(), self.config, chosen, seed=seed)
        share = self.config.fraction if fraction is None else fraction
        plan = plan_by_hand(brain.sites(), self.config, chosen, share, seed=seed)
        return self._fitted(plan, probes[plan.site]) if probes else plan

    def grow_by_hand(self, loop: Loop, plan: GrowthPlan) -> dict[str, Any]:
        """Save, journal the plan, let it take effect; what came of it.

        Raises:
            CheckpointError: it could not be saved or journaled; then nothing grew.
        """
        # Saved before it is journaled: a fork of that checkpoint is a brain that never grew.
        checkpoint = loop.parts.saver.save(loop, "growth")
        if plan.operator == "column":
            loop.parts.saver.pin(checkpoint)  # what a column freezes learns again only from there
        entry = loop.parts.journal.append("grow", loop.step, plan.to_json())
        loop.apply(entry)
        self._save_grown(loop)
        record = loop.parts.state.growth_history[-1]
        return {"checkpoint": checkpoint, "sequence": entry.sequence, "effective_step": entry.step, **record}

    def apply(self, loop: Loop, plan: GrowthPlan) -> None:
        """Let a plan take effect, now or again after a crash; one that no longer fits is dropped."""
        brain, state = loop.parts.brain, loop.parts.state
        assert isinstance(brain, Growable)
        before = _counts(loop.parts.brain)
        sites_before = brain.sites()
        try:
            apply_growth(brain, plan, max_neurons=self.config.max_neurons)
        except SettingsError as error:
            self._say_dropped(loop, str(error))
            return
        if plan.operator in WHOLE_PARTS:
            units_before, units_after = 0, plan.units
        else:
            units_before, units_after = sites_before[plan.site].units, brain.sites()[plan.site].units
        after = _counts(loop.parts.brain)
        record = {
            "step": state.step,
            "site": plan.site,
            "operator": plan.operator,
            "trigger": plan.trigger,
            "reason": plan.reason,
            "evidence": dict(plan.evidence),
            "newborns": plan.newborns,
            "units_before": units_before,
            "units_after": units_after,
            "metrics_before": {"bpc": state.smooth_bpc, **before},
            "metrics_after": after,
            "settled_step": state.step + self.config.maturity_steps,
        }
        state.growth_history.append(record)
        self._remember(state, plan, sites_before, brain.sites())
        loop.parts.reporter.event(
            BrainGrew(
                step=state.step,
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
        self._report_size(loop)

    def went_back(self, loop: Loop, stored: Mapping[str, Any]) -> None:
        """The brain is again that of a checkpoint with this state: forget what grew since."""
        state = loop.parts.state
        undone = state.growth_history[len(stored.get("growth_history", [])) :]
        if not undone:
            return
        del state.growth_history[-len(undone) :]
        state.growth = {**stored.get("loop", {}).get("growth", {}), "pending": None}
        sites = ", ".join(record["site"] for record in undone)
        loop.parts.reporter.event(
            SettingRestored(
                step=loop.step, what=f"the roll-back went behind the growth of {sites}: it is undone"
            )
        )
        self._report_size(loop)

    def overview(self, loop: Loop, fraction: float | None) -> dict[str, Any]:
        """Sites, what keeps each from growing, and what growing it would give; JSON-able.

        Raises:
            SettingsError: the brain cannot grow.
        """
        brain = loop.parts.brain
        if not isinstance(brain, Growable):
            raise SettingsError(_NOT_GROWABLE)
        counts = _counts(loop.parts.brain)
        return growth_view(brain, loop.parts.state, self.config, fraction=fraction, counts=counts)

    def _look(self, loop: Loop, batch: Batch) -> dict[str, SiteProbe] | None:
        """Probe every site and smooth what it tells into the state; None when a number is not finite."""
        state, probes = loop.parts.state, self._probe(loop, batch)
        if not probes:
            return None
        before = state.growth.setdefault("signals", {})
        for name, probe in probes.items():
            seen = asdict(read_signal(probe))
            old = before.get(name, seen)
            before[name] = {key: SMOOTHING * old[key] + (1.0 - SMOOTHING) * seen[key] for key in seen}
        self._follow_error(state)
        return probes

    def _probe(self, loop: Loop, batch: Batch) -> dict[str, SiteProbe]:
        """Every site on a batch, drawn from the step alone; nothing when a number is not finite."""
        brain = loop.parts.brain
        assert isinstance(brain, Growable)
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + loop.step) % 2**63)
        probes = dict(brain.probe_sites(batch, generator))
        sound = all(
            math.isfinite(probe.birth_gradient)
            and bool(torch.isfinite(torch.cat([probe.activity.flatten(), probe.gradient.flatten()])).all())
            for probe in probes.values()
        )
        return probes if sound else {}

    def _fitted(self, plan: GrowthPlan, probe: SiteProbe) -> GrowthPlan:
        """The plan with what only a look at the site can tell."""
        if plan.operator == "recycle":
            # The share is smoothed: by now there may be more of them, or none.
            chosen = tuple(probe.dormant())
            return replace(plan, chosen=chosen, units=len(chosen))
        if plan.operator in WHOLE_PARTS:
            return plan
        return replace(plan, pair_scale=calibrated_scale(self.config.newborn_gradient, probe))

    def _follow_error(self, state: LoopState) -> None:
        """Keep the best error since the last growth, and since when it has been too far above it."""
        error, growth = state.smooth_bpc, state.growth
        if error is None:
            return
        best = growth["best_error"] = min(error, growth.get("best_error") or math.inf)
        if not self.config.rising_error.risen(error, best):
            growth["risen_step"] = None
        elif growth.get("risen_step") is None:
            growth["risen_step"] = state.step

    def _history(self, loop: Loop, brain: Growable) -> GrowthHistory:
        state, growth = loop.parts.state, loop.parts.state.growth
        return GrowthHistory(
            step=state.step,
            sites=brain.sites(),
            signals={name: SiteSignal(**signal) for name, signal in growth.get("signals", {}).items()},
            born_steps=growth.get("born", {}),
            error=state.smooth_bpc,
            best_error=growth.get("best_error"),
            risen_step=growth.get("risen_step"),
            sleeps=_sleeps(loop),
            slept_step=state.sleep.get("woke"),
            last_growth_step=growth.get("last_growth_step"),
            num_growths=len(state.growth_history),
            num_neurons=loop.parts.brain.num_neurons(),
            recyclable=True,
            limits=self.config,
        )

    def _grow_saved(self, loop: Loop, plan: GrowthPlan) -> None:
        growth = loop.parts.state.growth
        growth["pending"] = plan.to_json()
        # Growth follows from the step alone, so a full disk may not keep it from happening: an older
        # checkpoint leads to the very same growth.
        loop.parts.saver.try_save(loop, "growth")
        growth["pending"] = None
        self.apply(loop, plan)
        self._save_grown(loop)

    def _save_grown(self, loop: Loop) -> None:
        """A roll-back from here on must not go back behind the growth."""
        loop.parts.saver.try_save(loop, "grown")

    def _remember(
        self,
        state: LoopState,
        plan: GrowthPlan,
        before: Mapping[str, Site],
        after: Mapping[str, Site],
    ) -> None:
        growth = state.growth
        growth["last_growth_step"] = state.step
        # A site that was born whole is as young as the newborns of one that was widened.
        grown = [name for name in after if name == plan.site or name not in before]
        growth.setdefault("born", {}).update(dict.fromkeys(grown, state.step))
        kept = growth.setdefault("signals", {})
        for name in [name for name in kept if name == plan.site or name not in after or after[name].frozen]:
            del kept[name]
        # A new brain, a new best: the same rise must not call for growth again and again.
        growth["best_error"], growth["risen_step"] = None, None

    def _complete_history(self, state: LoopState) -> None:
        """Once newborns are mature, write down how the brain fares."""
        for record in state.growth_history:
            if record["settled_step"] <= state.step and "bpc" not in record["metrics_after"]:
                record["metrics_after"]["bpc"] = state.smooth_bpc

    def _neediest(self, brain: Growable, probes: Mapping[str, SiteProbe], operator: OperatorByHand) -> str:
        """The site with room where units are missed most; before anything was seen, the first with room.

        Raises:
            SettingsError: no site takes such a part at all; says why.
        """
        sites = brain.sites()
        alive = [name for name, site in sites.items() if not site.frozen]
        match operator:
            case "deepen":
                able = [name for name in alive if sites[name].deeper_units]
                roomy = [name for name in able if why_not_deeper(sites, self.config, name) is None]
            case "expert":
                able = [name for name in alive if sites[name].expert is not None]
                roomy = [name for name in able if why_no_expert(sites, self.config, name) is None]
            case _:
                able, smallest = alive, smallest_birth(self.config.newborns)
                roomy = [name for name in able if room_for(sites, self.config, name)[0] >= smallest]
        if not able:
            why_not = why_not_deeper if operator == "deepen" else why_no_expert
            whys = dict.fromkeys(str(why_not(sites, self.config, name)) for name in alive)
            raise SettingsError(f"{_BORN_WHOLE[operator]} can be born at no site: {'; '.join(whys)}")
        # Where none has room, whoever makes the plan says what keeps this one from growing.
        chosen = roomy or able
        if not probes:
            return chosen[0]
        return max(chosen, key=lambda name: read_signal(probes[name]).unexpressed)

    def _say_dropped(self, loop: Loop, why: str) -> None:
        loop.parts.reporter.event(
            SettingRestored(step=loop.step, what=f"a growth did not take effect: {why}")
        )

    def _report_size(self, loop: Loop) -> None:
        reporter, brain = loop.parts.reporter, loop.parts.brain
        reporter.point("num_neurons", loop.step, brain.num_neurons())
        reporter.point("num_parameters", loop.step, brain.num_parameters())


def _counts(brain: Brain) -> dict[str, int]:
    return {"num_neurons": brain.num_neurons(), "num_parameters": brain.num_parameters()}


def _sleeps(loop: Loop) -> bool:
    """Whether the brain could fall asleep now, and sleep is not left to people alone."""
    config = loop.parts.config.sleep
    by_itself = config.every_steps or config.rest_steps or config.idle_awake_steps
    return bool(by_itself) and loop.parts.sleeping.refusal(loop) is None
