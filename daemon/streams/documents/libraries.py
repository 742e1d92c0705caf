"""The libraries that take text out of documents: those of the extra `documents`."""

from __future__ import annotations

import importlib.util

NEEDED = ("pypdfium2", "lxml")
INSTALL = "pip install 'synapsed[documents]'"


def missing_libraries() -> list[str]:
    """Those that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]
