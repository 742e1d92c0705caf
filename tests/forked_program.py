"""A program as a process that finds its modules loaded: forked, where starting an interpreter takes a second."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from tests.fork_server import HERE, fork_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def start_program(
    entry: str, arguments: Sequence[str], *, spawning: bool = False, **settings: Any
) -> subprocess.Popen[Any] | ForkedProgram:
    """Start a program, in a session of its own; both its outputs are read by us unless `settings` direct them.

    Args:
        entry: `module:function`, of a module that can also be started with `python -m`.
        arguments: of its command line.
        spawning: in a new interpreter, as a shell does it.
        settings: of `ForkedProgram`, or of `subprocess.Popen`.
    """
    if HERE and not spawning:
        return ForkedProgram(entry, arguments, **settings)
    line = [sys.executable, "-m", entry.partition(":")[0], *arguments]
    outputs = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, start_new_session=True, **{**outputs, **settings})


class ForkedProgram:
    """`entry` (`module:function`) with its arguments, in a session of its own; used like a `subprocess.Popen`.

    Whatever it starts itself is started as always. What an interpreter does before a program begins (encodings,
    descriptors that are closed) is not tried by this.
    """

    def __init__(
        self,
        entry: str,
        arguments: Sequence[str],
        *,
        stdout: int | IO[Any] = subprocess.PIPE,
        stderr: int | IO[Any] = subprocess.PIPE,
        env: Mapping[str, str] = os.environ,
        text: bool = False,
    ) -> None:
        """`stdout` and `stderr`: a constant of `subprocess`, a descriptor or a file."""
        mode = "r" if text else "rb"
        with Path(os.devnull).open("wb") as devnull:
            self.stdout, out = _ends(stdout, {subprocess.DEVNULL: devnull.fileno()}, mode)
            self.stderr, err = _ends(
                stderr, {subprocess.DEVNULL: devnull.fileno(), subprocess.STDOUT: out}, mode
            )
            self._process = fork_server().Process(
                target=_begin,
                args=(entry, list(arguments), dict(env), _Descriptor(out), _Descriptor(err)),
            )
            self._process.start()
        for stream, end in ((self.stdout, out), (self.stderr, err)):
            if stream is not None:
                os.close(end)
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """Its exit code; negative is a signal's number, None: it lives."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; `subprocess.TimeoutExpired` if that takes longer."""
        self._process.join(timeout)
        if (code := self.returncode) is None:
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0.0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """All it prints to the end, once it has ended."""
        with ThreadPoolExecutor(2) as readers:
            outputs = [
                None if stream is None else readers.submit(stream.read)
                for stream in (self.stdout, self.stderr)
            ]
            self.wait(timeout)
            out, err = (None if output is None else output.result(timeout) for output in outputs)
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        return out, err

    def send_signal(self, number: int) -> None:
        """Nothing if it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # its end is not reported yet
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it the hard way."""
        self.send_signal(signal.SIGKILL)


def _ends(wanted: int | IO[Any], constants: Mapping[int, int], mode: str) -> tuple[IO[Any] | None, int]:
    """Our end of a pipe, if one is wanted, and the descriptor that the program gets."""
    if wanted == subprocess.PIPE:
        ours, theirs = os.pipe()
        return os.fdopen(ours, mode), theirs
    number = wanted if isinstance(wanted, int) else wanted.fileno()
    return None, constants.get(number, number)


@dataclass(frozen=True)
class _Descriptor:
    """An open file of ours that a process gets as its own."""

    number: int

    def __reduce__(self) -> tuple[Callable[[Any], _Descriptor], tuple[Any]]:
        return _received, (DupFd(self.number),)


def _received(sent: Any) -> _Descriptor:
    return _Descriptor(sent.detach())


def _writer(number: int, *, errors: str = "strict") -> TextIO:
    return os.fdopen(number, "w", encoding="utf-8", errors=errors, closefd=False)


def _begin(
    entry: str, arguments: list[str], environment: dict[str, str], out: _Descriptor, err: _Descriptor
) -> None:
    """In the new process: become what a shell would have started."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(out.number, 1)
    os.dup2(err.number, 2)
    for end in {out.number, err.number}:
        os.close(end)
    sys.stdout, sys.stderr = _writer(1), _writer(2, errors="backslashreplace")
    vars(sys).update(__stdout__=sys.stdout, __stderr__=sys.stderr)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    module, _, function = entry.partition(":")
    sys.argv = [module, *arguments]
    sys.exit(getattr(importlib.import_module(module), function)())
