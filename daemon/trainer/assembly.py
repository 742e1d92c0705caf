"""How the parts of a loop come to be: newborn, or restored from a checkpoint.

1. The order's config, device and threads.
2. A newborn, or the newest sound checkpoint: brain, stream, replay, vital signs, held-out tables, random states.
3. The journal: what had taken effect after that checkpoint takes effect again at its steps.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch

from brain.build import brain_from_spec, build_brain
from brain.errors import MemoryDamagedError
from brain.memory import ReplayCommit, ReplayMemory
from brain.ports import Brain, BrainState
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.portable import load_pt
from daemon.checkpoint.reader import LoadedCheckpoint, load, load_newest
from daemon.checkpoint.snapshot import current_environment
from daemon.config import LimitsConfig, RunConfig
from daemon.config_loading import config_from_dict
from daemon.errors import ConfigError
from daemon.events import Event, SettingRestored
from daemon.home import Home
from daemon.journal import Entry, Journal
from daemon.protocol import TrainerOrder
from daemon.streams import Cursor, ExperienceStream
from daemon.trainer.batching import num_lanes
from daemon.trainer.evaluation import HeldOutEvaluation
from daemon.trainer.loop import Parts
from daemon.trainer.pipe import Pipe
from daemon.trainer.reporting import Reporter
from daemon.trainer.saving import (
    HELD_OUT_PREFIX,
    SLOTS_PREFIX,
    VITALS_PREFIX,
    Saver,
    brain_state,
    parts_of,
    restore_random,
)
from daemon.trainer.state import LoopState
from daemon.trainer.voice import Voice
from daemon.trainer.watching import Watch

SECONDS_PER_HOUR = 3600.0
Emit = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a session comes from: the checkpoint it resumed, and what keeps it from being bit-exact."""

    pid: int
    checkpoint: str | None
    differences: tuple[str, ...] = ()


