"""Who is handed what: the parts of a trainer, put together around what was restored."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from daemon.trainer.checkpoints.failing_disk import PatientJournal
from daemon.trainer.checkpoints.saving import Saver
from daemon.trainer.checkpoints.tidying import Tidying
from daemon.trainer.effects.broken_orders import BrokenOrders
from daemon.trainer.effects.earlier_brain import EarlierBrain
from daemon.trainer.effects.effects import Effects
from daemon.trainer.effects.recovery import Recovery, RollBack
from daemon.trainer.erasing.from_run import Erasing, Stores, erasing_of
from daemon.trainer.growth.growth_by_hand import GrowthByHand
from daemon.trainer.growth.growth_trial import Trials
from daemon.trainer.growth.neurogenesis import Growing
from daemon.trainer.growth.site_signals import SiteSignals
from daemon.trainer.life.ending import Endings
from daemon.trainer.life.loss_limit import LossLimit
from daemon.trainer.life.pausing import Pauses
from daemon.trainer.life.standing import Standing
from daemon.trainer.link.pace import Pace
from daemon.trainer.loop import Loop, Waking
from daemon.trainer.measures.forgetting_watch import ForgettingWatch
from daemon.trainer.measures.held_out_sample import HeldOutSample
from daemon.trainer.measures.measuring import Measuring
from daemon.trainer.measures.reliance_by_source import RelianceBySource
from daemon.trainer.measures.sampling import Sampler
from daemon.trainer.measures.slow_weights import BetterWeights
from daemon.trainer.orders.obeying import Interventions, Questions, StandingOrders
from daemon.trainer.orders.recalling import SessionSources
from daemon.trainer.orders.safe_point import Control
from daemon.trainer.parts import Parts
from daemon.trainer.sleep.dreaming import Dreaming
from daemon.trainer.sleep.sleeping import Sleeping
from daemon.trainer.steps.batching import num_lanes
from daemon.trainer.steps.idling import Idling
from daemon.trainer.steps.intake import Intake
from daemon.trainer.steps.step_log import StepLog
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from daemon.trainer.contents import Contents
    from daemon.trainer.session_inputs import SessionInputs


def wire(contents: Contents, inputs: SessionInputs) -> Parts:
    """Every part, with what it needs."""
    made = _Wiring(contents, inputs)
    return Parts(
        contents=contents,
        loop=made.loop,
        control=made.control,
        waking=made.waking,
        dreaming=made.dreaming,
        sleeping=made.sleeping,
        growing=made.growing,
        growth_by_hand=made.growth_by_hand,
        effects=made.effects,
        measuring=made.measuring,
        standing=made.standing,
        pauses=made.pauses,
        endings=made.endings,
        saver=made.saver,
        erasing=made.erasing,
    )


class _Wiring:
    """Each part by its name, made once, when another first asks for it; no part is ever handed this."""

    def __init__(self, contents: Contents, inputs: SessionInputs) -> None:
        self._contents = contents
        self._inputs = inputs
        self._config = inputs.config
        self._report = inputs.reporter
        self._pipe = inputs.pipe
        self._clock = contents.progress
        self._brain = contents.brain
        self._stream = contents.stream
        self._replay = contents.replay

    # -- how the run stands, and what saves it ---------------------------------------------------------------

    @cached_property
    def pace(self) -> Pace:
        return Pace(self._clock.step)

    @cached_property
    def standing(self) -> Standing:
        return Standing(self._clock, self._report, self._pipe, self.pace, self._when_not_paused)

    def _when_not_paused(self) -> RunState:
        if self._contents.sleep.asleep:
            return RunState.SLEEPING
        return RunState.WAITING if self.idling.waiting else RunState.RUNNING

    @cached_property
    def patient_journal(self) -> PatientJournal:
        return PatientJournal(
            self._contents.journal, lambda reason: self.standing.set_degraded("journal", reason)
        )

    @cached_property
    def saver(self) -> Saver:
        contents, inputs = self._contents, self._inputs
        return Saver(
            inputs.home.checkpoints,
            inputs.order,
            self._config.checkpoint,
            contents,
            origin=inputs.origin,
            tidying=Tidying(inputs.order.run_id, contents.journal, self._replay),
            troubles={"replay": lambda: self._replay.degraded, "cache": lambda: self._stream.degraded},
            on_commit=self.patient_journal.disk_is_back,
            clock=self._clock,
            life=self.standing,
            report=self._report,
        )

    @cached_property
    def pauses(self) -> Pauses:
        return Pauses(self.saver, self.standing)

    @cached_property
    def loss_limit(self) -> LossLimit:
        stream, device = self._stream, self._contents.device
        return LossLimit(
            self._contents.limits, lambda: HeldOutSample(stream, device), brain=self._brain,
            clock=self._clock, report=self._report,
        )  # fmt: skip

    @cached_property
    def endings(self) -> Endings:
        return Endings(
            self._contents.limits,
            self.loss_limit.reached,
            self._clock,
            lambda: self._stream.passes_finished,
            saver=self.saver,
            pauses=self.pauses,
            life=self.standing,
            report=self._report,
        )

    # -- sleep and growth ------------------------------------------------------------------------------------

    @cached_property
    def forgetting(self) -> ForgettingWatch:
        contents = self._contents
        return ForgettingWatch(
            contents.probes,
            brain=self._brain,
            stream=self._stream,
            alarms=contents.watch.alarms,
            share=contents.share,
            replay=self._config.replay,
            clock=self._clock,
            report=self._report,
        )

    @cached_property
    def sleeping(self) -> Sleeping:
        return Sleeping(
            self._contents.sleep,
            self._config.sleep,
            self._config.forgetting.threshold,
            brain=self._brain,
            replay=self._replay,
            forgetting=self.forgetting,
            clock=self._clock,
            life=self.standing,
            report=self._report,
        )

    @cached_property
    def dreaming(self) -> Dreaming:
        contents = self._contents
        return Dreaming(
            contents.sleep,
            self._config.sleep,
            rows=self._config.sleep.rows or self._config.stream.rows,
            device=contents.device,
            brain=self._brain,
            replay=self._replay,
            probes=contents.probes,
            forgetting=self.forgetting,
            step_log=self.step_log,
            clock=self._clock,
            life=self.standing,
            report=self._report,
        )

    @cached_property
    def site_signals(self) -> SiteSignals:
        config = self._config
        return SiteSignals(self._contents.growth, config.growth, seed=config.seed, progress=self._clock)

    @cached_property
    def growing(self) -> Growing:
        state, config = self._contents.growth, self._config.growth
        return Growing(
            state,
            config,
            brain=self._brain,
            signals=self.site_signals,
            trials=Trials(state, config, brain=self._brain, clock=self._clock, report=self._report),
            progress=self._clock,
            sleeping=self.sleeping,
            save=self.saver,
            report=self._report,
        )

    @cached_property
    def growth_by_hand(self) -> GrowthByHand:
        return GrowthByHand(
            self._contents.growth,
            self._config.growth,
            brain=self._brain,
            signals=self.site_signals,
            newest_batch=lambda: self.growing.newest_batch,
            asleep=lambda: self.sleeping.asleep,
            clock=self._clock,
        )

    # -- what takes effect between two steps -----------------------------------------------------------------

    @cached_property
    def earlier_brain(self) -> EarlierBrain:
        return EarlierBrain(
            self._inputs.order.run_id,
            self.saver.catalogue,
            self._inputs.origin,
            replay=self._inputs.home.replay,
            brain=self._brain,
            growing=self.growing,
            clock=self._clock,
            report=self._report,
        )

    @cached_property
    def erasing(self) -> Erasing:
        kept, inputs = self._contents, self._inputs
        stores = Stores(
            brain=kept.brain, replay=kept.replay, stream=kept.stream, probes=kept.probes,
            resets=kept.resets, shown=lambda: self.intake.let_go(),  # noqa: PLW0108 - made later, and needs this
        )  # fmt: skip
        return erasing_of(
            inputs.order.run_id, inputs.home.root, stores, names=kept.names, journal=kept.journal,
            position=kept.position, saver=self.saver, clock=self._clock, report=self._report,
        )  # fmt: skip

    @cached_property
    def roll_back(self) -> RollBack:
        return RollBack(
            num_lanes(self._config.stream.rows, self._config.replay.fraction),
            brain=self._brain, earlier_brain=self.earlier_brain, resets=self._contents.resets,
            save=self.saver, pauses=self.pauses, clock=self._clock, report=self._report,
        )  # fmt: skip

    @cached_property
    def effects(self) -> Effects:
        return Effects(
            self._contents.position,
            self._contents.journal,
            patient=self.patient_journal,
            stream=self._stream,
            sleeping=self.sleeping,
            growing=self.growing,
            roll_back=self.roll_back,
            erasing=self.erasing,
            save=self.saver,
            clock=self._clock,
            report=self._report,
        )

    @cached_property
    def recovery(self) -> Recovery:
        return Recovery(
            self._contents.nonfinite, self._config.recovery, effects=self.effects,
            save=self.saver, pauses=self.pauses, clock=self._clock, report=self._report,
        )  # fmt: skip

    # -- the step --------------------------------------------------------------------------------------------

    @cached_property
    def step_log(self) -> StepLog:
        return StepLog(self._clock, self.pace, self._report, self.standing)

    @cached_property
    def idling(self) -> Idling:
        return Idling(
            self._config.stream.idle_after_seconds,
            sleep_when_idle=self.sleeping.order_when_idle,
            decisions=self.effects,
            life=self.standing,
            news=self._pipe,
        )

    @cached_property
    def intake(self) -> Intake:
        contents = self._contents
        return Intake(
            self._config.stream.rows,
            self._config.replay,
            contents.device,
            stream=self._stream,
            replay=self._replay,
            share=contents.share,
            resets=contents.resets,
            learned_from=contents.probes.learned_from,
            idling=self.idling,
            pauses=self.pauses,
            clock=self._clock,
            life=self.standing,
            news=self._pipe,
        )

    @cached_property
    def better_weights(self) -> BetterWeights:
        return BetterWeights(self._brain, self._contents.probes.better)

    @cached_property
    def sampler(self) -> Sampler:
        device, clock = self._contents.device, self._contents.progress.seconds_learned
        return Sampler(self._config.sample, device=device, seed=self._config.seed, clock=clock)

    @cached_property
    def measuring(self) -> Measuring:
        return Measuring(
            self._brain,
            self.better_weights,
            self._stream.choices,
            watch=self._contents.watch,
            evaluation=self._contents.evaluation,
            reliance=RelianceBySource(lambda index: self._stream.sources[index].name),
            sampler=self.sampler,
            clock=self._clock,
            progressed=self.standing.progressed,
            reporter=self._report,
        )

    @cached_property
    def waking(self) -> Waking:
        return Waking(
            self._brain,
            self.intake,
            step_log=self.step_log,
            recovery=self.recovery,
            measuring=self.measuring,
            sleeping=self.sleeping,
            growing=self.growing,
        )

    # -- the loop, and the orders that it obeys --------------------------------------------------------------

    @cached_property
    def loop(self) -> Loop:
        return Loop(
            self.waking, self.dreaming, sleeping=self.sleeping, growing=self.growing,
            effects=self.effects, pauses=self.pauses, endings=self.endings, life=self.standing,
        )  # fmt: skip

    @cached_property
    def questions(self) -> Questions:
        return Questions(
            self._brain,
            self.better_weights,
            sampler=self.sampler,
            measuring=self.measuring,
            probes=self._contents.probes,
            growth=self.growth_by_hand,
            name_of=SessionSources(self._stream, self._clock.step),
            progressed=self.standing.progressed,
        )

    @cached_property
    def control(self) -> Control:
        standing_orders = StandingOrders(self.pauses, self.saver, self.standing)
        interventions = Interventions(self.effects, self.growth_by_hand, self.sleeping, self.erasing)
        handlers = {**standing_orders.handlers(), **self.questions.handlers(), **interventions.handlers()}
        return Control(
            self._pipe,
            handlers,
            broken=BrokenOrders(
                self.effects, self.earlier_brain, save=self.saver, clock=self._clock, report=self._report
            ),
            pauses=self.pauses,
            endings=self.endings,
            clock=self._clock,
            life=self.standing,
        )
