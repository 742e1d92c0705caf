"""A part of the trainer sees only what it needs: the whole is known where it is put together, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "daemon" / "trainer"
KNOW_ALL = {
    "parts": {"assembly", "session", "composition"},
    "contents": {"assembly", "parts", "composition"},
    "composition": {"assembly"},
    "assembly": {"session"},
    "loop": {"parts", "composition"},
}


@pytest.mark.parametrize("module", KNOW_ALL)
def test_only_these_know_the_whole(module: str) -> None:
    imports = re.compile(rf"^\s*(?:from|import) daemon\.trainer\.{module}\b", re.MULTILINE)
    knowing = {path.stem for path in ROOM.rglob("*.py") if imports.search(path.read_text(encoding="utf-8"))}
    assert knowing == KNOW_ALL[module]
