"""What compressors make of a text, read whole and in order: the marks beside every prequential BPC.

Of PPMd the pip package pyppmd, of zpaq the program (`apt install zpaq`). What is not installed is left out, with
the reason.
"""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PPMD_ORDER, PPMD_BYTES = 12, 256 << 20
ZPAQ_METHOD = 5  # the strongest


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """Bits per byte of the text, and CPU seconds of all threads and processes."""

    bpc: float
    cpu_seconds: float


class NotInstalledError(Exception):
    """A compressor is not here; the message says how to get it."""


def compress(text: bytes) -> tuple[dict[str, Compressed], dict[str, str]]:
    """The text by every compressor that is installed, and why one was left out."""
    found: dict[str, Compressed] = {}
    skipped: dict[str, str] = {}
    for name, size_of in COMPRESSORS.items():
        began = _cpu_seconds()
        try:
            num_bytes = size_of(text)
        except NotInstalledError as error:
            skipped[name] = str(error)
        else:
            found[name] = Compressed(bpc=8 * num_bytes / len(text), cpu_seconds=_cpu_seconds() - began)
    return found, skipped


def _xz(text: bytes) -> int:
    return len(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


def _ppmd(text: bytes) -> int:
    try:
        import pyppmd  # noqa: PLC0415 - of the extra `dev`
    except ImportError:
        raise NotInstalledError("pip install pyppmd") from None
    return len(pyppmd.compress(text, max_order=PPMD_ORDER, mem_size=PPMD_BYTES))


def _zpaq(text: bytes) -> int:
    program = shutil.which("zpaq")
    if program is None:
        raise NotInstalledError("no program zpaq on the PATH; on Debian: apt install zpaq")
    with tempfile.TemporaryDirectory(prefix="synapsed-zpaq-") as folder:
        source, archive = Path(folder) / "text", Path(folder) / "text.zpaq"
        source.write_bytes(text)
        command = [program, "add", str(archive), source.name, "-method", str(ZPAQ_METHOD), "-threads", "1"]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        return archive.stat().st_size


COMPRESSORS: Mapping[str, Callable[[bytes], int]] = {
    "xz -9e": _xz,
    f"PPMd order {PPMD_ORDER}": _ppmd,
    f"zpaq -m{ZPAQ_METHOD}": _zpaq,
}


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
