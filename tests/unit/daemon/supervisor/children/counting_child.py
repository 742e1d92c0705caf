"""A second kind of child, as small as can be: it counts, and sends its goodbye. It knows no run and no brain."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.child_protocol import ChildGoodbye, ChildOrder, ChildReady
from daemon.supervisor.children.life import ChildKind

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

ENTRY = "tests.unit.daemon.supervisor.children.counting_child:main"


@dataclass(frozen=True, kw_only=True)
class CountOrder(ChildOrder):
    """Count from `start` to `end`, then end as `ends_as`; in sessions up to `faulty_sessions` as `fault` instead."""

    start: int = 0
    end: int = 3
    ends_as: str = "finished"
    fault: str = ""
    faulty_sessions: int = 0

    @property
    def subject(self) -> str:
        return "count-1"


@dataclass(frozen=True)
class Counted:
    """The heartbeat."""

    number: int


@dataclass(frozen=True, kw_only=True)
class CountGoodbye(ChildGoodbye):
    total: int


COUNTER: ChildKind[CountOrder, Counted, CountGoodbye] = ChildKind(
    noun="counter", messages=(Counted,), goodbye=CountGoodbye
)


def main(order: CountOrder, connection: Connection) -> None:
    connection.send(ChildReady())
    for number in range(order.start, order.end):
        connection.send(Counted(number))
    connection.send({"nothing": "that is known"})
    ending = order.fault if order.session <= order.faulty_sessions else order.ends_as
    if ending == "dies":
        print("ValueError: cannot count further", file=sys.stderr, flush=True)
        os._exit(3)
    if ending == "falls silent":
        time.sleep(600)
    if ending == "waits":
        assert connection.recv() == "stop"
        ending = "stopped"
    error = "cannot count" if ending in ("crashed", "refused") else None
    state = "crashed" if error else ending
    connection.send(CountGoodbye(state=state, error=error, restartable=ending != "refused", total=order.end))
