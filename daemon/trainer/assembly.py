"""How the parts of a trainer are made: new, or restored from a checkpoint.

1. The order's config, device and threads.
2. Made new, or out of the newest sound checkpoint: brain, stream, replay, vital signs, held-out tables, randomness.
3. The journal: what had taken effect after that checkpoint takes effect again at its steps.
4. Each part is handed what it needs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from brain.devices import ask_for_determinism
from daemon.checkpoint.resolve import PORTABLE
from daemon.checkpoint.snapshot import current_environment
from daemon.config.loading import config_from_dict
from daemon.errors import ConfigError
from daemon.events import SettingRestored
from daemon.interrupting import Interrupted
from daemon.journal import Journal
from daemon.trainer.checkpoints.pretraining import pretrained_brain
from daemon.trainer.checkpoints.restoring import (
    HELD_OUT_PREFIX,
    PROBES_PREFIX,
    SLEEP_PREFIX,
    TRIAL_PREFIX,
    VITALS_PREFIX,
    Emit,
    load_checkpoint,
    loop_state,
    open_replay,
    open_stream,
    parts_of,
    restore_brain,
    restore_random,
    with_option,
)
from daemon.trainer.composition import wire
from daemon.trainer.contents import Contents
from daemon.trainer.effects.nonfinite import NonFiniteSteps
from daemon.trainer.erasing.from_checkpoint import without_erased
from daemon.trainer.growth.growth_state import GrowthState
from daemon.trainer.growth.growth_trial import restore_trial
from daemon.trainer.measures.frozen_probes import Probes
from daemon.trainer.measures.held_out_loss import HeldOutEvaluation
from daemon.trainer.measures.slow_weights import can_sleep
from daemon.trainer.measures.watching import Watch
from daemon.trainer.session_inputs import SessionInputs
from daemon.trainer.state.journal_position import JournalPosition
from daemon.trainer.state.lane_resets import LaneResets
from daemon.trainer.state.progress import Limits, Progress
from daemon.trainer.state.replay_share import ReplayShare
from daemon.trainer.state.sleep_state import SleepState
from daemon.trainer.state.source_names import SourceNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from brain.ports import Brain
    from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint
    from daemon.config.tree import LimitsConfig, RunConfig
    from daemon.home import Home
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.link.reporting import Reporter
    from daemon.trainer.parts import Parts
    from daemon.trainer_protocol import TrainerOrder


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a session comes from.

    Attributes:
        pid: of the trainer.
        checkpoint: that it resumed; None for a new run.
        own: it is this run's and lies in its home, so the run has one to come back to.
        differences: what keeps the resume from being bit-exact.
    """

    pid: int
    checkpoint: Path | None = None
    own: bool = False
    differences: tuple[str, ...] = ()


def assemble_parts(order: TrainerOrder, home: Home, pipe: Pipe, reporter: Reporter) -> tuple[Parts, Origin]:
    """All parts of a trainer, wired up.

    Raises:
        SynapsedError: a setting is wrong, nothing can be read, or no checkpoint is sound.
        Interrupted: the run is to end meanwhile.
    """

    def progressed() -> None:
        reporter.still_alive()
        if pipe.ending:
            raise Interrupted

    config = config_from_dict(order.config)
    device = choose_device(config.device)
    inexact = ask_for_determinism(device)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    loaded = load_checkpoint(order, home, reporter.event)
    if loaded is not None:
        loaded = without_erased(loaded, home.replay, lambda what: reporter.event(SettingRestored(what=what)))
        loaded = with_option(config, loaded, reporter.event)
    progressed()
    contents = contents_of(
        order, home, config, loaded, device=device, emit=reporter.event, progressed=progressed
    )
    origin = origin_of(loaded, order, home, device, inexact)
    inputs = SessionInputs(
        order=order,
        home=home,
        config=config,
        origin=origin.checkpoint,
        pipe=pipe,
        reporter=reporter,
    )
    return wire(contents, inputs), origin


def contents_of(
    order: TrainerOrder,
    home: Home,
    config: RunConfig,
    loaded: LoadedCheckpoint | None,
    *,
    device: torch.device,
    emit: Emit,
    progressed: Callable[[], None],
) -> Contents:
    """All that survives a restart, new or as loaded; `progressed` is called after each part that takes long."""
    if loaded is None and config.pretrained is not None:
        brain = pretrained_brain(config, home, device)
    else:
        brain = restore_brain(config, device, loaded, emit)
    progressed()
    stream = open_stream(config, home, loaded, emit, progressed)
    replay = open_replay(config, home, order, loaded, emit)
    progressed()
    kept = loop_state(loaded)
    watch, evaluation, probes = measures_of(config, stream, loaded, kept, device)
    if loaded is not None:
        restore_random(loaded.random, device)
    progress = Progress.restored(kept)
    limits = limits_of(kept, progress, order, config.limits, emit)
    progressed()
    position = JournalPosition.restored(kept)
    return Contents(
        settings=order.config,
        device=device,
        brain=brain,
        stream=stream,
        replay=replay,
        journal=open_journal(order, home, loaded, position, progress.step, emit=emit),
        watch=watch,
        evaluation=evaluation,
        probes=probes,
        progress=progress,
        limits=limits,
        position=position,
        nonfinite=NonFiniteSteps.restored(kept),
        resets=LaneResets.restored(kept),
        share=ReplayShare.restored(kept),
        growth=growth_of(kept, loaded, brain, emit),
        sleep=sleep_of(kept, loaded, brain, progress.step),
        names=SourceNames.of(kept, progress.step, [source.name for source in stream.sources]),
    )


