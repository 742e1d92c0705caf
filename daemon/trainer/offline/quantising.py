"""Quantising a checkpoint: its brain made ternary and packed, and what that costs, measured on the file itself.

1. The checkpoint is read, and its loss measured on a sample of what its sources hold out.
2. Its architecture gets the ternary option and loses its exact memory; the weights stay and are packed.
3. The file is written, read back, and measured as it was: loss, and bytes read and written in a second of CPU.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from brain.build import brain_from_spec, can_be_ternary
from brain.capabilities import Packable
from brain.online.network_spec import TERNARY, ternary_form
from brain.online.reading import continue_bytes
from brain.packing import SMALLEST_SHARE, SignsPerByte, float_bytes
from brain.stored_state import memory_off
from daemon.checkpoint.resolve import PACKED
from daemon.checkpoint.ternary_file import PackedBrain, load_packed, write_packed
from daemon.config.loading import config_from_dict
from daemon.errors import StreamError, UsageError
from daemon.streams.stream import ExperienceStream
from daemon.trainer.checkpoints.restoring import loop_state
from daemon.trainer.measures.held_out_sample import HeldOutSample
from daemon.trainer.measures.slow_weights import swapped
from daemon.trainer.offline.questions import better_weights, open_checkpoint, revive, revive_to_read
from daemon.trainer.steps.batching import num_lanes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.ports import Brain
    from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint
    from daemon.home import Home

CPU = torch.device("cpu")
READ_BYTES = 8_192
WRITTEN_BYTES = 64
REPEATS = 3  # timed, after one that compiles loops and fills caches
PER_BYTE: dict[str, SignsPerByte] = {"1.6": 5, "2": 4}


def loss_of(home: Home, checkpoint: str) -> dict[str, Any]:
    """What learning on as a ternary brain begins with.

    Returns:
        Name and step of the checkpoint, its BPC on the sample (None where nothing is held out), whether it is ternary
        already, and the loss that it learns for then.

    Raises:
        UsageError: there is no ternary form of its brain, or it is packed already.
        SynapsedError: there is no such checkpoint, it is damaged, or its sources are gone.
    """
    loaded = open_checkpoint(home, checkpoint)
    _check(loaded)
    _, brain = revive(loaded)
    sample = sample_of(home, loaded)
    with swapped(brain, better_weights(loaded)):
        bpc = sample.bpc(brain)
    return {
        "checkpoint": loaded.path.name,
        "step": loaded.manifest.step,
        "bpc": bpc,
        "num_bytes": sample.num_bytes,
        "is_ternary": _is_ternary(loaded),
        "target_bpc": loop_state(loaded).get("target_bpc"),
    }


def quantise(home: Home, checkpoint: str, target: Path | None, *, bits: str) -> dict[str, Any]:
    """Write the packed file of a checkpoint, and measure both.

    Args:
        home: where checkpoints lie.
        checkpoint: which one.
        target: the file; None: here, by the checkpoint's name.
        bits: of a sign, "1.6" or "2".

    Raises:
        UsageError: there is no ternary form of its brain, or it is packed already.
        SynapsedError: there is no such checkpoint, it is damaged, or the file cannot be written.
    """
    loaded = open_checkpoint(home, checkpoint)
    _check(loaded)
    target = target or Path.cwd() / f"{loaded.path.stem}{PACKED}"
    _, brain = revive(loaded)
    try:
        sample, why = sample_of(home, loaded), None
    except StreamError as error:  # its sources are gone, which hinders nothing but the comparison
        sample, why = None, str(error)
    with swapped(brain, better_weights(loaded)):
        before = _measured(brain, sample)
    del brain
    weights = _weights(loaded, sample)
    packed = _packed(loaded, weights, per_byte=PER_BYTE[bits])
    size = write_packed(packed, target)
    _, again = revive_to_read(load_packed(target))
    after = _measured(again, sample)
    full = float_bytes(weights)
    table_bits = [form["bits"] for form in packed.packed.layout.values() if form["form"] == "table"]
    return {
        "path": str(target),
        "size_bytes": size,
        "float_bytes": full,
        "times_smaller": full / size,
        "fits": size * SMALLEST_SHARE <= full,
        "sign_bits": float(bits),
        "table_bits": max(table_bits, default=None),
        "checkpoint": loaded.path.name,
        "step": loaded.manifest.step,
        "was_ternary": _is_ternary(loaded),
        "before": before,
        "after": after,
        "num_bytes": sample.num_bytes if sample is not None else 0,
        "not_measured": why,
    }


def _check(loaded: LoadedCheckpoint) -> None:
    if loaded.packed is not None:
        raise UsageError(
            f"{loaded.path.name} is a packed file already; quantize a checkpoint: synapsed checkpoints"
        )
    kind = str(loaded.manifest.spec.get("kind"))
    if not can_be_ternary(kind):
        raise UsageError(f"a brain of kind {kind}, as in {loaded.path.name}, has no ternary form")


def _is_ternary(loaded: LoadedCheckpoint) -> bool:
    return bool(loaded.manifest.spec.get("config", {}).get(TERNARY))


def sample_of(home: Home, loaded: LoadedCheckpoint) -> HeldOutSample:
    """A sample of what the checkpoint's sources hold out.

    Raises:
        StreamError: they are gone.
    """
    config = config_from_dict(loaded.state.get("config", {}), origin=loaded.path.name)
    stream = ExperienceStream.open(
        config.stream,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        seed=config.seed,
        cache=home.cache,
        emit=lambda _: None,
    )
    return HeldOutSample(stream, CPU)


def _weights(loaded: LoadedCheckpoint, sample: HeldOutSample | None) -> dict[str, torch.Tensor]:
    """Fast or slow weights: those that do better as ternary ones or, where that cannot be measured, as they are."""
    manifest = dataclasses.replace(loaded.manifest, spec=_packed_spec(loaded))
    _, brain = revive(dataclasses.replace(loaded, manifest=manifest))
    found = None if sample is None else sample.better(brain)
    with swapped(brain, better_weights(loaded) if found is None else found[1]):
        return {name: tensor.clone() for name, tensor in brain.state().model.items()}


def _packed_spec(loaded: LoadedCheckpoint) -> dict[str, Any]:
    """The checkpoint's architecture, ternary and without its exact memory."""
    return ternary_form(loaded.manifest.spec, **memory_off(loaded.manifest.spec["config"]))


