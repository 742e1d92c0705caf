"""The hippocampus beside a network: what it knows of every byte at once, mixed with what the network expects.

Shapes: R rows, T bytes of a row, L lanes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.errors import SpecMismatchError
from brain.memory.hippocampus import context_tables as tables
from brain.memory.hippocampus.bit_paths import node_probability
from brain.memory.hippocampus.compiled import loops
from brain.memory.hippocampus.config import MEMORY_PREFIX
from brain.memory.hippocampus.emptying import Erased, erase
from brain.memory.hippocampus.matched_text import matched_passage
from brain.memory.hippocampus.origins import Origins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from brain.memory.hippocampus.config import Sizes
    from brain.memory.ports import Passage
    from brain.memory.selection import Selection

READER_PAST = 1024


@dataclass(frozen=True)
class Mixed:
    """What rows cost with memory and network together.

    Attributes:
        nats: float64 (R, T), of each byte before it was learned from; 0 on padding.
        share: float64 (R, T), how much of the evidence came from memory; 0 on padding.
    """

    nats: NDArray[np.float64]
    share: NDArray[np.float64]


class Hippocampus:
    """An exact memory of contexts, bounded and ageing, that learns from one look; see `kernel`.

    Args:
        sizes: of its tables.
        lanes: L.
    """

    def __init__(self, sizes: Sizes, *, lanes: int) -> None:
        self._sizes, self._num_lanes = sizes, lanes
        self.tables = self._empty()
        self.origins = Origins(lanes, sizes.past)
        self.lanes = tables.fresh_lanes(self.tables.past)
        self._constants, self._scratch, self._rates = tables.constants(), tables.new_scratch(), tables.Rates()
        self._loops = loops()

    def read(
        self,
        rows: Tensor,
        mask: Tensor,
        lane: Tensor,
        reset: Tensor,
        network: Tensor,
        *,
        learn: bool,
        source: Tensor | None = None,
        step: int = 0,
    ) -> Mixed:
        """Score rows of its lanes (R, T), each byte before it is learned from.

        Args:
            rows: uint8 bytes.
            mask: bool (R, T), False behind the end of a row.
            lane: int64 (R,), each at most once.
            reset: bool (R,), whether a row follows on nothing its lane has read.
            network: (R, T, 8) of `path_probability`.
            learn: False reads on without remembering.
            source: int64 (R,), what each row was read from.
            step: of the run.
        """
        lanes = lane.cpu().numpy()
        self.origins.note(
            lanes,
            self.lanes.stand[lanes, tables.READ],
            source=np.zeros(len(lanes), np.int64) if source is None else source.cpu().numpy(),
            step=step,
            reset=reset.cpu().numpy(),
        )
        return self._read(self.lanes, rows, mask, lane, reset, network, learn=learn)

    def expect(self, lane: int, network: Tensor) -> Tensor:
        """Probabilities float64 (256,) of the byte to come in a lane, given the network's own, (256,)."""
        return self._spread(self.lanes, lane, network)

    def reader(self, rows: int) -> MemoryReader:
        """A reader of `rows` rows that have read nothing; the memory itself is only looked at."""
        return MemoryReader(self, tables.fresh_lanes(np.zeros((rows, READER_PAST), np.uint8)))

    def forget(self, selection: Selection, *, dry_run: bool = False) -> Erased:
        """Forget a selection; every lane continues as after a jump. With `dry_run` nothing changes. See `emptying`."""
        kept, lanes, origins = self.tables, self.lanes, self.origins
        if dry_run:
            kept, lanes, origins = copy.deepcopy((kept, lanes, origins))
            lanes = lanes._replace(past=kept.past)
        return erase(kept, lanes, origins, selection, empty=self._empty())

    def tensors(self) -> dict[str, Tensor]:
        """References to all it keeps, as `hippocampus|<table>` and, of what its past was read from, `origin|<name>`."""
        kept = {**self.tables._asdict(), "stand": self.lanes.stand}
        own = {f"{MEMORY_PREFIX}{name}": torch.from_numpy(table) for name, table in kept.items()}
        return own | self.origins.tensors()

    def check(self, stored: Mapping[str, Tensor]) -> None:
        """Whether stored tables point into each other: compiled loops look at no bounds.

        Raises:
            SpecMismatchError: they do not.
        """
        size = self.tables.past.size
        heads, stand = (stored.get(f"{MEMORY_PREFIX}{name}") for name in ("heads", "stand"))
        if heads is None or stand is None or stand.shape != self.lanes.stand.shape:
            return  # of another architecture: whoever copies them says so
        pointers = (heads, stand[:, tables.MATCH])
        outside = any(bool(((one < 0) | (one > size)).any()) for one in pointers)
        if outside or bool((stand < 0).any()) or bool((stand[:, tables.LENGTH] > tables.LONGEST).any()):
            raise SpecMismatchError("the tables of the hippocampus do not fit each other; they are damaged")

    def _empty(self) -> tables.Tables:
        sizes = self._sizes
        return tables.empty_tables(
            lanes=self._num_lanes, buckets=sizes.buckets, past=sizes.past, heads=sizes.heads
        )

    def _read(
        self,
        lanes: tables.Lanes,
        rows: Tensor,
        mask: Tensor,
        lane: Tensor,
        reset: Tensor,
        network: Tensor,
        *,
        learn: bool,
    ) -> Mixed:
        probability = np.ones(tuple(rows.shape))
        share = np.zeros(tuple(rows.shape))
        self._loops.wait().read_rows(
            self.tables,
            lanes,
            self._constants,
            self._scratch,
            self._rates,
            rows.cpu().contiguous().numpy(),
            mask.sum(dim=1).cpu().numpy(),
            lane.cpu().numpy(),
            reset.cpu().numpy(),
            network.float().cpu().contiguous().numpy(),
            learn,
            probability,
            share,
        )
        return Mixed(nats=-np.log(probability), share=share)

    def _spread(self, lanes: tables.Lanes, row: int, network: Tensor) -> Tensor:
        nodes, probability = node_probability(network.double().cpu()).numpy(), np.zeros(256)
        self._loops.wait().spread(self.tables, lanes, self._constants, self._scratch, row, nodes, probability)
        return torch.from_numpy(probability)


class MemoryReader:
    """R rows read side by side, each behind what it has read; nothing of it is remembered."""

    def __init__(self, memory: Hippocampus, lanes: tables.Lanes) -> None:
        self._memory, self._lanes = memory, lanes

    def read(self, rows: Tensor, mask: Tensor, network: Tensor) -> Mixed:
        """Read further uint8 rows (R, T); `network` (R, T, 8) is that of `path_probability`."""
        lane = torch.arange(len(rows))
        return self._memory._read(
            self._lanes, rows, mask, lane, torch.zeros(len(rows), dtype=torch.bool), network, learn=False
        )

    @property
    def match_length(self) -> int:
        """Bytes of the match of the first row, as `predict` found it; 0 without one."""
        return int(self._lanes.stand[0, tables.LENGTH])

    def match(self) -> Passage | None:
        """What the match of the first row points at, as `predict` found it; None without one."""
        return matched_passage(self._memory.lanes, self._memory.origins, self._lanes, 0)

    def predict(self, network: Tensor) -> Tensor:
        """Probabilities float64 (R, 256) of the byte to come, given the network's own, (R, 256)."""
        return torch.stack([self._memory._spread(self._lanes, *one) for one in enumerate(network)])
