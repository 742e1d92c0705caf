"""Held-out loss: a few blocks at a time, in turn, combined over the whole held-out set of each source.

A brain that predicts labels has a held-out accuracy beside it: there a block is an example. One with an exact memory
has two losses: that of its network alone, and that of both together.

The set is that of the files as they are listed now: what arrives joins it, scores of blocks that stay are kept.
A block is read from a reset state, by the weights as they are; nothing of learning is touched. Beside the BPC
stand its coverage (share of the set scored at all) and its age (mean steps since a block was scored).
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.capabilities import Labelling
from brain.memory.ports import Remembering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from brain.ports import Brain
    from daemon.config.tree import EvaluationConfig
    from daemon.streams.holdout import HeldOutSet
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.link.reporting import Reporter

MAX_BLOCKS = 4096  # a fixed evenly spaced subset stands for a larger set
COLUMNS = NATS, BYTES, STEP, BLOCK, CORRECT, MIXED_NATS = range(6)


@dataclass(frozen=True, kw_only=True)
class HeldOutLoss:
    """Held-out loss of one source.

    Attributes:
        source: its name.
        bpc: bits per byte over the blocks scored so far.
        num_bytes: of these blocks.
        coverage: share of the set that is scored, in [0, 1].
        age_steps: mean over these blocks.
        num_examples: of these blocks, those with a label that a labelling brain was asked for.
        accuracy: share of these examples whose label it predicted; None without any.
        num_mixed_bytes: of these blocks, those that were scored with an exact memory as well.
        mixed_bpc: bits per byte over these, of network and memory together; None without any.
    """

    source: str
    bpc: float
    num_bytes: int
    coverage: float
    age_steps: float
    num_examples: int = 0
    accuracy: float | None = None
    num_mixed_bytes: int = 0
    mixed_bpc: float | None = None


@dataclass(frozen=True, kw_only=True)
class HeldOutTotal:
    """Held-out loss over all sources: BPC weighted by bytes, accuracy by examples (None without any).

    `mixed_bpc` is that of network and exact memory together, None without one.
    """

    bpc: float
    num_bytes: int
    num_examples: int
    accuracy: float | None
    mixed_bpc: float | None


class HeldOutEvaluation:
    """The table of held-out losses, and whose turn it is to be scored."""

    def __init__(
        self,
        config: EvaluationConfig,
        stream: ExperienceStream,
        *,
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._config = config
        self._stream = stream
        self._device = device
        self._clock = clock
        self._sets: dict[str, HeldOutSet] = {}
        self._tables: dict[str, NDArray[np.float64]] = {}
        self._next_source = 0
        self._spent_seconds = 0.0
        self._follow()

    def due(self, step: int, session_seconds: float) -> bool:
        """Whether a slice fits the step and the budget of this session's training time."""
        if step % self._config.every_steps:
            return False
        if self._spent_seconds > self._config.budget_share * session_seconds:
            return False
        started = self._clock()
        self._follow()  # counting the blocks of many thousand files takes time too
        self._spent_seconds += self._clock() - started
        return bool(self._sets)

    def score_slice(self, brain: Brain, step: int) -> HeldOutLoss | None:
        """Score the stalest few blocks of the next source; its loss by the whole table, once anything is known."""
        names = list(self._sets)  # sources in the order in which they came to hold a block
        name = names[self._next_source % len(names)]
        self._next_source = (names.index(name) + 1) % len(names)
        last_scored = np.nan_to_num(self._tables[name][:, STEP], nan=-1.0)
        rows = np.argsort(last_scored, kind="stable")[: self._config.slice_rows].tolist()
        started = self._clock()
        self._score(brain, name, rows, step)
        self._spent_seconds += self._clock() - started
        return None if np.isnan(self._tables[name][:, NATS]).all() else self.summary(name, step)

    def score_all(self, brain: Brain, step: int, on_progress: Callable[[], None]) -> list[HeldOutLoss]:
        """Score every block of every source once, on demand."""
        self._follow()
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
        examples = table[~np.isnan(table[:, CORRECT]), CORRECT]
        mixed = table[~np.isnan(table[:, MIXED_NATS])]
        num_mixed_bytes = mixed[:, BYTES].sum()
        return HeldOutLoss(
            source=name,
            bpc=float(scored[:, NATS].sum() / num_bytes / math.log(2)),
            num_bytes=int(num_bytes),
            coverage=len(scored) / len(table),
            age_steps=float(step - scored[:, STEP].mean()),
            num_examples=len(examples),
            accuracy=float(examples.mean()) if len(examples) else None,
            num_mixed_bytes=int(num_mixed_bytes),
            mixed_bpc=float(mixed[:, MIXED_NATS].sum() / num_mixed_bytes / math.log(2))
            if len(mixed)
            else None,
        )

    def report(self, losses: list[HeldOutLoss], reporter: Reporter, step: int) -> HeldOutTotal | None:
        """Held-out loss by source and over all sources, as points; the latter is returned."""
        for loss in losses:
            reporter.point(f"held_out_bpc/{loss.source}", step, loss.bpc)
            reporter.point(f"held_out_coverage/{loss.source}", step, loss.coverage)
            reporter.point(f"held_out_age_steps/{loss.source}", step, loss.age_steps)
            if loss.accuracy is not None:
                reporter.point(f"held_out_accuracy/{loss.source}", step, loss.accuracy)
                reporter.point(f"held_out_examples/{loss.source}", step, loss.num_examples)
            if loss.mixed_bpc is not None:
                reporter.point(f"held_out_mixed_bpc/{loss.source}", step, loss.mixed_bpc)
        total = combine(self.summaries(step))
        if total is not None:
            reporter.point("held_out_bpc", step, total.bpc)
            if total.accuracy is not None:
                reporter.point("held_out_accuracy", step, total.accuracy)
                reporter.point("held_out_examples", step, total.num_examples)
            if total.mixed_bpc is not None:
                reporter.point("held_out_mixed_bpc", step, total.mixed_bpc)
        return total

    def state_arrays(self) -> dict[str, np.ndarray]:
        """The tables, by source name, to survive a restart."""
        return dict(self._tables)

    def load_arrays(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restore tables block by block; one without block names only if it has the size of the set."""
        for name, table in arrays.items():
            if name not in self._tables:
                continue
            if table.shape[1] > BLOCK:
                self._tables[name] = _carried(table, self._tables[name])
            elif len(table) == len(self._tables[name]):
                self._tables[name][:, :BLOCK] = table

    def _follow(self) -> None:
        """Follow the sets as files come and go."""
        for index, source in enumerate(self._stream.sources if self._config.enabled else ()):
            held_out = self._stream.held_out(index)
            if held_out is self._sets.get(source.name):
                continue
            if not len(held_out):
                self._sets.pop(source.name, None)
                self._tables.pop(source.name, None)
                continue
            before = self._tables.get(source.name)
            blank = _blank(held_out)
            self._sets[source.name] = held_out
            self._tables[source.name] = blank if before is None else _carried(before, blank)

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
        shown = torch.from_numpy(padded).to(self._device), torch.from_numpy(mask).to(self._device)
        mixed: NDArray[np.float64] | float = np.nan
        if isinstance(brain, Remembering) and brain.remembers:
            alone, both = brain.score_both(*shown)
            mixed = both.cpu().double().numpy()
        else:
            alone = brain.score(*shown)
        table[rows, NATS] = alone.cpu().double().numpy()
        table[rows, MIXED_NATS] = mixed
        if isinstance(brain, Labelling):
            table[rows, CORRECT] = brain.correct(*shown).cpu().double().numpy()
        table[rows, BYTES] = lengths
        table[rows, STEP] = step


def _blank(held_out: HeldOutSet) -> NDArray[np.float64]:
    """The table of a set of which nothing is scored yet."""
    rows = min(len(held_out), MAX_BLOCKS)
    table = np.full((rows, len(COLUMNS)), np.nan)
    table[:, BLOCK] = [_number(*held_out.place(row * len(held_out) // rows)) for row in range(rows)]
    return table


def _number(document: str, offset: int) -> int:
    """A block's name as a number that a float holds exactly."""
    key = f"{offset} {document}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(key, digest_size=6).digest(), "big")


def _carried(before: NDArray[np.float64], blank: NDArray[np.float64]) -> NDArray[np.float64]:
    """A table with the scores of the blocks that it shares with another one, which may lack the newest columns."""
    _, old, new = np.intersect1d(before[:, BLOCK], blank[:, BLOCK], return_indices=True)
    blank[new, : before.shape[1]] = before[old]
    return blank


def accuracy_by_source(losses: list[HeldOutLoss]) -> dict[str, float]:
    """Of the sources of which an example was scored.

    >>> accuracy_by_source([])
    {}
    """
    return {loss.source: loss.accuracy for loss in losses if loss.accuracy is not None}


def mixed_by_source(losses: list[HeldOutLoss]) -> dict[str, float]:
    """Loss of network and exact memory together, of the sources where it is known.

    >>> mixed_by_source([])
    {}
    """
    return {loss.source: loss.mixed_bpc for loss in losses if loss.mixed_bpc is not None}


def combine(losses: list[HeldOutLoss]) -> HeldOutTotal | None:
    """Over all sources; None without any.

    >>> combine([]) is None
    True
    """
    num_bytes = sum(loss.num_bytes for loss in losses)
    if not num_bytes:
        return None
    num_examples = sum(loss.num_examples for loss in losses)
    right = sum(loss.accuracy * loss.num_examples for loss in losses if loss.accuracy is not None)
    num_mixed_bytes = sum(loss.num_mixed_bytes for loss in losses)
    mixed = sum(loss.mixed_bpc * loss.num_mixed_bytes for loss in losses if loss.mixed_bpc is not None)
    return HeldOutTotal(
        bpc=sum(loss.bpc * loss.num_bytes for loss in losses) / num_bytes,
        num_bytes=num_bytes,
        num_examples=num_examples,
        accuracy=right / num_examples if num_examples else None,
        mixed_bpc=mixed / num_mixed_bytes if num_mixed_bytes else None,
    )
