"""The loops of `kernel`, compiled in the background where Numba is installed, and kept for the next start.

Compiling takes some seconds and begins when a brain is built; whoever needs the loops first waits for what is left of
it, for as they stand they are a hundred times slower. So they run where there is no Numba, with the same numbers.
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from brain.jit import compile_all
from brain.memory.hippocampus import bit_prediction, kernel, prefix
from brain.memory.hippocampus import context_tables as tables

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
PATIENT_SECONDS = 3.0  # what taking them from the cache takes at most
SOURCES = (kernel, prefix, bit_prediction, tables)  # what is compiled


class Loops:
    """`read_rows` and `spread`, as they can be run now."""

    def __init__(self) -> None:
        self.read_rows: Callable[..., None] = kernel.read_rows
        self.spread: Callable[..., None] = kernel.spread
        self.ready = threading.Event()

    def wait(self) -> Loops:
        """Themselves, once they are compiled or cannot be; after a minute as they stand."""
        if not self.ready.wait(PATIENT_SECONDS):
            logger.warning(
                "compiling the loops of the exact memory, once on this machine; learning waits for it"
            )
            self.ready.wait(WAIT_SECONDS)
        return self

    @property
    def compiled(self) -> bool:
        """Whether they run compiled."""
        return self.read_rows is not kernel.read_rows

    def compile(self) -> None:
        """Compile both, or take them from the cache; without Numba they stay as they are."""
        try:
            self.read_rows, self.spread = _compile(kept=True)
        except ImportError:
            logger.warning("Numba is not installed: the hippocampus learns slowly (pip install numba)")
        except Exception:  # noqa: BLE001 - whatever stands in the cache
            self._compile_anew()
        finally:
            self.ready.set()

    def _compile_anew(self) -> None:
        try:
            self.read_rows, self.spread = _compile(kept=False)
        except Exception as error:  # noqa: BLE001 - it works without, too
            logger.warning("the hippocampus learns slowly: Numba cannot compile it here (%s)", error)


@cache
def loops() -> Loops:
    """Those of this process; the first call begins to compile them."""
    made = Loops()
    threading.Thread(target=made.compile, name="compile-hippocampus", daemon=True).start()
    return made


def _compile(*, kept: bool) -> tuple[Callable[..., None], Callable[..., None]]:
    read_rows, spread = compile_all(kernel.read_rows, kernel.spread, sources=SOURCES, kept=kept)
    _run_once(read_rows, spread)
    return read_rows, spread


def _run_once(read_rows: Callable[..., None], spread: Callable[..., None]) -> None:
    """So that they are compiled for these types."""
    small: Any = tables.empty_tables(lanes=1, buckets=16, past=16, heads=16)
    lanes, fixed, scratch = tables.fresh_lanes(small.past), tables.constants(), tables.new_scratch()
    one = np.ones(1, np.int64)
    read_rows(
        small,
        lanes,
        fixed,
        scratch,
        tables.Rates(),
        np.zeros((1, 1), np.uint8),
        one,
        one * 0,
        one > 1,
        np.full((1, 1, 8), 0.5, np.float32),
        True,
        np.zeros((1, 1)),
        np.zeros((1, 1)),
    )
    spread(small, lanes, fixed, scratch, 0, np.full(256, 0.5), np.zeros(256))
