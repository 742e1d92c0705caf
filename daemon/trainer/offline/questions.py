"""What works on a checkpoint without a running trainer: generate, remember, evaluate, probe, export."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import torch

from brain.build import brain_from_spec
from brain.capabilities import Packable
from brain.memory.replay import ReplayMemory
from brain.memory.replay_commit import ReplayCommit
from brain.packing import described
from brain.stored_state import lanes_to_read
from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint, load
from daemon.checkpoint.portable import export_pt, load_pt
from daemon.checkpoint.resolve import LATEST, PACKED, PORTABLE, newest_run, resolve
from daemon.checkpoint.ternary_file import load_packed
from daemon.config.loading import config_from_dict
from daemon.errors import TornCheckpointError, UsageError
from daemon.streams.encodings import last_bytes
from daemon.streams.stream import ExperienceStream
from daemon.trainer.checkpoints.replayed_blocks import blocks_of
from daemon.trainer.checkpoints.restoring import PROBES_PREFIX, SLOTS_PREFIX, brain_state, parts_of
from daemon.trainer.erasing.from_checkpoint import without_erased
from daemon.trainer.measures.frozen_probes import better_of_stored
from daemon.trainer.measures.held_out_loss import (
    HeldOutEvaluation,
    accuracy_by_source,
    combine,
    mixed_by_source,
)
from daemon.trainer.measures.sampling import Sampler
from daemon.trainer.measures.slow_weights import swapped
from daemon.trainer.offline.probing import probe_checkpoint
from daemon.trainer.orders.recalling import MAX_CONTEXT_BYTES, what_it_remembers
from daemon.trainer.steps.batching import num_lanes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from brain.ports import Brain
    from daemon.config.tree import RunConfig
    from daemon.home import Home


def generate(
    home: Home, checkpoint: str, prompt: str, *, max_bytes: int, temperature: float, top_p: float
) -> dict[str, Any]:
    """Let the brain of a checkpoint continue `prompt`.

    Raises:
        SynapsedError: there is no such checkpoint, or it is damaged.
    """
    loaded = open_checkpoint(home, checkpoint)
    config, brain = revive_to_read(loaded)
    sampler = Sampler(config.sample, device=torch.device("cpu"), seed=torch.seed() % 2**63)
    with swapped(brain, better_weights(loaded)):
        answer = sampler.answer(
            brain, prompt.encode(), max_bytes=max_bytes, temperature=temperature, top_p=top_p
        )
    return {
        **answer.as_dict(),
        "step": loaded.manifest.step,
        "checkpoint": loaded.path.name,
    }


def remembers(home: Home, checkpoint: str, context: str, *, max_bytes: int) -> dict[str, Any]:
    """What the exact memory of a checkpoint's brain knows of a context.

    Raises:
        SynapsedError: there is no such checkpoint, it is damaged, or its brain has no exact memory.
    """
    loaded = open_checkpoint(home, checkpoint)
    _, brain = revive(loaded)
    with swapped(brain, better_weights(loaded)):
        found = what_it_remembers(brain, last_bytes(context, MAX_CONTEXT_BYTES), max_bytes=max_bytes)
    return {**found, "step": loaded.manifest.step, "checkpoint": loaded.path.name}


def evaluate(home: Home, checkpoint: str) -> dict[str, Any]:
    """Score every held-out byte of the checkpoint's sources once; BPC over all and by source.

    Accuracy beside it is that of a brain that predicts labels, over `num_examples` held-out examples; else None.
    `mixed_bpc` beside it is the loss of network and exact memory together; None for a brain without one.

    Raises:
        SynapsedError: there is no such checkpoint, it is damaged, or its sources are gone.
    """
    loaded = open_checkpoint(home, checkpoint)
    if loaded.packed is not None and not loaded.packed.layout:
        raise UsageError(
            f"{loaded.path} does not say what it read; name a text: synapsed evaluate … --data FILE"
        )
    config, brain = revive_to_read(loaded)
    stream = ExperienceStream.open(
        config.stream,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        seed=config.seed,
        cache=home.cache,
        emit=lambda _: None,
    )
    settings = dataclasses.replace(config.evaluation, enabled=True)
    evaluation = HeldOutEvaluation(settings, stream, device=torch.device("cpu"))
    with swapped(brain, better_weights(loaded)):
        losses = evaluation.score_all(brain, loaded.manifest.step, on_progress=lambda: None)
    total = combine(losses)
    return {
        "checkpoint": loaded.path.name,
        "packed": None if loaded.packed is None else described(loaded.packed),
        "step": loaded.manifest.step,
        "bpc": total.bpc if total else None,
        "num_bytes": total.num_bytes if total else 0,
        "by_source": {loss.source: loss.bpc for loss in losses},
        "mixed_bpc": total.mixed_bpc if total else None,
        "mixed_by_source": mixed_by_source(losses),
        "accuracy": total.accuracy if total else None,
        "num_examples": total.num_examples if total else 0,
        "accuracy_by_source": accuracy_by_source(losses),
        "num_examples_by_source": {loss.source: loss.num_examples for loss in losses if loss.num_examples},
    }


def probe(
    home: Home,
    checkpoint: str,
    *,
    ticks: int | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure every vital sign of a checkpoint, and the same in every null control.

    Raises:
        SynapsedError: there is no such checkpoint, it is damaged, or its sources are gone.
    """
    return probe_checkpoint(home, open_checkpoint(home, checkpoint), ticks=ticks, on_progress=on_progress)


