"""What waits for the writer, in the order in which it came; changes of one row are merged.

A database that cannot be written for hours must not fill the memory. Rows of metrics are bounded by the writer.
Here a row that is changed every second waits as one order, and the rest has a bound in bytes, beyond which the
oldest history goes, and is counted: repeatable answers first, then measurements, events, operations. How runs,
sessions, checkpoints, alarms and jobs stand is always kept; of that there is one order a row.

Drawn together are only changes between which nothing touches the same rows, so what the database holds in the
end is what it would hold had each order been carried out by itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from daemon.store.tables import (
    answers,
    evaluations,
    events,
    forgetting,
    operations,
    readings,
    runs,
    sessions,
)
from daemon.store.writes import Columns, Insert, Points, Put, Remove, RemoveSome, StartSession, Write

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 32 * 2**20
ORDER_BYTES = 300  # of an order without its values
ROOM_AFTER = 0.9  # so much of the bound may stay when something had to go
# What goes when there is no room, first to last.
GOES = (
    (answers.name,),
    (readings.name, evaluations.name, forgetting.name),
    (events.name,),
    (operations.name,),
)


class Waiting:
    """The orders between two batches. Its caller holds a lock.

    Attributes:
        lost: rows that had to go since this was emptied last, by table.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self.lost: Counter[str] = Counter()
        self._begin()

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def num_bytes(self) -> int:
        """About how much memory the orders take, without rows of metrics."""
        return self._total

    def add(self, write: Write) -> None:
        """Queue an order, or merge it with one that waits."""
        match write:
            case Put():
                if self._joined(write):
                    return
            case StartSession():
                self._start_session(write.run, write.number)
            case Columns() | Points():
                if (write.run, write.session) not in self._sessions:
                    # Unannounced, a session begins with its first row.
                    self._start_session(write.run, write.session)
            case Insert() | Remove():
                self._close(write.table.name)
            case RemoveSome():
                self._open.clear()
                self._sessions.clear()
        self._append(write)
        if isinstance(write, Put):
            self._open_for(write)

    def take(self) -> list[Write]:
        """All that waits, in order; nothing waits afterwards."""
        orders = list(self._orders.values())
        self._begin()
        return orders

    def _begin(self) -> None:
        self._orders: dict[int, Write] = {}  # by ticket
        self._bytes: dict[int, int] = {}  # by ticket, of those that are not metrics
        self._total = 0
        self._ticket = 0
        self._open: dict[str, tuple[tuple[str, ...], dict[tuple[Any, ...], int]]] = {}
        self._sessions: set[tuple[str, int]] = set()

    def _append(self, write: Write) -> None:
        self._ticket += 1
        self._orders[self._ticket] = write
        self._weigh(self._ticket, write)

    def _weigh(self, ticket: int, write: Write) -> None:
        if isinstance(write, Columns | Points):
            return
        self._total -= self._bytes.get(ticket, 0)
        self._bytes[ticket] = size_of(write)
        self._total += self._bytes[ticket]
        if self._total > self._max_bytes:
            self._make_room()

    def _joined(self, write: Put) -> bool:
        """Merge a change with the one of its row that waits, if nothing between touches that row."""
        names, tickets = self._open.get(write.table.name, ((), {}))
        ticket = tickets.get(tuple(write.key.values())) if names == tuple(write.key) else None
        before = None if ticket is None else self._orders.get(ticket)
        if ticket is None or not isinstance(before, Put):
            return False
        if before.fresh is None and write.fresh is not None:
            return False  # without a row the earlier change is none; together they would make one of both
        joined = replace(before, values={**before.values, **write.values})
        self._orders[ticket] = joined
        self._weigh(ticket, joined)
        return True

    def _open_for(self, write: Put) -> None:
        """Later changes of the same row may join this one."""
        names = tuple(write.key)
        if write.values.keys() & write.key.keys():
            # It changes what its rows are found by, as clearing an alarm does.
            self._close(write.table.name)
            return
        if self._open.get(write.table.name, (names,))[0] != names:
            self._close(write.table.name)  # found by other columns, it may be the same row
        self._open.setdefault(write.table.name, (names, {}))[1][tuple(write.key.values())] = self._ticket

    def _start_session(self, run: str, number: int) -> None:
        self._sessions.add((run, number))
        self._close(runs.name)
        self._close(sessions.name)

    def _close(self, table: str) -> None:
        """Nothing joins the orders for a table that wait by now."""
        self._open.pop(table, None)

    def _make_room(self) -> None:
        enough = self._max_bytes * ROOM_AFTER
        for tables in GOES:
            for ticket, write in list(self._orders.items()):
                if self._total <= enough:
                    return
                if isinstance(write, Insert | Put) and write.table.name in tables:
                    del self._orders[ticket]
                    self._total -= self._bytes.pop(ticket)
                    self.lost[write.table.name] += num_rows(write)


def size_of(write: Write) -> int:
    """About how many bytes an order takes in memory."""
    match write:
        case Insert():
            return ORDER_BYTES + _text_bytes(write.rows)
        case Put() | StartSession():
            return ORDER_BYTES + _text_bytes((write.values,))
        case _:
            return ORDER_BYTES


def num_rows(write: Insert | Put) -> int:
    """How many rows an order makes or changes."""
    return len(write.rows) if isinstance(write, Insert) else 1


def _text_bytes(values: Iterable[Any]) -> int:
    # Python's objects take two or three times what they read like.
    return 2 * sum(len(str(value)) for value in values)
