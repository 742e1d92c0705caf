"""What compressors make of a text, read whole and in order: the marks beside every prequential BPC.

Of PPMd the pip package pyppmd, of zpaq the program (`apt install zpaq`). What is not installed is left out, with
the reason. Each runs in a process of its own.
"""

from __future__ import annotations

import importlib.util
import lzma
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.own_process import call_in_own_process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PPMD_ORDER, PPMD_BYTES = 12, 256 << 20
ZPAQ_METHOD = 5  # the strongest


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


def _ppmd(text: bytes) -> int:
    import pyppmd  # noqa: PLC0415 - of the extra `dev`

    return len(pyppmd.compress(text, max_order=PPMD_ORDER, mem_size=PPMD_BYTES))


def _zpaq(text: bytes) -> int:
    with tempfile.TemporaryDirectory(prefix="synapsed-zpaq-") as folder:
        source, archive = Path(folder) / "text", Path(folder) / "text.zpaq"
        source.write_bytes(text)
        command = ["zpaq", "add", str(archive), source.name, "-method", str(ZPAQ_METHOD), "-threads", "1"]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        return archive.stat().st_size


def _nothing() -> str:
    return ""


def _no_ppmd() -> str:
    return "" if importlib.util.find_spec("pyppmd") else "pip install pyppmd"


def _no_zpaq() -> str:
    return "" if shutil.which("zpaq") else "no program zpaq on the PATH; on Debian: apt install zpaq"


COMPRESSORS: Mapping[str, tuple[Callable[[bytes], int], Callable[[], str]]] = {
    "xz -9e": (_xz, _nothing),
    f"PPMd order {PPMD_ORDER}": (_ppmd, _no_ppmd),
    f"zpaq -m{ZPAQ_METHOD}": (_zpaq, _no_zpaq),
}
"""How each finds the size of a text, and what it lacks here."""
