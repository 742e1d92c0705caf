"""What compressors that knew nothing before make of a text: marks beside a loss; who is not installed is left out."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
from pathlib import Path

PPMD_ORDER, PPMD_BYTES = 12, 256 << 20
ZPAQ_METHOD = 5  # the strongest


def compressed_bpc(text: bytes) -> dict[str, float]:
    """Bits per byte by each compressor that is installed: the package `pyppmd`, the program `zpaq`."""
    sizes = {f"PPMd order {PPMD_ORDER}": _ppmd(text), f"zpaq -m{ZPAQ_METHOD}": _zpaq(text)}
    return {name: 8 * size / len(text) for name, size in sizes.items() if size is not None}


def _ppmd(text: bytes) -> int | None:
    try:
        pyppmd = importlib.import_module("pyppmd")
    except ImportError:
        return None
    return len(pyppmd.compress(text, max_order=PPMD_ORDER, mem_size=PPMD_BYTES))


def _zpaq(text: bytes) -> int | None:
    program = shutil.which("zpaq")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="synapsed-zpaq-") as folder:
        archive = Path(folder) / "text.zpaq"
        (Path(folder) / "text").write_bytes(text)
        words = [program, "add", str(archive), "text", "-method", str(ZPAQ_METHOD), "-threads", "1"]
        ended = subprocess.run(words, check=False, cwd=folder, capture_output=True)  # noqa: S603 - ours, on a copy
        return archive.stat().st_size if ended.returncode == 0 else None
