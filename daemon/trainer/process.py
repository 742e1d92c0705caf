"""Entry of the trainer process. Imports no torch, so the supervisor can name it as the target of a spawn."""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from daemon.trainer.link.pipe import Pipe

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from daemon.trainer_protocol import TrainerOrder

NICENESS = 10


def trainer_main(order: TrainerOrder, connection: Connection) -> None:
    """Run one session: set the process up, learn until it is to end, exit with a code."""
    settle_process()
    pipe = Pipe(connection)
    end_by_sigterm(pipe)
    session = importlib.import_module("daemon.trainer.session")  # the one place where torch comes in
    leave(session.live(order, pipe))


def end_by_sigterm(pipe: Pipe) -> None:
    """From now on SIGTERM ends the run as a stop does, be it still loading; one that was held back comes now."""

    def terminate(*_: object) -> None:
        pipe.terminated = True

    signal.signal(signal.SIGTERM, terminate)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def leave(code: int) -> NoReturn:
    """End at once: what counts is on disk and sent, and to take an interpreter with torch down costs half a second."""
    logging.shutdown()
    for output in (sys.stdout, sys.stderr):
        if output is not None:
            with suppress(OSError, ValueError):
                output.flush()
    os._exit(code)


def settle_process() -> None:
    """Lower the priority and ignore the terminal's signals: only the supervisor decides when to end."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGBREAK"):
        signal.signal(signal.SIGBREAK, signal.SIG_IGN)
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(NICENESS)
    if sys.stdin is not None:
        sys.stdin.close()
    # Workers that never spin cost half as much again of a step, and those that spin for long steal the core that the
    # supervisor answers from; read by OpenMP when torch loads.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
