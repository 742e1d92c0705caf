"""What compressors that knew nothing before make of a text: marks beside a loss."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PPMD_ORDER, PPMD_BYTES = 12, 256 << 20
ZPAQ_METHOD = 5  # the strongest


def compressed_bpc(text: bytes) -> dict[str, float]:
    """Bits per byte by each compressor that is installed: the package `pyppmd`, the program `zpaq`."""
    found: dict[str, float] = {}
    for name, (size_of, missing) in COMPRESSORS.items():
        if not missing():
            with contextlib.suppress(subprocess.CalledProcessError):
                found[name] = 8 * size_of(text) / len(text)
    return found


def _ppmd(text: bytes) -> int:
    import pyppmd  # noqa: PLC0415 - it may not be installed

    return len(pyppmd.compress(text, max_order=PPMD_ORDER, mem_size=PPMD_BYTES))


def _zpaq(text: bytes) -> int:
    with tempfile.TemporaryDirectory(prefix="synapsed-zpaq-") as folder:
        archive = Path(folder) / "text.zpaq"
        (Path(folder) / "text").write_bytes(text)
        program = shutil.which("zpaq") or "zpaq"
        words = [program, "add", str(archive), "text", "-method", str(ZPAQ_METHOD), "-threads", "1"]
        subprocess.run(words, check=True, cwd=folder, capture_output=True)  # noqa: S603 - ours, on a copy
        return archive.stat().st_size


def _no_ppmd() -> str:
    return "" if importlib.util.find_spec("pyppmd") else "pip install pyppmd"


def _no_zpaq() -> str:
    return "" if shutil.which("zpaq") else "no program zpaq on the PATH; on Debian: apt install zpaq"


COMPRESSORS: Mapping[str, tuple[Callable[[bytes], int], Callable[[], str]]] = {
    f"PPMd order {PPMD_ORDER}": (_ppmd, _no_ppmd),
    f"zpaq -m{ZPAQ_METHOD}": (_zpaq, _no_zpaq),
}
"""How each finds the size of a text, and what it lacks here; empty: nothing."""
