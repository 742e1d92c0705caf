"""The replay memory: a slot table in memory, records in segments on disk, a policy that rules over the slots.

1. `add` asks the policy which slots the new items take, and writes the accepted ones behind the open segment.
2. `sample` asks the policy for slots and gathers their records.
3. `commit` and `slots` are what a checkpoint needs; `restore` takes both back, exactly.

Shapes: n items of one call, T bytes of an item.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from brain.errors import MemoryDamagedError
from brain.memory.policies import policies
from brain.memory.policies.policy import ReplayPolicy, SlotTable
from brain.memory.replay_commit import ReplayCommit
from brain.memory.replay_records import Chosen, Recorded, ReplayRows, columns_of, look_through, record_type
from brain.memory.segments import SegmentLog, unreferenced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from brain.memory.config import ReplayConfig
    from brain.memory.selection import Selection

logger = logging.getLogger(__name__)

FLUSH_ROWS = 1024
TAIL_BYTES = 8 << 20  # what a full disk may hold back in memory
LOOK_ROWS = 65_536  # looked at at once for what is to be forgotten


class ReplayMemory:
    """Millions of remembered rows at next to no memory: 16 bytes a slot, the records on disk.

    `degraded` is None, or the reason why new items wait in memory (bounded) or pass by unremembered.
    """

    def __init__(self, folder: Path, config: ReplayConfig, *, item_bytes: int, seed: int) -> None:
        self.item_bytes = item_bytes
        self.degraded: str | None = None
        self._config = config
        self._record = record_type(item_bytes)
        self._log = self._new_log(folder, max(1, (config.segment_mib << 20) // self._record.itemsize))
        self._table = SlotTable.empty(config.capacity)
        self._policy = cast("ReplayPolicy", policies.get(config.policy).load()(self._table, seed))
        self._flush_at = FLUSH_ROWS

    @classmethod
    def create(cls, folder: Path, config: ReplayConfig, *, item_bytes: int, seed: int) -> ReplayMemory:
        """An empty memory for items of `item_bytes`; segments that lie in `folder` already are left alone."""
        return cls(folder, config, item_bytes=item_bytes, seed=seed)

    @classmethod
    def restore(
        cls,
        folder: Path,
        config: ReplayConfig,
        commit: ReplayCommit,
        slots: Mapping[str, NDArray[np.generic]],
        *,
        parents: Sequence[Path] = (),
    ) -> ReplayMemory:
        """The memory as it was at `commit`; rows written later belong to nobody and are left behind.

        Segments of other folders than `folder` are looked for in `parents`, then beside `folder`; new rows
        only ever go to `folder`. With a smaller capacity the policy says which items are kept.

        Raises:
            MemoryDamagedError: a committed segment is missing or differs, or the slots do not fit the commit.
        """
        memory = cls(folder, config, item_bytes=commit.item_bytes, seed=0)
        memory._log = memory._new_log(folder, commit.rows_per_segment)
        memory._log.take_over(commit.segments, parents)
        memory._take_slots(commit, slots)
        memory._drop(memory._log.erased(memory._table.row[: len(memory)]))
        return memory

    @classmethod
    def adopt(
        cls,
        folder: Path,
        config: ReplayConfig,
        commit: ReplayCommit,
        blocks: Iterable[Mapping[str, NDArray[Any]]],
    ) -> ReplayMemory:
        """A memory from elsewhere, as `items` gave it, in segments of its own; draws resume where they stopped.

        Raises:
            MemoryDamagedError: the items do not fit the commit.
            OSError: they cannot be written.
        """
        memory = cls(folder, config, item_bytes=commit.item_bytes, seed=0)
        slots: dict[str, list[NDArray[Any]]] = {"row": [], "loss": [], "source": []}
        for block in blocks:
            for first in range(0, len(block["length"]), FLUSH_ROWS):
                part = {name: column[first : first + FLUSH_ROWS] for name, column in block.items()}
                slots["row"].append(memory._append(part))
                memory._log.flush()
            slots["loss"].append(block["loss"])
            slots["source"].append(block["source"])
        memory._take_slots(commit, {name: np.concatenate(parts) for name, parts in slots.items() if parts})
        return memory

    def __len__(self) -> int:
        return self._table.num_items

    @property
    def num_seen(self) -> int:
        """Items offered so far, kept or not."""
        return self._policy.num_seen

    def add(  # noqa: PLR0917 - the columns of one table, in the order of its record
        self,
        rows: NDArray[np.uint8],
        length: ArrayLike,
        source: ArrayLike,
        offset: ArrayLike,
        loss: ArrayLike,
        step: int,
    ) -> None:
        """Offer rows (n, T) with their valid lengths, sources, offsets and losses, (n,) each, read at `step`.

        Never raises for a full disk: see `degraded`.
        """
        if len(rows) > self._log.room and not self._flush():
            return
        source = np.asarray(source, np.int64)
        loss = np.asarray(loss, np.float32)
        slots = self._policy.place(source=source, loss=loss)
        kept = np.flatnonzero(slots >= 0)
        if not len(kept):
            return
        addresses = self._append(
            {
                "bytes": rows[kept],
                "length": np.asarray(length)[kept],
                "source": source[kept],
                "offset": np.asarray(offset)[kept],
                "loss": loss[kept],
                "step": np.full(len(kept), step),
            }
        )
        slots = slots[kept]
        table = self._table
        table.row[slots] = addresses
        table.loss[slots] = loss[kept]
        table.source[slots] = source[kept]
        table.num_items = max(table.num_items, int(slots.max()) + 1)
        if self._log.num_waiting >= self._flush_at:
            self._flush()

    def sample(self, n: int) -> ReplayRows:
        """N items by the policy's choice, with replacement; none of an empty memory."""
        return self.at(self._policy.draw(n) if len(self) else np.empty(0, np.int64))

    def at(self, index: NDArray[np.int64]) -> ReplayRows:
        """The items in these slots, (n,), each in use; draws nothing."""
        records = self._log.read(self._table.row[index]).view(self._record)[:, 0]
        return ReplayRows(
            bytes=np.ascontiguousarray(records["bytes"]),
            length=records["length"].astype(np.int64),
            source=records["source"].astype(np.int64),
            offset=records["offset"].astype(np.int64),
            index=index,
            loss=self._table.loss[index],
            step=records["step"].astype(np.int64),
        )

    def items(self, block_rows: int) -> Iterator[ReplayRows]:
        """Every item in the order of its slot, at most `block_rows` at a time; draws nothing."""
        for first in range(0, len(self), block_rows):
            yield self.at(np.arange(first, min(first + block_rows, len(self))))

    def _append(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Put records of these columns, (n, …) each, behind the log; their addresses, (n,)."""
        records = np.empty(len(columns["length"]), self._record)
        for name in self._record.names or ():
            records[name] = columns[name]
        return self._log.append(records.view(np.uint8).reshape(len(records), -1))

    def update(self, index: NDArray[np.int64], loss: ArrayLike) -> None:
        """Newly measured losses of sampled items; before the next `add`, which may give their slots away."""
        losses = np.asarray(loss, np.float32)
        self._table.loss[index] = losses
        self._policy.update(index, losses)

    def chosen(self, selection: Selection) -> Chosen:
        """Which items a selection means; changes nothing."""
        search, found = selection.search(), []
        for rows in self.items(LOOK_ROWS):
            looked_at = columns_of(rows)
            search.look(rows.index, looked_at)
            found.append(looked_at._replace(bytes=looked_at.bytes[:0]))
        slots = search.found()
        if not len(slots):
            return Chosen(slots=slots)
        length, step = (
            np.concatenate([getattr(one, name) for one in found])[slots] for name in ("length", "step")
        )
        return Chosen(slots=slots, num_bytes=int(length.sum()), first_step=int(step.min()))

    def forget(self, selection: Selection) -> Chosen:
        """Draw no more what a selection means; it lies on disk until `erase`."""
        chosen = self.chosen(selection)
        gone = np.zeros(len(self), np.bool_)
        gone[chosen.slots] = True
        self._drop(gone)
        return chosen

    def recorded(
        self,
        selection: Selection,
        commits: Iterable[ReplayCommit],
        *,
        before_step: int | None = None,
        others: Iterable[ReplayCommit] = (),
    ) -> Recorded:
        """What a selection means of all that lies on disk, drawn or not.

        Args:
            selection: what to look for.
            commits: those of this run.
            before_step: what was read later stays, unless nobody has committed it: it is of a life that was lost.
            others: commits of other runs.

        Raises:
            OSError: what waits could not be written, or something not be read.
        """
        self._log.flush()
        own = [segment for commit in commits for segment in commit.segments]
        theirs = [segment for commit in others for segment in commit.segments]
        heads: dict[tuple[str, int], int] = {}
        for one in (*own, *theirs):
            key = one.folder, one.number
            heads[key] = max(heads.get(key, 0), one.rows)
        files = self._log.files(own)
        return look_through(files, selection, self._record, before_step=before_step, heads=heads)

    def erase(self, recorded: Recorded, commits: Iterable[ReplayCommit]) -> None:
        """Make these records unreadable; `commits` are those of everybody who may refer to them.

        Raises:
            OSError: the disk is full or broken; call it again.
        """
        heads: dict[tuple[str, int], set[tuple[int, str]]] = {}
        for segment in (segment for commit in commits for segment in commit.segments):
            heads.setdefault((segment.folder, segment.number), set()).add((segment.rows, segment.sha256))
        for segment_file, rows in recorded.rows:
            key = segment_file.path.parent.name, segment_file.number
            segment_file.erase(rows, heads.get(key, set()))

    def commit(self, *, sync: bool = True) -> ReplayCommit:
        """Everything added so far, on disk: what a checkpoint's manifest says about replay.

        Call `slots` at the same step. `sync=False` leaves the fsync to `sync`, which a writer thread may call
        while learning continues; the checkpoint must not be committed before.

        Raises:
            OSError: disk full; nothing is lost, try again later.
        """
        self._log.flush()
        self._recover()
        if sync:
            self._log.sync()
        live = self._live_segments()
        commit = ReplayCommit(
            item_bytes=self.item_bytes,
            rows_per_segment=self._log.rows_per_segment,
            policy=self._config.policy,
            policy_state=self._policy.state(),
            num_items=len(self),
            num_seen=self.num_seen,
            segments=self._log.commits(live),
        )
        self._log.forget(live)
        return commit

    def sync(self) -> None:
        """Force committed segments to disk; safe in another thread than the one that adds."""
        self._log.sync()

    def slots(self) -> dict[str, NDArray[np.generic]]:
        """The slot table's columns in use, (num_items,) each, copied."""
        used = slice(0, len(self))
        table = self._table
        return {
            "row": table.row[used].copy(),
            "loss": table.loss[used].copy(),
            "source": table.source[used].copy(),
        }

    def unreferenced(self, commits: Iterable[ReplayCommit]) -> list[Path]:
        """Sealed segments of this memory's folder that neither the commits nor its own slots refer to."""
        live = {f"seg-{number:06d}.bin" for number in self._live_segments()}
        found = unreferenced(self._log.folder, commits)
        return [path for path in found if f"{path.name.partition('.')[0]}.bin" not in live]

    def _drop(self, gone: NDArray[np.bool_]) -> None:
        """Give up items by slot, (num_items,)."""
        if not gone.any():
            return
        table, kept = self._table, self._policy.compact(~gone)
        for column in (table.row, table.loss, table.source):
            column[: len(kept)] = column[kept]
        table.num_items = len(kept)
        self._policy.resized()

    def _new_log(self, folder: Path, rows_per_segment: int) -> SegmentLog:
        record_bytes = self._record.itemsize
        tail_rows = max(2 * FLUSH_ROWS, TAIL_BYTES // record_bytes)
        return SegmentLog(
            folder, record_bytes=record_bytes, rows_per_segment=rows_per_segment, tail_rows=tail_rows
        )

    def _flush(self) -> bool:
        """Write what waits. On a full disk learning continues; the next try comes 1,024 rows later."""
        try:
            self._log.flush()
        except OSError as error:
            if self.degraded is None:
                logger.warning("replay cannot be written: %s", error)
            self.degraded = (
                f"replay is not written ({error.strerror or error}); free space in {self._log.folder}"
            )
            self._flush_at = self._log.num_waiting + FLUSH_ROWS
            return False
        self._recover()
        return True

    def _recover(self) -> None:
        if self.degraded is not None:
            logger.info("replay is written again")
        self.degraded = None
        self._flush_at = FLUSH_ROWS

    def _live_segments(self) -> list[int]:
        rows = self._table.row[: len(self)]
        return (
            [] if not len(rows) else np.flatnonzero(np.bincount(rows // self._log.rows_per_segment)).tolist()
        )

    def _take_slots(self, commit: ReplayCommit, slots: Mapping[str, NDArray[np.generic]]) -> None:
        table = self._table
        columns: dict[str, NDArray[Any]] = {"row": table.row, "loss": table.loss, "source": table.source}
        if any(name not in slots or slots[name].shape != (commit.num_items,) for name in columns):
            raise MemoryDamagedError(f"The slot table does not fit its commit of {commit.num_items} items.")
        own: dict[str, Any] = {name: slots[name] for name in columns}
        before = SlotTable(**own, num_items=commit.num_items)
        state = commit.policy_state if commit.policy == self._config.policy else None
        if state is None:
            self._policy.num_seen = commit.num_seen
        else:
            self._policy.load(state)
        kept = self._policy.carry_over(before, state)
        for name, column in columns.items():
            column[: len(kept)] = slots[name][kept]
        table.num_items = len(kept)
        self._policy.resized()
