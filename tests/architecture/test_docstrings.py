"""Docstrings as they were meant: no entry of a list swallowed by the one before it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^ *(Args|Attributes):$", re.MULTILINE)
SWALLOWED = re.compile(r"\. ([a-z_]+): [a-z]")


def entries() -> Iterator[tuple[str, str]]:
    """File and text of every list of arguments or attributes."""
    for room in ("brain", "daemon", "benchmarks", "dashboard"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    doc = ast.get_docstring(node) or ""
                    for section in SECTION.finditer(doc):
                        yield str(path.relative_to(ROOT)), doc[section.end() :].partition("\n\n")[0]


def test_no_entry_of_a_list_stands_within_another() -> None:
    found = [
        (path, match[1])
        for path, text in entries()
        for match in SWALLOWED.finditer(" ".join(text.split()))
        if not re.search(rf"^ *{match[1]}: ", text, re.MULTILINE)
    ]
    assert found == []