def export(home: Home, checkpoint: str, target: Path) -> Path:
    """Write a checkpoint, its replayed items included, as one `.pt`; the file written.

    Raises:
        SynapsedError: no such checkpoint, it or its replay is damaged, or the file cannot be written.
    """
    loaded = open_checkpoint(home, checkpoint)
    if loaded.packed is not None:
        raise UsageError(f"{loaded.path.name} is a packed file, and one file already; export a checkpoint")
    memory = replay_of(home, loaded)
    if memory is not None and loaded.manifest.replay and len(memory) != loaded.manifest.replay["num_items"]:
        # Some of it was forgotten since: the file says what it holds.
        kept = {f"{SLOTS_PREFIX}{name}": column for name, column in memory.slots().items()}
        manifest = dataclasses.replace(loaded.manifest, replay=memory.commit().to_json())
        loaded = dataclasses.replace(loaded, manifest=manifest, arrays={**loaded.arrays, **kept})
    return export_pt(loaded, target, replay_rows=blocks_of(memory))


def open_checkpoint(home: Home, text: str) -> LoadedCheckpoint:
    """The checkpoint a person named; every byte of it is read once, and verified."""
    catalogue = Catalogue(home.checkpoints)
    if text == LATEST:
        for info in catalogue.list(newest_run(catalogue)):
            with contextlib.suppress(TornCheckpointError):
                return without_erased(load(info.path), home.replay)
    path = resolve(catalogue, text)
    if path.suffix == PACKED:
        return load_packed(path)
    loaded = load_pt(path) if path.suffix == PORTABLE else load(path)
    return without_erased(loaded, home.replay)


def revive(loaded: LoadedCheckpoint) -> tuple[RunConfig, Brain]:
    """The config and the brain of a checkpoint, on the CPU, for reading only."""
    config = config_from_dict(loaded.state.get("config", {}), origin=loaded.path.name)
    stored = brain_state(loaded)
    brain = brain_from_spec(
        loaded.manifest.spec,
        optimizer=config.optimizer,
        lanes=lanes_to_read(stored),
        device=torch.device("cpu"),
        seed=config.seed,
    )
    fitted, _ = brain.adopt(stored)
    brain.load(fitted)
    return config, brain


def revive_to_read(loaded: LoadedCheckpoint) -> tuple[RunConfig, Brain]:
    """As `revive`, for who changes no weight: those of a packed file are made ternary once."""
    config, brain = revive(loaded)
    if loaded.packed is not None and isinstance(brain, Packable):
        brain.hold_ternary()
    return config, brain


def better_weights(loaded: LoadedCheckpoint) -> str:
    """Which weights the run itself would generate and be evaluated with, by the frozen probes it stored."""
    state = loaded.state.get("loop", {}).get("probes", {})
    return better_of_stored(state, parts_of(loaded.arrays, PROBES_PREFIX))


def replay_of(home: Home, loaded: LoadedCheckpoint) -> ReplayMemory | None:
    """The replay memory of a checkpoint; None without one."""
    if loaded.manifest.replay is None:
        return None
    config = config_from_dict(loaded.state.get("config", {}), origin=loaded.path.name)
    commit = ReplayCommit.from_json(loaded.manifest.replay)
    folder = home.replay / loaded.manifest.run_id
    memory = ReplayMemory.restore(folder, config.replay, commit, parts_of(loaded.arrays, SLOTS_PREFIX))
    for selection in loaded.forgotten:
        memory.forget(selection)
    return memory
