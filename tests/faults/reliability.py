"""The page on what happens when things go wrong, generated from the fault tests and their outcomes."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "reliability.md"

HEAD = """# Reliability

What can go wrong, how each kind is tried, and what happens then. The tests in `tests/faults` wrote this page:
`pytest tests/faults --write-reliability`. A row is here because its test ran; one that did not hold is marked.
"""

FROM_BEST = ("passed", "skipped", "failed")


@dataclass(frozen=True, order=True)
class Row:
    """One way in which one kind of fault is tried."""

    file: str
    kind: str
    tried: str
    happens: str
    outcome: str = "passed"


def page(rows: Iterable[Row]) -> str:
    """The page of these rows, kinds in the order of the alphabet; repeated rows are one, the worst of them."""
    worst: dict[tuple[str, str, str, str], str] = {}
    for row in rows:
        key = (row.kind, row.tried, row.happens, row.file)
        worst[key] = max(worst.get(key, "passed"), row.outcome, key=FROM_BEST.index)
    lines = [HEAD]
    kind_before = None
    for (kind, tried, happens, file), outcome in sorted(worst.items()):
        if kind != kind_before:
            lines += ["", f"## {kind}", "", "| tried | what happens | test |", "|---|---|---|"]
            kind_before = kind
        held = {"passed": "", "skipped": " (not tried on this machine)"}.get(outcome, " **did not hold**")
        lines.append(f"| {tried} | {happens}{held} | `{file}` |")
    return "\n".join(lines) + "\n"


def declared() -> set[Row]:
    """Every row that the tests declare, read without running them."""
    found = set()
    for path in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                words = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
                kind = ast.literal_eval(node.args[0])
                found.add(Row(path.name, kind, words["tried"], words["happens"]))
    return found