def measures_of(
    config: RunConfig,
    stream: ExperienceStream,
    loaded: LoadedCheckpoint | None,
    kept: Mapping[str, Any],
    device: torch.device,
) -> tuple[Watch, HeldOutEvaluation, Probes]:
    """Vital signs, held-out loss and frozen probes, new or as loaded."""
    watch = Watch(config.vitals, seed=config.seed)
    evaluation = HeldOutEvaluation(config.evaluation, stream, device=device)
    probes = Probes(config.forgetting, stream, device=device)
    if loaded is not None:
        watch.load(parts_of(loaded.learning, VITALS_PREFIX), kept.get("governor", {}))
        watch.alarms.load(kept.get("alarms", {}))
        evaluation.load_arrays(parts_of(loaded.arrays, HELD_OUT_PREFIX))
        probes.load(kept.get("probes", {}), parts_of(loaded.arrays, PROBES_PREFIX))
    return watch, evaluation, probes


def choose_device(wanted: str) -> torch.device:
    """The device to learn on; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        ConfigError: the device is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[wanted]:
        found = ", ".join(name for name, is_there in there.items() if is_there)
        raise ConfigError(
            f"device {wanted} is not available on this machine; there is {found}, or use --device auto"
        )
    return torch.device(wanted)


def limits_of(
    kept: Mapping[str, Any], progress: Progress, order: TrainerOrder, limits: LimitsConfig, emit: Emit
) -> Limits:
    """The limits of this session: counted from here, unless it continues under the checkpoint's."""
    if not order.limits_from_checkpoint:
        return Limits.from_here(limits, progress)
    stored = Limits.restored(kept)
    stored.drop_reached(progress, emit)
    return stored


def sleep_of(kept: Mapping[str, Any], loaded: LoadedCheckpoint | None, brain: Brain, step: int) -> SleepState:
    """The sleep state; a run whose brain has no slow weights is awake."""
    tensors = {} if loaded is None else parts_of(loaded.learning, SLEEP_PREFIX)
    state = SleepState.restored(kept, tensors)
    if loaded is not None and not can_sleep(brain):
        state.wake(step)
    return state


def growth_of(
    kept: Mapping[str, Any], loaded: LoadedCheckpoint | None, brain: Brain, emit: Emit
) -> GrowthState:
    """What has grown, and the trial of the newest growth."""
    state = GrowthState.restored(kept)
    if loaded is not None:
        tensors = parts_of(loaded.learning, TRIAL_PREFIX)
        restore_trial(state, kept.get("growth") or {}, tensors, brain=brain, emit=emit)
    return state


def open_journal(
    order: TrainerOrder,
    home: Home,
    loaded: LoadedCheckpoint | None,
    position: JournalPosition,
    step: int,
    *,
    emit: Emit,
) -> Journal:
    """The run's journal; the position takes what must take effect again behind the checkpoint."""
    folder = home.replay / order.run_id
    if order.fork_of is not None and loaded is not None:
        parent = Journal(home.replay / order.fork_of)
        journal = parent.fork(folder, step, position.journal_sequence, newest=loaded.manifest.journal)
        position.journal_sequence = 0
    else:
        journal = Journal(folder)
    for defect in journal.defects:
        emit(SettingRestored(step=step, what=f"journal {defect}"))
    if loaded is not None:
        position.pending = list(journal.replay_from(step, position.journal_sequence))
    return journal


def origin_of(
    loaded: LoadedCheckpoint | None,
    order: TrainerOrder,
    home: Home,
    device: torch.device,
    inexact: tuple[str, ...] = (),
) -> Origin:
    """Where the session comes from."""
    if loaded is None:
        return Origin(pid=os.getpid())
    return Origin(
        pid=os.getpid(),
        checkpoint=loaded.path,
        own=loaded.manifest.run_id == order.run_id
        and loaded.path.suffix != PORTABLE
        and loaded.path.resolve().parent == home.checkpoints.resolve(),
        differences=(*loaded.manifest.environment.differences(current_environment(str(device))), *inexact),
    )
