"""How the parts of a loop come to be: newborn, or restored from a checkpoint.

1. The order's config, device and threads.
2. A newborn, or the newest sound checkpoint: brain, stream, replay, vital signs, held-out tables, randomness.
3. The journal: what had taken effect after that checkpoint takes effect again at its steps.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from brain.devices import ask_for_determinism
from daemon.checkpoint.resolve import PORTABLE
from daemon.checkpoint.snapshot import current_environment
from daemon.config.loading import config_from_dict
from daemon.errors import ConfigError
from daemon.events import SettingRestored
from daemon.interrupting import Interrupted
from daemon.journal import Entry, Journal
from daemon.trainer.frozen_probes import Probes
from daemon.trainer.held_out_loss import HeldOutEvaluation
from daemon.trainer.idling import Idling
from daemon.trainer.loop import Parts
from daemon.trainer.neurogenesis import Growing
from daemon.trainer.restoring import (
    HELD_OUT_PREFIX,
    PROBES_PREFIX,
    SLEEP_PREFIX,
    VITALS_PREFIX,
    Emit,
    load_checkpoint,
    open_replay,
    open_stream,
    parts_of,
    restore_brain,
    restore_random,
    restore_state,
)
from daemon.trainer.sampling import Voice
from daemon.trainer.saving import Saver
from daemon.trainer.sleeping import Sleeping
from daemon.trainer.state import LoopState
from daemon.trainer.watching import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.checkpoint.reader import LoadedCheckpoint
    from daemon.config.tree import LimitsConfig
    from daemon.home import Home
    from daemon.protocol import TrainerOrder
    from daemon.trainer.pipe import Pipe
    from daemon.trainer.reporting import Reporter

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a session comes from.

    Attributes:
        pid: of the trainer.
        checkpoint: that it resumed; None for a newborn.
        own: it is this run's and lies in its home, so the run has one to come back to.
        differences: what keeps the resume from being bit-exact.
    """

    pid: int
    checkpoint: Path | None = None
    own: bool = False
    differences: tuple[str, ...] = ()


def assemble_parts(order: TrainerOrder, home: Home, pipe: Pipe, reporter: Reporter) -> tuple[Parts, Origin]:
    """Everything the loop works with.

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
    emit = reporter.event
    loaded = load_checkpoint(order, home, emit)
    progressed()
    brain = restore_brain(config, device, loaded, emit)
    progressed()
    stream = open_stream(config, home, loaded, emit, progressed)
    replay = open_replay(config, home, order, loaded, emit)
    progressed()
    watch = Watch(config.vitals, seed=config.seed)
    evaluation = HeldOutEvaluation(config.evaluation, stream, device=device)
    probes, sleeping = Probes(config.forgetting, stream, device=device), Sleeping(config.sleep)
    state = LoopState()
    if loaded is not None:
        state = restore_state(loaded)
        watch.load(parts_of(loaded.learning, VITALS_PREFIX), state.governor)
        watch.alarms.load(state.alarms)
        evaluation.load_arrays(parts_of(loaded.arrays, HELD_OUT_PREFIX))
        probes.load(state.probes, parts_of(loaded.arrays, PROBES_PREFIX))
        sleeping.load(parts_of(loaded.learning, SLEEP_PREFIX), state, brain)
        restore_random(loaded.random, device)
    apply_limits(state, order, config.limits, emit)
    progressed()
    journal, pending = open_journal(order, home, loaded, state, emit)
    parts = Parts(
        config=config,
        device=device,
        brain=brain,
        stream=stream,
        replay=replay,
        growing=Growing(config.growth, seed=config.seed),
        sleeping=sleeping,
        idling=Idling(config.stream.idle_after_seconds),
        probes=probes,
        journal=journal,
        watch=watch,
        evaluation=evaluation,
        saver=Saver(home.checkpoints, order, config.checkpoint, reporter),
        voice=Voice(config.sample, device=device, seed=config.seed),
        reporter=reporter,
        pipe=pipe,
        state=state,
        pending=pending,
    )
    return parts, origin_of(loaded, order, home, device, inexact)


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


def apply_limits(state: LoopState, order: TrainerOrder, limits: LimitsConfig, emit: Emit) -> None:
    """Where this session ends by itself: limits count from here, unless it goes on under the checkpoint's."""
    if not order.limits_from_checkpoint:
        state.target_step = None if limits.steps is None else state.step + limits.steps
        state.target_seconds = (
            None if limits.hours is None else state.training_seconds + limits.hours * SECONDS_PER_HOUR
        )
        state.target_epochs = limits.epochs
        return
    if state.target_step is not None and state.step >= state.target_step:
        state.target_step = None
        emit(
            SettingRestored(
                step=state.step, what="the limit of steps was reached before; learning goes on without it"
            )
        )
    if state.target_seconds is not None and state.training_seconds >= state.target_seconds:
        state.target_seconds = None
        emit(
            SettingRestored(
                step=state.step, what="the limit of hours was reached before; learning goes on without it"
            )
        )


def open_journal(
    order: TrainerOrder, home: Home, loaded: LoadedCheckpoint | None, state: LoopState, emit: Emit
) -> tuple[Journal, list[Entry]]:
    """The run's journal, and what must take effect again behind the checkpoint."""
    folder = home.replay / order.run_id
    if order.fork_of is not None and loaded is not None:
        parent = Journal(home.replay / order.fork_of)
        journal = parent.fork(folder, state.step, state.journal_sequence, heard=loaded.manifest.journal)
        state.journal_sequence = 0
    else:
        journal = Journal(folder)
    for defect in journal.defects:
        emit(SettingRestored(step=state.step, what=f"journal {defect}"))
    if loaded is None:
        return journal, []
    return journal, list(journal.replay_from(state.step, state.journal_sequence))


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
