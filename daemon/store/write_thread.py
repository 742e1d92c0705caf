"""The one writer: a thread fed by a queue, which commits what gathered in at most a quarter of a second.

Nothing ever waits for it and nothing it meets reaches a caller. When the database cannot be written (disk
full, locked, server gone) the batch is kept and tried again, later and later; meanwhile metric rows gather
up to a bound, beyond which they are dropped and counted. All else waits as daemon.store.waiting has it.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from sqlalchemy.exc import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from daemon.store.engine import reason_of
from daemon.store.waiting import MAX_BYTES, Waiting
from daemon.store.writes import Write, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

BATCH_SECONDS = 0.25
MAX_METRIC_ROWS = 200_000
FIRST_RETRY_SECONDS = 0.25
LAST_RETRY_SECONDS = 30.0
# A database that is only too slow loses rows all the time; it is reported no more often.
REPORT_EVERY_SECONDS = 60.0


class Commits(Protocol):
    """Carries out a batch of orders in one transaction, or none of it."""

    def apply(self, batch: list[Write]) -> None:
        """Commit the whole batch, or raise and leave nothing of it."""


class Writer:
    """Queue and thread in front of what commits.

    `on_trouble` is called with every temporary error; `on_change` once with the reason when the database cannot be
    written any more, and once when it can (None), with the rows by table that were dropped meanwhile; `on_written`
    behind each batch, where it may put another `committer` in its place. All on the writer's thread.
    """

    def __init__(
        self,
        committer: Commits,
        *,
        batch_seconds: float = BATCH_SECONDS,
        max_metric_rows: int = MAX_METRIC_ROWS,
        max_bytes: int = MAX_BYTES,
        on_trouble: Callable[[Exception], None] = lambda _error: None,
        on_change: Callable[[str | None, Mapping[str, int]], None] = lambda _reason, _lost: None,
    ) -> None:
        self.committer = committer
        self._batch_seconds = batch_seconds
        self._max_metric_rows = max_metric_rows
        self._on_trouble = on_trouble
        self._on_change = on_change
        self.on_written: Callable[[], None] = lambda: None
        self._queue = Waiting(max_bytes=max_bytes)
        self._changed = threading.Condition()
        self._metric_rows = 0  # queued or in the batch at hand
        self._at_hand = 0  # orders of the batch that is being written
        self._reported_dropped = 0
        self._reported_at = -math.inf
        self._hurry = False
        self._closing = False
        self._give_up_at: float | None = None
        self._num_taken = 0
        self.num_put = 0
        self.num_done = 0
        self.dropped = 0
        self.rejected = 0
        self.degraded: str | None = None
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Orders that are not on disk yet; merged ones count once."""
        return len(self._queue) + self._at_hand

    def put(self, write: Write) -> bool:
        """Queue an order; False when it was dropped because too many metric rows wait."""
        rows = rows_of(write)
        with self._changed:
            if self._closing or (rows and self._metric_rows + rows > self._max_metric_rows):
                self.dropped += rows
                if not rows:
                    log.warning("The store is closed; not kept: %s", type(write).__name__)
                return False
            self._metric_rows += rows
            self._queue.add(write)
            self.num_put += 1
            if len(self._queue) == 1:
                self._changed.notify_all()
        return True

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was queued before is on disk; False when it is not in time."""
        with self._changed:
            wanted = self.num_put
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self.num_done >= wanted, timeout_seconds)

    def close(self, timeout_seconds: float) -> bool:
        """Write what waits and end the thread; False when something could not be written in time."""
        with self._changed:
            self._closing = True
            self._give_up_at = time.monotonic() + timeout_seconds
            self._changed.notify_all()
        self._thread.join(timeout_seconds + 2 * BATCH_SECONDS)
        with self._changed:
            lost = self.num_waiting
        if lost:
            log.error("The store closed with %d orders unwritten (%s)", lost, self.degraded or "too slow")
        return not lost

    def _work(self) -> None:
        while batch := self._take():
            if not self._commit(batch):
                return
            with self._changed:
                self.num_done = self._num_taken
                self._changed.notify_all()

    def _take(self) -> list[Write]:
        """The next batch; empty when all is written and the writer closes."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) or self._closing)
            self._changed.wait_for(lambda: self._hurry or self._closing, self._batch_seconds)
            self._hurry = False
            batch = self._queue.take()
            self._at_hand = len(batch)
            self._num_taken = self.num_put
            return batch

    def _commit(self, batch: list[Write]) -> bool:
        """Write a batch, however long it takes; False when the writer closes first."""
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                self.committer.apply(batch)
            except Exception as error:  # noqa: BLE001 - a dead writer would lose all that comes after
                if not passes(error):
                    return self._isolate(batch, error)
                if not self._wait_to_retry(error, retry_seconds):
                    return False
                retry_seconds = min(2 * retry_seconds, LAST_RETRY_SECONDS)
            else:
                self._done(batch)
                return True

    def _isolate(self, batch: list[Write], error: Exception) -> bool:
        """One write can never be carried out: find it, log it, keep the others."""
        if len(batch) > 1:
            return all(self._commit([write]) for write in batch)
        log.error("The database refused %s: %s", type(batch[0]).__name__, reason_of(error))
        self.rejected += 1
        self._done(batch)
        return True

    def _wait_to_retry(self, error: Exception, retry_seconds: float) -> bool:
        """Log what is wrong and wait; False when the writer should give up."""
        reason = reason_of(error)
        if reason != self.degraded:
            log.warning("The database cannot be written (%s); trying again", reason)
        if self.degraded is None:
            self._on_change(reason, {})
        self._on_trouble(error)
        with self._changed:
            self.degraded = reason
            self._changed.wait_for(lambda: self._hurry or self._closing, retry_seconds)
            self._hurry = False
            if not self._closing:
                return True
            # Closing: keep trying, quickly, for as long as there is time.
            remaining = (self._give_up_at or 0.0) - time.monotonic()
            if remaining > 0:
                self._changed.wait(min(remaining, FIRST_RETRY_SECONDS))
            return remaining > 0

    def _done(self, batch: list[Write]) -> None:
        with self._changed:
            healed, self.degraded = self.degraded is not None, None
            self._metric_rows -= sum(map(rows_of, batch))
            self._at_hand -= len(batch)
            self._changed.notify_all()
        if healed:
            log.warning("The database can be written again")
        self.on_written()
        now = time.monotonic()
        if healed or now >= self._reported_at + REPORT_EVERY_SECONDS:
            lost = self._take_lost()
            if healed or lost:
                self._reported_at = now
                self._on_change(None, lost)

    def _take_lost(self) -> Counter[str]:
        """Rows by table that were dropped and not reported yet."""
        with self._changed:
            lost, self._queue.lost = self._queue.lost, Counter()
            if dropped := self.dropped - self._reported_dropped:
                self._reported_dropped = self.dropped
                lost["metrics"] += dropped
        return lost


def passes(error: Exception) -> bool:
    """Whether trying again can help: the trouble is the disk's, a lock's or the server's, not the data's."""
    if isinstance(error, OSError | OperationalError | InternalError | InterfaceError):
        return True
    if isinstance(error, DatabaseError):
        return type(error) is DatabaseError or error.connection_invalidated
    return isinstance(error, SQLAlchemyError) and not isinstance(error, StatementError)
