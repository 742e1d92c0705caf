"""From a checkpoint back to live objects; what it lacks, or what no longer fits, starts over, as an event.

Tensors of a checkpoint's `learning` and `arrays` are told apart by prefix: windows of vital signs, held-out
tables, the slot table of the replay memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from brain.build import brain_from_spec, can_be_ternary, fresh_brain
from brain.errors import MemoryDamagedError
from brain.memory.replay import ReplayMemory
from brain.memory.replay_commit import ReplayCommit
from brain.online.network_spec import TERNARY, ternary_form
from brain.ports import Brain, BrainState
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint, load, load_newest
from daemon.checkpoint.damage import set_aside
from daemon.checkpoint.manifest import DefectError
from daemon.checkpoint.portable import load_pt
from daemon.checkpoint.resolve import PORTABLE
from daemon.errors import ConfigError
from daemon.events import Event, SettingRestored
from daemon.streams.cursor import Cursor
from daemon.streams.stream import ExperienceStream
from daemon.trainer.steps.batching import num_lanes

if TYPE_CHECKING:
    from brain.memory.selection import Selection
    from daemon.config.tree import RunConfig
    from daemon.home import Home
    from daemon.trainer_protocol import TrainerOrder

VITALS_PREFIX = "vitals|"
HELD_OUT_PREFIX = "held_out|"
SLOTS_PREFIX = "replay|"
PROBES_PREFIX = "probes|"
SLEEP_PREFIX = "sleep|"
TRIAL_PREFIX = "trial|"
BESIDE_BRAIN = (VITALS_PREFIX, SLEEP_PREFIX, TRIAL_PREFIX)
"""What the names of tensors in a checkpoint's `learning` begin with that are not the brain's own."""
TORCH_RANDOM = "torch"
CUDA_RANDOM = "cuda"

Emit = Callable[[Event], None]


def load_checkpoint(order: TrainerOrder, home: Home, emit: Emit) -> LoadedCheckpoint | None:
    """The checkpoint the order names or, when it is damaged and that is allowed, the next older sound one.

    Raises:
        CheckpointError: what may be taken is damaged; if it lies in the home it is set aside.
    """
    if order.checkpoint is None:
        return None
    if order.checkpoint.suffix == PORTABLE:
        loaded = load_pt(order.checkpoint)
        for phrase in loaded.missing:
            emit(SettingRestored(what=f"{order.checkpoint.name} is not complete: {phrase}"))
        return loaded
    if order.checkpoint.parent.resolve() != home.checkpoints.resolve():
        return load(order.checkpoint)
    catalogue = Catalogue(home.checkpoints)
    if order.fall_back:
        run, start = order.fork_of or order.run_id, order.checkpoint
        if order.newest and (newest := catalogue.list(run)):
            # An earlier trainer may have saved since the order was made; only now does nobody else hold the run.
            start = newest[0].path
        return load_newest(catalogue, run, start=start, emit=emit)
    try:
        return load(order.checkpoint)
    except DefectError as defect:
        set_aside(catalogue, defect, emit)
        raise


def restore_brain(
    config: RunConfig, device: torch.device, loaded: LoadedCheckpoint | None, emit: Emit
) -> Brain:
    """A new brain of the config, or that of the checkpoint.

    Raises:
        ConfigError: the checkpoint holds a brain of another kind than the config asks for.
    """
    kind, optimizer, seed = config.brain["kind"], config.optimizer, config.seed
    lanes = num_lanes(config.stream.rows, config.replay.fraction)
    if loaded is None:
        return fresh_brain(config.brain, optimizer=optimizer, lanes=lanes, device=device, seed=seed)
    spec = loaded.manifest.spec
    if spec.get("kind") != kind:
        raise ConfigError(
            f"{loaded.path.name} holds a brain of kind {spec.get('kind')}, not {kind}; leave --brain out, "
            "or start over"
        )
    brain = brain_from_spec(spec, optimizer=optimizer, lanes=lanes, device=device, seed=seed)
    fitted, notices = brain.adopt(brain_state(loaded))
    for notice in notices:
        emit(SettingRestored(what=notice))
    brain.load(fitted)
    return brain


def with_option(config: RunConfig, loaded: LoadedCheckpoint, emit: Emit) -> LoadedCheckpoint:
    """The checkpoint with the ternary option in its architecture, if the run asks for it and it has it not.

    Weights, moments and carried state stay. Of what was measured nothing stays that was the loss of another network:
    held-out tables, and the trial of a growth.

    Raises:
        ConfigError: its kind of brain has no such option.
    """
    spec = loaded.manifest.spec
    if not config.brain.get(TERNARY) or not spec or spec.get("config", {}).get(TERNARY):
        return loaded
    if not can_be_ternary(str(spec.get("kind"))):
        raise ConfigError(
            f"a brain of kind {spec.get('kind')}, as in {loaded.path.name}, has no ternary form"
        )
    emit(SettingRestored(step=loaded.manifest.step, what="matrices between layers are ternary from here on"))
    return dataclasses.replace(
        loaded,
        manifest=dataclasses.replace(loaded.manifest, spec=ternary_form(spec)),
        learning={name: one for name, one in loaded.learning.items() if not name.startswith(TRIAL_PREFIX)},
        arrays={name: one for name, one in loaded.arrays.items() if not name.startswith(HELD_OUT_PREFIX)},
    )


def open_stream(
    config: RunConfig,
    home: Home,
    loaded: LoadedCheckpoint | None,
    emit: Emit,
    progressed: Callable[[], None],
) -> ExperienceStream:
    """The stream from its beginning, or from the checkpoint's cursor; `progressed` may end the listing."""
    record = loaded.state.get("loop", {}).get("cursor") if loaded is not None else None
    return ExperienceStream.open(
        config.stream,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        seed=config.seed,
        cache=home.cache,
        emit=emit,
        cursor=Cursor.from_json(record) if record else None,
        progressed=progressed,
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
            if commit.item_bytes == item_bytes and loaded.replay_rows:
                blocks = [{name: column.numpy() for name, column in b.items()} for b in loaded.replay_rows]
                return _without(ReplayMemory.adopt(folder, config.replay, commit, blocks), loaded.forgotten)
            if commit.item_bytes == item_bytes:
                slots = parts_of(loaded.arrays, SLOTS_PREFIX)
                restored = ReplayMemory.restore(folder, config.replay, commit, slots, parents=parents)
                return _without(restored, loaded.forgotten)
            emit(
                SettingRestored(
                    what=f"replayed rows had {commit.item_bytes} bytes, now {item_bytes}; replay starts over"
                )
            )
        except MemoryDamagedError as error:
            emit(
                SettingRestored(what=f"{error} Replay starts over; older checkpoints may still have theirs.")
            )
    return ReplayMemory.create(folder, config.replay, item_bytes=item_bytes, seed=config.seed)


def _without(memory: ReplayMemory, forgotten: Iterable[Selection]) -> ReplayMemory:
    for selection in forgotten:
        memory.forget(selection)
    return memory


def loop_state(loaded: LoadedCheckpoint | None) -> dict[str, Any]:
    """What the parts of the loop kept, by name; empty for a new run."""
    if loaded is None:
        return {}
    totals = {"step": loaded.manifest.step, "samples": loaded.manifest.samples}
    return totals | dict(loaded.state.get("loop", {}))


def brain_state(loaded: LoadedCheckpoint) -> BrainState:
    """The brain's part of a checkpoint."""
    return BrainState(
        model=loaded.model,
        learning={
            name: tensor for name, tensor in loaded.learning.items() if not name.startswith(BESIDE_BRAIN)
        },
        counters=loaded.state.get("brain", {}),
        spec=loaded.manifest.spec,
        tied=loaded.manifest.tied,
        base=loaded.base,
    )


def parts_of(mapping: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Entries whose name begins with `prefix`, without it.

    >>> parts_of({"a|x": 1, "b|y": 2}, "a|")
    {'x': 1}
    """
    return {name.removeprefix(prefix): value for name, value in mapping.items() if name.startswith(prefix)}


def random_states(device: torch.device) -> dict[str, torch.Tensor]:
    """States of torch's global generators."""
    states = {TORCH_RANDOM: torch.get_rng_state()}
    if device.type == "cuda":
        states[CUDA_RANDOM] = torch.cuda.get_rng_state(device)
    return states


def restore_random(states: Mapping[str, torch.Tensor], device: torch.device) -> None:
    """Give torch's global generators their states back."""
    if TORCH_RANDOM in states:
        torch.set_rng_state(states[TORCH_RANDOM])
    if CUDA_RANDOM in states and device.type == "cuda":
        torch.cuda.set_rng_state(states[CUDA_RANDOM], device)
