"""Builds a batch: which lanes read, how many rows replay, and the tensors of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.ports import Batch

if TYPE_CHECKING:
    from brain.memory.replay_records import ReplayRows
    from daemon.streams.experience import Experience

NO_LANE = -1


def num_lanes(rows: int, replay_fraction: float) -> int:
    """Lanes for live text, beside the replayed rows.

    >>> num_lanes(32, 0.2), num_lanes(32, 0.0)
    (26, 32)
    """
    return rows - int(rows * replay_fraction + 1e-9)


def num_replayed(step: int, rows: int, replay_fraction: float) -> int:
    """Rows that replay in this step: depends on step and fraction alone, and averages the fraction.

    A batch of one row is live; what replays comes beside it.

    >>> [num_replayed(step, 32, 0.2) for step in range(5)], [num_replayed(step, 1, 0.2) for step in range(5)]
    ([6, 6, 7, 6, 7], [0, 0, 0, 1, 0])
    """
    due = rows * replay_fraction if rows > 1 else replay_fraction / (1.0 - replay_fraction)
    return int((step + 1) * due + 1e-9) - int(step * due + 1e-9)


def reading_lanes(step: int, rows: int, replay_fraction: float, lowest: float | None = None) -> list[int]:
    """Lanes that read in this step; the others sit out in turn, one for each replayed row too many.

    Args:
        step: finished steps.
        rows: of a batch.
        replay_fraction: of the moment.
        lowest: the fraction that lanes are allotted for; `replay_fraction` when left out.

    >>> len(reading_lanes(0, 32, 0.2)), len(reading_lanes(2, 32, 0.2)), len(reading_lanes(0, 32, 0.5, 0.2))
    (26, 25, 16)
    >>> reading_lanes(3, 1, 0.2)
    [0]
    """
    if rows == 1:
        return [0]
    lanes = num_lanes(rows, replay_fraction if lowest is None else lowest)
    idle = lanes - (rows - num_replayed(step, rows, replay_fraction))
    resting = {(step * max(idle, 1) + offset) % lanes for offset in range(idle)}
    return [lane for lane in range(lanes) if lane not in resting]


def replayed_batch(replayed: ReplayRows, device: torch.device) -> Batch:
    """A batch of replayed rows alone, for sleep."""
    count = len(replayed.length)
    mask = np.arange(replayed.bytes.shape[1])[None, :] < replayed.length[:, None]
    return Batch(
        bytes=torch.from_numpy(replayed.bytes).to(device),
        mask=torch.from_numpy(mask).to(device),
        lane=torch.full((count,), NO_LANE, dtype=torch.int64, device=device),
        reset=torch.ones(count, dtype=torch.bool, device=device),
        source=torch.from_numpy(replayed.source).to(device),
    )


def assemble(
    experience: Experience, replayed: ReplayRows | None, device: torch.device, *, step: int = 0
) -> Batch:
    """One batch for a step of the run: the live rows first, the replayed ones behind them."""
    rows, length, lane, source = experience.bytes, experience.length, experience.lane, experience.source
    reset = experience.reset
    if replayed is not None:
        count = len(replayed.length)
        rows = np.concatenate([rows, replayed.bytes])
        length = np.concatenate([length, replayed.length])
        lane = np.concatenate([lane, np.full(count, NO_LANE)])
        reset = np.concatenate([reset, np.ones(count, dtype=bool)])
        source = np.concatenate([source, replayed.source])
    mask = np.arange(rows.shape[1])[None, :] < length[:, None]
    return Batch(
        bytes=torch.from_numpy(rows).to(device),
        mask=torch.from_numpy(mask).to(device),
        lane=torch.from_numpy(lane.astype(np.int64)).to(device),
        reset=torch.from_numpy(reset).to(device),
        source=torch.from_numpy(source.astype(np.int64)).to(device),
        step=step,
    )
