"""Who is handed what: the parts of a trainer, put together around what was restored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.protocol import RunState
from daemon.trainer.batching import num_lanes
from daemon.trainer.broken_orders import BrokenOrders
from daemon.trainer.control import Control
from daemon.trainer.dreaming import Dreaming
from daemon.trainer.effects import Effects
from daemon.trainer.ending import Endings
from daemon.trainer.forgetting_watch import ForgettingWatch
from daemon.trainer.growth_by_hand import GrowthByHand
from daemon.trainer.idling import Idling
from daemon.trainer.intake import Intake
from daemon.trainer.loop import Loop, Waking
from daemon.trainer.measuring import Measuring
from daemon.trainer.neurogenesis import Growing
from daemon.trainer.obeying import Interventions, Questions, StandingOrders
from daemon.trainer.pace import Pace
from daemon.trainer.parts import Parts
from daemon.trainer.pausing import Pauses
from daemon.trainer.rolling_back import Recovery, RollBack
from daemon.trainer.sampling import Sampler
from daemon.trainer.saving import Saver
from daemon.trainer.site_signals import SiteSignals
from daemon.trainer.sleeping import Sleeping
from daemon.trainer.slow_weights import BetterWeights
from daemon.trainer.standing import Standing
from daemon.trainer.step_log import StepLog
from daemon.trainer.storage import PatientJournal
from daemon.trainer.tidying import Tidying
from daemon.trainer.way_back import WayBack

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config.tree import RunConfig
    from daemon.protocol import TrainerOrder
    from daemon.trainer.contents import Contents
    from daemon.trainer.pipe import Pipe
    from daemon.trainer.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a trainer finds: its order, the folder of checkpoints, the one it resumed, and its pipe."""

    order: TrainerOrder
    config: RunConfig
    checkpoints: Path
    origin: Path | None
    pipe: Pipe
    reporter: Reporter


def wire(contents: Contents, around: Surroundings) -> Parts:
    """Every part, with what it needs."""
    config, reporter, pipe, clock = around.config, around.reporter, around.pipe, contents.progress
    brain, stream, replay = contents.brain, contents.stream, contents.replay

    def when_not_paused() -> RunState:
        if contents.sleep.asleep:
            return RunState.SLEEPING
        return RunState.WAITING if idling.waiting else RunState.RUNNING

    pace = Pace(clock.step)
    life = Standing(clock, reporter, pipe, pace, when_not_paused)
    patient = PatientJournal(contents.journal, lambda reason: life.set_degraded("journal", reason))
    saver = _saver(contents, around, life, patient)
    pauses = Pauses(saver, life)
    step_log = StepLog(clock, pace, reporter, life)
    forgetting = ForgettingWatch(
        contents.probes, brain=brain, stream=stream, alarms=contents.watch.alarms, share=contents.share,
        replay=config.replay, clock=clock, report=reporter,
    )  # fmt: skip
    sleeping = Sleeping(
        contents.sleep, config.sleep, config.forgetting.threshold,
        brain=brain, replay=replay, forgetting=forgetting, clock=clock, life=life, report=reporter,
    )  # fmt: skip
    dreaming = Dreaming(
        contents.sleep, config.sleep, rows=config.stream.rows, device=contents.device, brain=brain, replay=replay,
        probes=contents.probes, forgetting=forgetting, step_log=step_log, clock=clock, life=life, report=reporter,
    )  # fmt: skip
    signals = SiteSignals(contents.growth, config.growth, seed=config.seed, progress=clock)
    growing = Growing(
        contents.growth, config.growth, brain=brain, signals=signals, progress=clock, sleeping=sleeping, save=saver,
        report=reporter,
    )  # fmt: skip
    growth_by_hand = GrowthByHand(
        contents.growth, config.growth, brain=brain, signals=signals, newest_batch=lambda: growing.newest_batch,
        asleep=lambda: sleeping.asleep, clock=clock,
    )  # fmt: skip
    way_back = WayBack(
        around.order.run_id, saver.catalogue, around.origin,
        brain=brain, growing=growing, clock=clock, report=reporter,
    )  # fmt: skip
    effects = Effects(
        contents.position, contents.journal,
        patient=patient, stream=stream, sleeping=sleeping, growing=growing, save=saver, clock=clock, report=reporter,
        roll_back=RollBack(
            num_lanes(config.stream.rows, config.replay.fraction), brain=brain, way_back=way_back,
            resets=contents.resets, save=saver, pauses=pauses, clock=clock, report=reporter,
        ),
    )  # fmt: skip
    recovery = Recovery(
        contents.nonfinite, config.recovery,
        effects=effects, save=saver, pauses=pauses, clock=clock, report=reporter,
    )  # fmt: skip
    idling = Idling(
        config.stream.idle_after_seconds, sleep_when_idle=sleeping.order_when_idle, decisions=effects, life=life,
        news=pipe,
    )  # fmt: skip
    intake = Intake(
        config.stream.rows, config.replay, contents.device, stream=stream, replay=replay, share=contents.share,
        resets=contents.resets, learned_from=contents.probes.learned_from, idling=idling, pauses=pauses, clock=clock,
        life=life, news=pipe,
    )  # fmt: skip
    better_weights = BetterWeights(brain, contents.probes.better)
    sampler = Sampler(config.sample, device=contents.device, seed=config.seed)
    measuring = Measuring(
        brain, better_weights, stream.choices, watch=contents.watch, evaluation=contents.evaluation, sampler=sampler,
        pace=pace, clock=clock, progressed=life.progressed, reporter=reporter,
    )  # fmt: skip
    waking = Waking(
        brain,
        intake,
        step_log=step_log,
        recovery=recovery,
        measuring=measuring,
        sleeping=sleeping,
        growing=growing,
    )
    endings = Endings(
        contents.limits, clock, lambda: stream.passes_finished,
        saver=saver, pauses=pauses, life=life, report=reporter,
    )  # fmt: skip
    loop = Loop(
        waking,
        dreaming,
        sleeping=sleeping,
        growing=growing,
        effects=effects,
        pauses=pauses,
        endings=endings,
        life=life,
    )
    questions = Questions(
        brain, better_weights, sampler=sampler, measuring=measuring, probes=contents.probes, growth=growth_by_hand,
        progressed=life.progressed,
    )  # fmt: skip
    control = Control(
        pipe,
        {
            **StandingOrders(pauses, saver, life).handlers(),
            **questions.handlers(),
            **Interventions(effects, growth_by_hand, sleeping).handlers(),
        },
        broken=BrokenOrders(effects, way_back, save=saver, clock=clock, report=reporter),
        pauses=pauses,
        endings=endings,
        clock=clock,
        life=life,
    )
    return Parts(
        contents=contents, loop=loop, control=control, waking=waking, dreaming=dreaming, sleeping=sleeping,
        growing=growing, growth_by_hand=growth_by_hand, effects=effects, measuring=measuring, standing=life,
        pauses=pauses, endings=endings, saver=saver,
    )  # fmt: skip


def _saver(contents: Contents, around: Surroundings, life: Standing, patient: PatientJournal) -> Saver:
    """What saves."""
    return Saver(
        around.checkpoints,
        around.order,
        around.config.checkpoint,
        contents,
        origin=around.origin,
        tidying=Tidying(around.order.run_id, contents.journal, contents.replay),
        troubles={"replay": lambda: contents.replay.degraded, "cache": lambda: contents.stream.degraded},
        on_commit=patient.disk_is_back,
        clock=contents.progress,
        life=life,
        report=around.reporter,
    )
