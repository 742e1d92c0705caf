"""Held-out loss: a few blocks at a time, in turn, combined over the whole held-out set of each source.

A block is read from a reset state, by the weights as they are; nothing of learning is touched. Beside the BPC
stand its coverage (share of the set scored at all) and its age (mean steps since a block was scored).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from brain.ports import Brain
    from daemon.config import EvaluationConfig
    from daemon.streams import ExperienceStream
    from daemon.trainer.reporting import Reporter

MAX_BLOCKS = 4096  # a fixed evenly spaced subset stands for a larger set
NATS, BYTES, STEP = range(3)


@dataclass(frozen=True, kw_only=True)
class HeldOutLoss:
    """Held-out loss of one source. `coverage` in [0, 1], `age_steps` the mean over scored blocks."""

    source: str
    bpc: float
    num_bytes: int
    coverage: float
    age_steps: float


class HeldOutEvaluation:
    """The table of held-out losses and the hand that turns it."""

    def __init__(
        self,
        config: EvaluationConfig,
        stream: ExperienceStream,
        *,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._config = config
        self._device = device
        self._clock = clock
        self._sets = {
            source.name: held_out
            for index, source in enumerate(stream.sources)
            if config.enabled and len(held_out := stream.held_out(index))
        }
        self._tables = {name: np.full((self._table_rows(name), 3), np.nan) for name in self._sets}
        self._next_source = 0
        self._spent_seconds = 0.0

    def due(self, step: int, session_seconds: float) -> bool:
        """Whether a slice fits the step and the budget of this session's training time."""
        if not self._sets or step % self._config.every_steps:
            return False
        return self._spent_seconds <= self._config.budget_share * session_seconds

    def score_slice(self, brain: Brain, step: int) -> HeldOutLoss | None:
        """Score the stalest few blocks of the next source; what its whole table says now, if anything."""
        names = list(self._sets)
        name = names[self._next_source]
        self._next_source = (self._next_source + 1) % len(names)
        last_scored = np.nan_to_num(self._tables[name][:, STEP], nan=-1.0)
        rows = np.argsort(last_scored, kind="stable")[: self._config.slice_rows].tolist()
        started = self._clock()
        self._score(brain, name, rows, step)
        self._spent_seconds += self._clock() - started
        return None if np.isnan(self._tables[name][:, NATS]).all() else self.summary(name, step)

    def score_all(self, brain: Brain, step: int, on_progress: Callable[[], None]) -> list[HeldOutLoss]:
        """Score every block of every source once, on demand."""
        for name, table in self._tables.items():
            for first in range(0, len(table), self._config.slice_rows):
                self._score(
                    brain, name, list(range(first, min(first + self._config.slice_rows, len(table)))), step
                )
                on_progress()
        return self.summaries(step)

    def summaries(self, step: int) -> list[HeldOutLoss]:
        """Every source of which anything was scored."""
        return [
            self.summary(name, step)
            for name, table in self._tables.items()
            if not np.isnan(table[:, NATS]).all()
        ]

    def summary(self, name: str, step: int) -> HeldOutLoss:
        """One source's loss over the blocks scored so far."""
        table = self._tables[name]
        scored = table[~np.isnan(table[:, NATS])]
        num_bytes = scored[:, BYTES].sum()
        return HeldOutLoss(
            source=name,
            bpc=float(scored[:, NATS].sum() / num_bytes / math.log(2)),
            num_bytes=int(num_bytes),
            coverage=len(scored) / len(table),
            age_steps=float(step - scored[:, STEP].mean()),
        )

    def report(self, losses: list[HeldOutLoss], reporter: Reporter, step: int) -> float | None:
        """Held-out loss by source and over all sources, as points; the latter is returned in BPC."""
        for loss in losses:
            reporter.point(f"held_out_bpc/{loss.source}", step, loss.bpc)
            reporter.point(f"held_out_coverage/{loss.source}", step, loss.coverage)
            reporter.point(f"held_out_age_steps/{loss.source}", step, loss.age_steps)
        total = combine(self.summaries(step))
        if total is not None:
            reporter.point("held_out_bpc", step, total)
        return total

    def state_arrays(self) -> dict[str, np.ndarray]:
        """The tables, by source name, to survive a restart."""
        return dict(self._tables)

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take tables back; one whose held-out set has another size now starts anew."""
        for name, table in arrays.items():
            if name in self._tables and self._tables[name].shape == table.shape:
                self._tables[name] = np.array(table)

    def _table_rows(self, name: str) -> int:
        return min(len(self._sets[name]), MAX_BLOCKS)

    def _score(self, brain: Brain, name: str, rows: list[int], step: int) -> None:
        held_out, table = self._sets[name], self._tables[name]
        read = {row: held_out.read(row * len(held_out) // len(table))[0] for row in rows}
        rows = [row for row, block in read.items() if block]  # a file may have gone since it was listed
        if not rows:
            return
        blocks = [read[row] for row in rows]
        width = max(len(block) for block in blocks)
        padded = np.zeros((len(blocks), width), dtype=np.uint8)
        for row, block in enumerate(blocks):
            padded[row, : len(block)] = np.frombuffer(block, dtype=np.uint8)
        lengths = np.array([len(block) for block in blocks])
        mask = np.arange(width)[None, :] < lengths[:, None]
        nats = brain.score(torch.from_numpy(padded).to(self._device), torch.from_numpy(mask).to(self._device))
        table[rows, NATS] = nats.double().cpu().numpy()
        table[rows, BYTES] = lengths
        table[rows, STEP] = step


def combine(losses: list[HeldOutLoss]) -> float | None:
    """Bytes-weighted BPC over sources; None without any.

    >>> combine([]) is None
    True
    """
    num_bytes = sum(loss.num_bytes for loss in losses)
    if not num_bytes:
        return None
    return sum(loss.bpc * loss.num_bytes for loss in losses) / num_bytes
