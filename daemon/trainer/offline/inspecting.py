"""Inspecting what a checkpoint's brain does with its steps of thinking, on text that is held out or given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from brain.capabilities import Thinking
from daemon.errors import UsageError
from daemon.streams.decoding import decode
from daemon.streams.errors import UndecodableError
from daemon.streams.stream import ExperienceStream
from daemon.system.counting import counted
from daemon.system.paths import reason, shown
from daemon.system.special_files import require_file_or_folder
from daemon.trainer.measures.held_out_sample import HeldOutSample
from daemon.trainer.measures.slow_weights import swapped
from daemon.trainer.offline.questions import better_weights, open_checkpoint, revive_to_read
from daemon.trainer.steps.batching import num_lanes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daemon.config.tree import RunConfig
    from daemon.home import Home

BLOCK_BYTES, BLOCKS_AT_ONCE = 4096, 2
MOST_READ_BYTES = 64 << 20
ENOUGH_BYTES = 4096  # figures of less are chance


def inspect(home: Home, checkpoint: str, *, data: Path | None, max_bytes: int) -> dict[str, Any]:
    """BPC by number of steps, what each step changes, and which bytes take longest.

    Args:
        home: where checkpoints lie.
        checkpoint: which one.
        data: a file that it did not learn; None: a sample of what its sources hold out.
        max_bytes: read at most.

    Raises:
        UsageError: its brain does not think, or there is no text to read.
        SynapsedError: there is no such checkpoint, it is damaged, or its sources are gone.
    """
    loaded = open_checkpoint(home, checkpoint)
    config, brain = revive_to_read(loaded)
    if not isinstance(brain, Thinking) or brain.most_thinking_steps == 0:
        raise UsageError(
            f"the brain of {loaded.path.name} takes no steps of thinking; inspect one that learned with "
            "brain.thinking_steps of at least 1"
        )
    blocks = held_out_of(home, config, max_bytes) if data is None else blocks_of(data, max_bytes)
    if not blocks:
        raise UsageError(
            "nothing is held out: its sources are too small for a block of 4 KiB in a hundred; name a text with --data"
            if data is None
            else f"{shown(data)} is empty; name a text that it did not learn"
        )
    weights = better_weights(loaded)
    with swapped(brain, weights):
        found = brain.inspect_thinking(list(batches_of(blocks)))
    return {
        "checkpoint": loaded.path.name,
        "step": loaded.manifest.step,
        "weights": weights,
        "text": "held out" if data is None else str(data),
        "warning": too_little(sum(map(len, blocks))),
        **found,
    }


def too_little(num_bytes: int) -> str | None:
    """What to add where too few bytes were read for the figures to mean anything."""
    if num_bytes >= ENOUGH_BYTES:
        return None
    return f"only {counted(num_bytes, 'byte')} read: figures of less than {ENOUGH_BYTES:,} bytes are chance"


def held_out_of(home: Home, config: RunConfig, max_bytes: int) -> Sequence[bytes]:
    """A sample of what the run's sources hold out."""
    stream = ExperienceStream.open(
        config.stream,
        lanes=num_lanes(config.stream.rows, config.replay.fraction),
        seed=config.seed,
        cache=home.cache,
        emit=lambda _: None,
    )
    blocks = HeldOutSample(stream, torch.device("cpu"), most=-(-max_bytes // BLOCK_BYTES)).blocks
    return first_of(blocks, max_bytes)


def first_of(blocks: Sequence[bytes], max_bytes: int) -> list[bytes]:
    """Blocks of at most `max_bytes` in all, the last one cut.

    >>> first_of([b"abcd", b"efgh", b"i"], 6)
    [b'abcd', b'ef']
    """
    found: list[bytes] = []
    for block in blocks:
        if max_bytes <= 0:
            break
        found.append(block[:max_bytes])
        max_bytes -= len(block)
    return found


def blocks_of(path: Path, max_bytes: int) -> Sequence[bytes]:
    """The first bytes of a file's text in blocks, decoded as what is learned is.

    Raises:
        UsageError: it cannot be read, or is not text.
    """
    try:
        require_file_or_folder(path, path.stat())
        with path.open("rb") as file:
            text = decode(file.read(MOST_READ_BYTES)).encode()[:max_bytes]
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {reason(error)}") from error
    except UndecodableError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error}") from error
    return [text[first : first + BLOCK_BYTES] for first in range(0, len(text), BLOCK_BYTES)]


def batches_of(blocks: Sequence[bytes]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Blocks of bytes side by side, and masks of their bytes."""
    for first in range(0, len(blocks), BLOCKS_AT_ONCE):
        together = blocks[first : first + BLOCKS_AT_ONCE]
        lengths = np.array([len(block) for block in together])
        rows = np.zeros((len(together), int(lengths.max())), dtype=np.uint8)
        for row, block in zip(rows, together, strict=True):
            row[: len(block)] = np.frombuffer(block, dtype=np.uint8)
        yield torch.from_numpy(rows), torch.from_numpy(np.arange(rows.shape[1]) < lengths[:, None])
