"""Run the benchmarks: `python -m benchmarks [NAME…] [--json] [--list] [--long]`.

A benchmark is a module of this folder with a docstring and `run(*, long: bool) -> list[Result]`; to add one,
add its file and declare its rows in `benchmarks/rows.py`: what a row may decide follows from that. Each runs in a
process of its own, so none warms, fills or crashes another.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.table import Table

from benchmarks.rows import PEER_BETTER, decided, is_peer_better
from brain.nearest_name import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FOLDER = Path(__file__).parent
Figures = list[dict[str, Any]]
VERDICTS = {True: "[green]yes[/green]", False: "[bold red]no[/bold red]", None: "–"}


def discover(folder: Path = FOLDER) -> dict[str, str]:
    """Benchmarks by name, with the first line of their docstrings; nothing is imported for it."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def choose(names: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """The benchmarks asked for; all when none is named.

    Raises:
        SystemExit: a name is not known (exit code 2, the nearest one is named).
    """
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}.", cutoff=0.4)
            sys.stderr.write(f"No benchmark is called {name!r}{hint} See all: python -m benchmarks --list\n")
            raise SystemExit(2)
    return list(dict.fromkeys(names)) or list(known)


def run_apart(name: str, *, long: bool) -> Figures | None:
    """Run one benchmark in a process of its own; None when it failed, with its error on stderr."""
    with tempfile.TemporaryDirectory(prefix="synapsed-benchmark-") as folder:
        target = Path(folder) / "results.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks",
            name,
            "--into",
            str(target),
            *(["--long"] if long else []),
        ]
        # Its own prints go to stderr: stdout is for results.
        done = subprocess.run(command, check=False, cwd=FOLDER.parent, stdout=sys.stderr)
        if done.returncode or not target.exists():
            sys.stderr.write(f"Benchmark {name} failed (exit code {done.returncode}).\n")
            return None
        figures: Figures = json.loads(target.read_text(encoding="utf-8"))
        return figures


def run_here(name: str, *, long: bool, target: Path) -> None:
    """Run one benchmark in this process and leave its results, as far as they decide anything, in a file."""
    results = importlib.import_module(f"benchmarks.{name}").run(long=long)
    target.write_text(json.dumps([decided(result.to_json()) for result in results]), encoding="utf-8")


def run_all(
    names: Sequence[str],
    *,
    long: bool,
    runner: Callable[..., Figures | None] = run_apart,
    show: Callable[[Figures], None],
) -> bool:
    """Run one after the other and show each as it ends; True when all ran and no target is missed."""
    good = True
    for name in names:
        figures = runner(name, long=long)
        show(figures or [])
        good = good and figures is not None and all(figure["holds"] is not False for figure in figures)
    return good


def print_json(figures: Figures, out: TextIO) -> None:
    """One JSON object a line."""
    out.writelines(json.dumps(figure, ensure_ascii=False) + "\n" for figure in figures)
    out.flush()


def table_of(figures: Figures) -> Table:
    """All results as one table."""
    table = Table(title="Benchmarks", caption=figures[0]["machine"] if figures else None)
    for heading, side in (
        ("benchmark", "left"), ("measures", "left"), ("ours", "right"), ("peers", "left"), ("ratio", "right"),
        ("target", "left"), ("holds", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify="right" if side == "right" else "left")
    for figure in figures:
        unit = figure["unit"]
        peers = "\n".join(f"{name} {_number(value)} {unit}" for name, value in figure["peers"].items())
        table.add_row(
            figure["name"],
            figure["measures"],
            f"{_number(figure['ours'])} {unit}",
            peers or "–",
            "–" if figure["ratio"] is None else f"× {figure['ratio']:.3g}",
            figure["target"],
            verdict_of(figure),
        )
    return table


def verdict_of(figure: Mapping[str, Any]) -> str:
    """Whether the target is reached, and whether a peer does better."""
    return VERDICTS[figure["holds"]] + f", {PEER_BETTER}" * is_peer_better(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all ran and none misses its target, 1 when one failed or does, 2 for an unknown name."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure synapsed beside its peers."
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="which to run; all when none is named")
    parser.add_argument("--json", action="store_true", help="one JSON object a result")
    parser.add_argument("--list", action="store_true", help="name them and what they measure")
    parser.add_argument("--long", action="store_true", help="full seeds and lengths")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    known = discover()
    names = choose(options.names, known)
    if options.into is not None:
        run_here(names[0], long=options.long, target=options.into)
        return 0
    if options.list:
        for name in names:
            entry = json.dumps({"name": name, "summary": known[name]}, ensure_ascii=False)
            sys.stdout.write((entry if options.json else f"{name:<24} {known[name]}") + "\n")
        return 0
    if options.json:
        return (
            0
            if run_all(names, long=options.long, show=lambda figures: print_json(figures, sys.stdout))
            else 1
        )
    gathered: Figures = []
    good = run_all(names, long=options.long, show=gathered.extend)
    Console().print(table_of(gathered))
    return 0 if good else 1


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    raise SystemExit(main())
