"""The one way out for what a command prints: everything goes through a Printer, whoever prints it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

from daemon.system.escaping import one_line
from daemon.system.standard_stream import Printer

logger = logging.getLogger("daemon.output")

LAST_WORDS_SECONDS = 5.0


def out() -> Printer:
    """Standard output."""
    return sys.stdout if isinstance(sys.stdout, Printer) else Printer(sys.stdout)


def err() -> Printer:
    """Standard error."""
    return sys.stderr if isinstance(sys.stderr, Printer) else Printer(sys.stderr, plain=True)


def say(text: str = "") -> None:
    """Print lines for a person on standard output."""
    out().say(text)


def complain(text: str) -> None:
    """Print one line on standard error, within a few seconds or not at all: these are a command's last lines."""
    printer = err()
    printing = threading.Thread(target=printer.say, args=(one_line(text),), daemon=True)
    printing.start()
    printing.join(LAST_WORDS_SECONDS)


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """While this lasts everything that is printed goes through a Printer, whoever prints it."""
    _occupy_standard_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out(), err()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def print_in_the_background_too() -> None:
    """Keep `stty tostop` from stopping this process when it prints: that would stop learning."""
    if hasattr(signal, "SIGTTOU") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)


@contextlib.contextmanager
def stray_output_logged() -> Iterator[None]:
    """While this lasts what libraries print goes to the log: a daemon must not wait for a terminal, nor die of one."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = Strays()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class Strays(io.TextIOBase):
    """A stream whose lines become warnings of the log."""

    def __init__(self) -> None:
        self._partial = ""
        self._logging = threading.local()

    def write(self, text: str) -> int:
        """Keep text until its line ends."""
        if getattr(self._logging, "busy", False):
            return len(text)  # where there is no handler, logging itself prints to standard error: to here
        *lines, self._partial = (self._partial + text).split("\n")
        self._logging.busy = True
        try:
            for line in lines:
                if line.strip():
                    logger.warning("%s", line.rstrip())
        finally:
            self._logging.busy = False
        return len(text)

    def writable(self) -> bool:
        """It is."""
        return True


def _occupy_standard_descriptors() -> None:
    """Give 0, 1 and 2 to nothing else: a database opened on a closed standard error would be printed into."""
    if os.name != "posix":
        return
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free: this one
