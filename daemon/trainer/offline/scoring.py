"""Scoring a text of one's own, whole or a contiguous split of it: every byte once, and nothing is learned.

The part is cut into a few rows that are read side by side. Each begins at a reset state and carries it on to its end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from brain.capabilities import Labelling
from brain.memory.ports import Remembering
from brain.packing import described
from daemon.errors import UsageError
from daemon.system.paths import shown
from daemon.trainer.measures.slow_weights import swapped
from daemon.trainer.offline.questions import better_weights, open_checkpoint, revive_to_read
from daemon.trainer.offline.text_compressors import compressed_bpc

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

SPLITS = {"train": (0.0, 0.9), "validation": (0.9, 0.95), "test": (0.95, 1.0), "all": (0.0, 1.0)}
ROWS, SHORTEST_ROW = 16, 4096


def evaluate_text(home: Home, checkpoint: str, data: Path, *, split: str) -> dict[str, Any]:
    """Bits per byte over a split of a file, of the network alone and with its exact memory.

    Args:
        home: where checkpoints lie.
        checkpoint: which one, or a file.
        data: text that it did not learn.
        split: `train`, `validation` and `test` are the first 90, the next 5 and the last 5 % of its bytes; or `all`.

    Raises:
        UsageError: the file cannot be read or the split is empty, or the brain predicts labels.
        SynapsedError: there is no such checkpoint, or it is damaged.
    """
    loaded = open_checkpoint(home, checkpoint)
    _, brain = revive_to_read(loaded)
    if isinstance(brain, Labelling):
        raise UsageError(f"the brain of {loaded.path.name} labels texts; a text alone tells nothing of it")
    begin, text = _part(data, split)
    rows, mask = side_by_side(text)
    with swapped(brain, better_weights(loaded)):
        if isinstance(brain, Remembering) and brain.remembers:
            alone, mixed = (float(nats.double().sum()) for nats in brain.score_both(rows, mask))
        else:
            alone, mixed = float(brain.score(rows, mask).double().sum()), math.nan
    bits = len(text) * math.log(2)
    return {
        "checkpoint": loaded.path.name,
        "packed": None if loaded.packed is None else described(loaded.packed),
        "step": loaded.manifest.step,
        "data": str(data),
        "split": split,
        "begin": begin,
        "num_bytes": len(text),
        "num_resets": len(rows),
        "bpc": alone / bits,
        "mixed_bpc": None if math.isnan(mixed) else mixed / bits,
        "compressors": compressed_bpc(text),
    }


def side_by_side(text: bytes) -> tuple[torch.Tensor, torch.Tensor]:
    """A text cut into uint8 rows (R, T) of one length but the last, and a bool mask of its bytes.

    >>> rows, mask = side_by_side(b"a" * 10_001)
    >>> rows.shape, int(mask.sum()), mask.all(dim=1).tolist()
    (torch.Size([2, 5001]), 10001, [True, False])
    """
    count = max(1, min(ROWS, len(text) // SHORTEST_ROW))
    length = -(-len(text) // count)
    padded = np.zeros(count * length, dtype=np.uint8)
    padded[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    mask = np.arange(count * length) < len(text)
    return torch.from_numpy(padded.reshape(count, length)), torch.from_numpy(mask.reshape(count, length))


def _part(path: Path, split: str) -> tuple[int, bytes]:
    first, last = SPLITS[split]
    try:
        size = path.stat().st_size
        begin, end = round(size * first), round(size * last)
        with path.open("rb") as file:
            file.seek(begin)
            text = file.read(end - begin)
    except OSError as error:
        raise UsageError(f"{shown(path)} cannot be read: {error.strerror}") from error
    if not text:
        raise UsageError(f"the {split} split of {shown(path)} is empty; name a longer text")
    return begin, text