def assemble_parts(
    order: TrainerOrder, home: Home, pipe: Pipe, reporter: Reporter
) -> tuple[Parts, Origin]:
    """Everything the loop works with.

    Raises:
        SynapsedError: a setting is wrong, nothing can be read, or no checkpoint is sound.
    """
    config = config_from_dict(order.config)
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    emit = reporter.event
    loaded = load_checkpoint(order, home, emit)
    brain = restore_brain(config, device, loaded, emit)
    stream = open_stream(config, home, loaded, emit)
    replay = open_replay(config, home, order, loaded, emit)
    watch = Watch(config.vitals, seed=config.seed)
    evaluation = HeldOutEvaluation(config.evaluation, stream, device=device)
    state = LoopState()
    if loaded is not None:
        state = restore_state(loaded)
        watch.load_tensors(parts_of(loaded.learning, VITALS_PREFIX), state.governor)
        evaluation.load_arrays(parts_of(loaded.arrays, HELD_OUT_PREFIX))
        restore_random(loaded.random, device)
    apply_limits(state, order, config.limits, emit)
    journal, pending = open_journal(order, home, loaded, state, emit)
    parts = Parts(
        config=config,
        device=device,
        brain=brain,
        stream=stream,
        replay=replay,
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
    return parts, origin_of(loaded, device)


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
        raise ConfigError(f"device {wanted} is not available on this machine; there is {found}, or use --device auto")
    return torch.device(wanted)


def load_checkpoint(order: TrainerOrder, home: Home, emit: Emit) -> LoadedCheckpoint | None:
    """The checkpoint the order names or, when it is damaged and the order allows it, the next older sound one."""
    if order.checkpoint is None:
        return None
    if order.checkpoint.suffix == ".pt":
        loaded = load_pt(order.checkpoint)
        for phrase in loaded.missing:
            emit(SettingRestored(what=f"{order.checkpoint.name} is not complete: {phrase}"))
        return loaded
    if not order.fall_back or order.checkpoint.parent.resolve() != home.checkpoints.resolve():
        return load(order.checkpoint)
    run_id = order.fork_of or order.run_id
    return load_newest(Catalogue(home.checkpoints), run_id, start=order.checkpoint, emit=emit)


def restore_brain(
    config: RunConfig, device: torch.device, loaded: LoadedCheckpoint | None, emit: Emit
) -> Brain:
    """A newborn of the config, or the brain of the checkpoint."""
    settings = dict(config.brain)
    kind = settings.pop("kind")
    common = {
        "optimizer": config.optimizer,
        "lanes": num_lanes(config.stream.rows, config.replay.fraction),
        "device": device,
        "seed": config.seed,
    }
    if loaded is None:
        return build_brain(kind, settings, **common)
    spec = loaded.manifest.spec
    if spec.get("kind") != kind:
        raise ConfigError(
            f"{loaded.path.name} holds a brain of kind {spec.get('kind')}, not {kind}; leave --brain out, or start anew"
        )
    brain = brain_from_spec(spec, **common)
    stored = brain_state(loaded)
    brain.load(dataclasses.replace(stored, learning=fit_learning(stored, brain.state(), emit)))
    return brain


def fit_learning(stored: BrainState, own: BrainState, emit: Emit) -> dict[str, torch.Tensor]:
    """Moments and carried state of the checkpoint as far as they fit the brain; the rest starts anew, and is said.

    They differ where a resume changes the optimizer or the number of rows, or where a `.pt` lacks them.
    """

    def fits(name: str) -> bool:
        return name in stored.learning and stored.learning[name].shape == own.learning[name].shape

    anew = [name for name in own.learning if not fits(name)]
    for what, names in (
        ("the carried state of the lanes", [name for name in anew if name.startswith("carried|")]),
        ("optimizer state", [name for name in anew if not name.startswith("carried|")]),
    ):
        if names:
            emit(SettingRestored(what=f"{what} does not fit the checkpoint and starts anew ({len(names)} tensors)"))
    return {name: stored.learning[name] if fits(name) else tensor for name, tensor in own.learning.items()}


def open_stream(
    config: RunConfig, home: Home, loaded: LoadedCheckpoint | None, emit: Emit
) -> ExperienceStream:
    """The stream from its beginning, or from the checkpoint's cursor."""
    record = loaded.state.get("loop", {}).get("cursor") if loaded is not None else None
    return ExperienceStream.open(
        config.stream,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        seed=config.seed,
        cache=home.cache,
        emit=emit,
        cursor=Cursor.from_json(record) if record else None,
    )


def open_replay(
    config: RunConfig, home: Home, order: TrainerOrder, loaded: LoadedCheckpoint | None, emit: Emit
) -> ReplayMemory:
    """An empty replay memory, or the checkpoint's; damage to it costs the memories, not the brain."""
    folder = home.replay / order.run_id
    item_bytes = config.stream.segment_bytes
    record = loaded.manifest.replay if loaded is not None else None
    if loaded is not None and record is not None:
        parents = () if order.fork_of is None else (home.replay / order.fork_of,)
        try:
            commit = ReplayCommit.from_json(record)
            if commit.item_bytes == item_bytes:
                slots = parts_of(loaded.arrays, SLOTS_PREFIX)
                return ReplayMemory.restore(folder, config.replay, commit, slots, parents=parents)
            emit(SettingRestored(what=f"replayed rows had {commit.item_bytes} bytes, now {item_bytes}; replay starts anew"))
        except MemoryDamagedError as error:
            emit(SettingRestored(what=f"{error} Replay starts anew."))
    return ReplayMemory.create(folder, config.replay, item_bytes=item_bytes, seed=config.seed)


def restore_state(loaded: LoadedCheckpoint) -> LoopState:
    """The loop's own state from a checkpoint; what an older or foreign one lacks has its default."""
    stored: dict[str, Any] = dict(loaded.state.get("loop", {}))
    stored.pop("cursor", None)
    stored.setdefault("step", loaded.manifest.step)
    stored.setdefault("samples", loaded.manifest.samples)
    known = {field.name for field in fields(LoopState)}
    return LoopState(**{name: value for name, value in stored.items() if name in known})


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
        emit(SettingRestored(step=state.step, what="the limit of steps was reached before; learning goes on without it"))
    if state.target_seconds is not None and state.training_seconds >= state.target_seconds:
        state.target_seconds = None
        emit(SettingRestored(step=state.step, what="the limit of hours was reached before; learning goes on without it"))


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


def origin_of(loaded: LoadedCheckpoint | None, device: torch.device) -> Origin:
    """Where the session comes from."""
    if loaded is None:
        return Origin(pid=os.getpid(), checkpoint=None)
    differences = loaded.manifest.environment.differences(current_environment(str(device)))
    return Origin(pid=os.getpid(), checkpoint=loaded.path.name, differences=differences)