def _packed(
    loaded: LoadedCheckpoint, weights: Mapping[str, torch.Tensor], *, per_byte: SignsPerByte
) -> PackedBrain:
    """The checkpoint's brain as a packed one."""
    settings, spec = loaded.state.get("config", {}), _packed_spec(loaded)
    config = config_from_dict(settings, origin=loaded.path.name)
    brain = brain_from_spec(spec, optimizer=config.optimizer, lanes=1, device=CPU, seed=config.seed)
    assert isinstance(brain, Packable)
    return PackedBrain(
        packed=brain.pack(weights, per_byte=per_byte),
        spec=spec,
        config={
            **settings,
            "brain": {**settings.get("brain", {}), TERNARY: True, **memory_off(spec["config"])},
        },
        manifest=loaded.manifest,
    )


def _measured(brain: Brain, sample: HeldOutSample | None) -> dict[str, float | None]:
    """Loss, and bytes of one row read and written in a second of CPU: of the network alone, without any memory."""
    assert isinstance(brain, Packable)
    generator = torch.Generator().manual_seed(0)
    row = torch.randint(32, 127, (1, READ_BYTES), dtype=torch.uint8, generator=generator)

    def read() -> None:
        brain.score(row, torch.ones_like(row, dtype=torch.bool))

    def write() -> None:
        for _ in continue_bytes(
            brain.reader(1),
            b"The ",
            max_bytes=WRITTEN_BYTES,
            temperature=0.8,
            top_p=0.95,
            generator=generator,
        ):
            pass

    return {
        "bpc": sample.bpc(brain) if sample is not None else None,
        "read_bytes_per_cpu_second": READ_BYTES / cpu_seconds(read),
        "written_bytes_per_cpu_second": WRITTEN_BYTES / cpu_seconds(write),
    }


def cpu_seconds(work: Callable[[], None]) -> float:
    """The median CPU time of some work once it is warm: its first call compiles loops and counts for nothing."""
    work()
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return statistics.median(taken)
