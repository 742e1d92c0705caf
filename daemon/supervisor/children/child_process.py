"""One child process seen from outside: spawn it, exchange messages with it, find out how it died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import queue
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from daemon.supervisor.children.entry import enter
from daemon.system.child_logs import cut
from daemon.system.patience import slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from daemon.child_protocol import ChildOrder

logger = logging.getLogger(__name__)

LOG_LIMIT_BYTES = 8 * 1024 * 1024
TAIL_BYTES = 4096
_FROM_OUTSIDE = {"SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"}


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a child process ended.

    Attributes:
        exit_code: of the process; negative is a signal's number.
        last_line: the line of its log, written in this life, that explains its end best.
        not_started: why it could not even be started.
    """

    exit_code: int | None = None
    last_line: str = ""
    not_started: str | None = None

    @property
    def reason(self) -> str:
        """One line for a person."""
        if self.not_started is not None:
            cause = f"it could not be started: {self.not_started}"
        elif self.exit_code is None:
            cause = "it did not end"
        elif self.exit_code < 0:
            name = signal_name(-self.exit_code)
            cause = f"killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
            if name in _FROM_OUTSIDE:
                return cause  # whatever it printed before does not explain that
        else:
            cause = f"exit code {self.exit_code}"
        return f"{cause}: {self.last_line}" if self.last_line else cause


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class ChildProcess:
    """A spawned child. All callbacks come in the event loop that was running at `start`."""

    def __init__(
        self,
        order: ChildOrder,
        *,
        noun: str,
        entry: str,
        log_path: Path,
        on_message: Callable[[Any], None],
        on_death: Callable[[Death], None],
        linger_seconds: float = 60.0,
        start_method: Literal["spawn", "forkserver"] = "spawn",
    ) -> None:
        """`noun` is what a child of this kind is called; `linger_seconds` the time between a closed pipe and a kill."""
        self.order = order
        self._noun = noun
        self._entry = entry
        self._log_path = log_path
        self._log_offset = 0
        self._on_message = on_message
        self._on_death = on_death
        self._linger_seconds = linger_seconds
        self._start_method = start_method
        self._process: BaseProcess | None = None
        self._outbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._killed = False

    @property
    def pid(self) -> int | None:
        """Of the process, once started."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Spawn the process and the two threads that serve its pipe, in a thread of its own.

        Raises:
            Exception: whatever keeps it from starting; nothing of the try is left open.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await asyncio.to_thread(self._spawn)
        except Exception as error:
            # Descriptors of a half-started process are closed with its object, which these frames hold.
            traceback.clear_frames(error.__traceback__)
            raise

    def _spawn(self) -> None:
        self._log_offset = rotate(self._log_path)
        context: SpawnContext | ForkServerContext = multiprocessing.get_context("spawn")
        if self._start_method == "forkserver" and sys.platform != "win32":
            context = multiprocessing.get_context("forkserver")
        with contextlib.ExitStack() as undo:
            ours, theirs = context.Pipe(duplex=True)
            undo.callback(ours.close)
            with contextlib.closing(theirs):  # or the end of the pipe would never be seen
                process = context.Process(
                    target=enter,
                    args=(self._entry, self.order, theirs, self._log_path),
                    name=f"synapsed-{self._noun}-{self.order.subject}",
                    daemon=False,
                )
                with interrupts_held_back():
                    process.start()
            undo.callback(self._abandon, process)
            self._process = process
            self._serve("writer", self._write, ours)
            undo.callback(self._outbox.put, None)
            self._serve("reader", self._read, process, ours)
            undo.pop_all()
        if self._killed:
            self.kill()

    def _serve(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=target, args=arguments, name=f"{self._noun}-{name}", daemon=True).start()

    def _abandon(self, process: BaseProcess) -> None:
        self._process = None
        end(process)
        with contextlib.suppress(ValueError):  # it does not end
            process.close()

    def send(self, command: object) -> None:
        """Hand a command over; never waits, even when the child does not read."""
        self._outbox.put(command)

    def kill(self) -> None:
        """End the process at once, or as soon as it is there; its death is reported as any other."""
        self._killed = True
        process = self._process
        with contextlib.suppress(ValueError):  # closed already
            if process is not None and process.is_alive():
                process.kill()

    def _read(self, process: BaseProcess, connection: Connection) -> None:
        try:
            while True:
                ready = multiprocessing.connection.wait([connection, process.sentinel])
                if connection not in ready:
                    break  # dead, and nothing left to read
                self._post(self._on_message, connection.recv())
        except (EOFError, OSError):
            pass
        except Exception:  # its messages cannot be read: no good can come of it any more
            logger.exception(
                "the %s of %s sent something that is not a message", self._noun, self.order.subject
            )
            process.kill()
        for seconds in slices(self._linger_seconds):
            process.join(seconds)
            if not process.is_alive():
                break
        end(process)
        self._outbox.put(None)
        self._post(
            self._on_death,
            Death(exit_code=process.exitcode, last_line=last_line(self._log_path, self._log_offset)),
        )

    def _write(self, connection: Connection) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (command := self._outbox.get()) is not None:
                connection.send(command)
        if self._process is not None and not self._process.is_alive():
            with contextlib.suppress(OSError):
                connection.close()  # the reader is done with it: it is what sent the None

    def _post(self, callback: Callable[[Any], None], value: Any) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to notify
            self._loop.call_soon_threadsafe(callback, value)


def end(process: BaseProcess) -> None:
    """Kill a process that has not ended by itself."""
    if process.is_alive():
        process.kill()
        process.join(10.0)


def cause_of(error: Exception) -> str:
    """What kept a child from starting, in one line.

    >>> cause_of(OSError(28, "No space left on device", "/home/logs/trainer.log"))
    'No space left on device (/home/logs/trainer.log)'
    >>> cause_of(RuntimeError("can't start new thread"))
    "can't start new thread"
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f" ({error.filename})" if error.filename else "")
    return str(error) or type(error).__name__


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Ctrl+C, SIGTERM and a closed terminal reach the whole group; a child that still boots must not die of them."""
    if sys.platform == "win32":
        yield
        return
    multiprocessing.resource_tracker.ensure_running()  # its own start would let SIGINT and SIGTERM through again
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def rotate(log_path: Path) -> int:
    """Make room when the log is large; returns the size it starts from."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    cut(log_path, limit_bytes=LOG_LIMIT_BYTES, parts=1)  # in place: another child may write to it
    return log_path.stat().st_size if log_path.exists() else 0


def last_line(log_path: Path, offset: int) -> str:
    """The line written behind `offset` that explains most: a fatal error, the end of a traceback, else the last one."""
    try:
        with log_path.open("rb") as file:
            end = file.seek(0, 2)
            # Cut in the meantime, it holds nothing but this life's.
            file.seek(max(offset if offset <= end else 0, end - TAIL_BYTES))
            tail = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith("Fatal Python error")]
    return (fatal or _raised(tail) or lines)[-1][:300] if lines else ""


def _raised(tail: str) -> list[str]:
    """The line of the exception behind the last traceback: the first that is not indented."""
    _, begins, rest = tail.rpartition("Traceback (most recent call last):\n")
    if not begins:
        return []
    return next(([line.strip()] for line in rest.splitlines() if line.strip() and not line[0].isspace()), [])
