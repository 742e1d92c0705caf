"""What compressors make of a text, read whole and in order: the marks beside every prequential BPC.

Of PPMd the pip package pyppmd, of zpaq the program (`apt install zpaq`). What is not installed is left out, with
the reason. Each runs in a process of its own.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.own_process import call_in_own_process
from daemon.trainer.offline import text_compressors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """Bits per byte of the text, CPU seconds of all threads and processes, and the most memory it took."""

    bpc: float
    cpu_seconds: float
    peak_bytes: int


def compress(text: bytes) -> tuple[dict[str, Compressed], dict[str, str]]:
    """The text by every compressor that is installed, and why one was left out."""
    found: dict[str, Compressed] = {}
    skipped: dict[str, str] = {}
    for name, (size_of, missing) in COMPRESSORS.items():
        if reason := missing():
            skipped[name] = reason
        else:
            size = call_in_own_process(size_of, text)
            found[name] = Compressed(
                bpc=8 * size.value / len(text), cpu_seconds=size.cpu_seconds, peak_bytes=size.peak_bytes
            )
    return found, skipped


def _xz(text: bytes) -> int:
    return len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


def _nothing() -> str:
    return ""


COMPRESSORS: Mapping[str, tuple[Callable[[bytes], int], Callable[[], str]]] = {
    "xz -9e": (_xz, _nothing),
    **text_compressors.COMPRESSORS,
}
"""How each finds the size of a text, and what it lacks here."""
