"""First steps of a spawned child, before its own code is imported. Imports no torch."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from daemon.child_protocol import CRASHED, ChildGoodbye
from daemon.system.standard_stream import Printer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from daemon.child_protocol import ChildOrder


def enter(entry: str, order: ChildOrder, connection: Connection, log_path: Path) -> None:
    """Send all output to `log_path`, ignore the terminal's signals, then call `entry` (`module:function`).

    SIGTERM stays held back: a child lets it through once it can end well by it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        # A closed terminal must not kill a child that is about to save.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        redirect_output(log_path)
    except OSError as error:
        why = f"its log cannot be written: {error.strerror} ({log_path})"
        connection.send(ChildGoodbye(state=CRASHED, error=why))
        sys.exit(1)
    module, _, function = entry.partition(":")
    getattr(importlib.import_module(module), function)(order, connection)


def redirect_output(log_path: Path) -> None:
    """Put standard output and error, of native code too, at the end of a file; a full disk there is no fault here."""
    descriptor = os.open(log_path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout, sys.stderr = Printer(sys.stdout, plain=True), Printer(sys.stderr, plain=True)
