"""Call a function in a process of its own: what it gives back, its CPU seconds and its peak memory."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CallResult(Generic[T]):
    """What a function came to.

    Attributes:
        value: it gave back.
        cpu_seconds: of all its threads, and of the processes it started.
        peak_bytes: the most memory that was resident at once, of the process or of the largest it started.
    """

    value: T
    cpu_seconds: float
    peak_bytes: int


def call_in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> CallResult[T]:
    """Call a function that can be pickled, in a new interpreter.

    Raises:
        RuntimeError: it raised, or its process died; with what is known of it.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, function, args, kwargs), daemon=True)
    process.start()
    theirs.close()
    try:
        done, error = ours.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process of {function.__name__} died: {process.exitcode}") from None
    finally:
        ours.close()
    process.join()
    if error is not None:
        raise RuntimeError(f"{function.__name__} failed in its own process:\n{error}")
    found: CallResult[T] = done
    return found


def cpu_seconds() -> float:
    """Spent so far by this process, its threads, and the processes it waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def peak_bytes() -> int:
    """Most resident memory so far, of this process or of the largest that it waited for."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource  # noqa: PLC0415 - not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    status = Path("/proc/self/status")
    if status.exists():  # since on Linux a process inherits the maximum of the one that started it
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if "VmHWM" in line)
        return max(int(line.split()[1]) * 1024, children)
    return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, children)


def _serve(pipe: Connection, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    began = cpu_seconds()
    try:
        value = function(*args, **kwargs)
        pipe.send((CallResult(value=value, cpu_seconds=cpu_seconds() - began, peak_bytes=peak_bytes()), None))
    except BaseException:  # noqa: BLE001 - whatever it is, it belongs to whoever called
        pipe.send((None, traceback.format_exc()))
