"""Draw a results page: `python -m benchmarks.report RESULTS.jsonl… [--into docs/results]`.

Each file holds what `python -m benchmarks … --json` printed. Every figure is drawn beside its peers and its
target; where a benchmark follows something over time (`details["curves"]`), the curves are drawn instead.
Needs matplotlib: `pip install -e .[bench]`.
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

INTO = Path(__file__).parents[1] / "docs" / "results"
OURS, PEER, TARGET, INK = "#2563eb", "#a3a3a3", "#dc2626", "#404040"
Figure = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Read results, newest last; write `README.md` and one drawing a benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="RESULTS.jsonl")
    parser.add_argument("--into", type=Path, default=INTO)
    chosen = parser.parse_args(arguments)
    figures = read(chosen.files)
    chosen.into.mkdir(parents=True, exist_ok=True)
    sections = []
    for benchmark, group in groupby(sorted(figures.values(), key=benchmark_of), key=benchmark_of):
        of_benchmark = list(group)
        draw(of_benchmark, chosen.into / f"{benchmark}.svg")
        sections.append(section(benchmark, of_benchmark))
    page = "# Results\n\nWritten by `python -m benchmarks.report`; each figure with the command that gives it again.\n"
    machines = sorted({str(figure["machine"]) for figure in figures.values()})
    page += "\n" + "\n".join(f"Machine: {machine}." for machine in machines) + "\n"
    (chosen.into / "README.md").write_text(page + "".join(sections), encoding="utf-8")


def read(files: Sequence[Path]) -> dict[str, Figure]:
    """Figures by name; a later one of the same name takes the place of an earlier.

    >>> read([])
    {}
    """
    figures: dict[str, Figure] = {}
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("{"):
                figure = json.loads(line)
                figures[figure["name"]] = figure
    return figures


def benchmark_of(figure: Figure) -> str:
    """The benchmark a figure belongs to.

    >>> benchmark_of({"name": "startup.help"})
    'startup'
    """
    return str(figure["name"]).partition(".")[0]


def section(benchmark: str, figures: Sequence[Figure]) -> str:
    """A benchmark's part of the page."""
    rows = [
        f"| {figure['measures']} | **{short(figure['ours'])}** {figure['unit']} | {beside(figure)} "
        f"| {figure['target']} | {'yes' if figure['holds'] else 'no'} |"
        for figure in figures
    ]
    head = ["| measured | ours | beside | target | holds |", "|---|---|---|---|---|"]
    parts = [
        f"\n## {benchmark}\n",
        f"`{figures[0]['command']}`\n",
        f"![{benchmark}]({benchmark}.svg)\n",
        *head,
        *rows,
    ]
    return "\n".join(parts) + "\n"


def beside(figure: Figure) -> str:
    """Peers in a line."""
    return "; ".join(f"{name} {short(value)}" for name, value in figure["peers"].items()) or "–"


def short(value: float | None) -> str:
    """Four digits that count.

    >>> short(96.43484), short(1e-7), short(150000.0), short(None)
    ('96.43', '1e-07', '150,000', '–')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def draw(figures: Sequence[Figure], path: Path) -> None:
    """One drawing of a benchmark: a row for each of its figures."""
    import matplotlib as mpl  # noqa: PLC0415 - the page's words need it not
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    # Text stays text, and the same results give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "synapsed"})
    heights = [3.0 if curves_of(figure) else 0.7 + 0.28 * (1 + len(figure["peers"])) for figure in figures]
    canvas = Canvas(figsize=(8.0, sum(heights)), layout="constrained")
    axes = canvas.subplots(len(figures), 1, squeeze=False, height_ratios=heights)[:, 0]
    for one, figure in zip(axes, figures, strict=True):
        (draw_curves if curves_of(figure) else draw_bars)(one, figure)
        one.set_title(f"{figure['measures']} ({figure['unit']})", fontsize=9, color=INK, loc="left")
        one.tick_params(labelsize=8, colors=INK)
        one.spines[["top", "right"]].set_visible(False)
    canvas.savefig(path, metadata={"Date": None})


def curves_of(figure: Figure) -> dict[str, list[float]]:
    """What the figure followed over time, by learner."""
    found: dict[str, list[float]] = figure["details"].get("curves", {})
    return found


def draw_bars(axes: Axes, figure: Figure) -> None:
    """Ours above its peers, and the target as a line where it is one of the figure itself."""
    known = [("ours", figure["ours"]), *figure["peers"].items()]
    names, values = zip(*((name, value) for name, value in known if value is not None), strict=True)
    bars = axes.barh(names, values, color=[OURS if name == "ours" else PEER for name in names])
    axes.bar_label(bars, labels=[short(value) for value in values], fontsize=8, padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    if (bound := bound_of(figure)) is not None:
        axes.axvline(bound, color=TARGET, linestyle="--", linewidth=1)


def draw_curves(axes: Axes, figure: Figure) -> None:
    """Every learner over time."""
    for name, values in curves_of(figure).items():
        first = (0.5 + place for place in range(len(values)))
        share = [100.0 * place / len(values) for place in first]
        axes.plot(
            share,
            values,
            label=name,
            linewidth=2.0 if name == "ours" else 1.0,
            color=OURS if name == "ours" else None,
        )
    axes.set_xlabel("% of the stream", fontsize=8, color=INK)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    if (bound := bound_of(figure)) is not None:
        axes.axhline(bound, color=TARGET, linestyle="--", linewidth=1)


def bound_of(figure: Figure) -> float | None:
    """The target as a number; None where it is set on the ratio.

    >>> bound_of({"target": "≥ 94.5 %"}), bound_of({"target": "≥ 0.97 × best peer"})
    (94.5, None)
    """
    target = str(figure["target"])
    return None if target.endswith("best peer") else float(target.split()[1])


if __name__ == "__main__":
    main()
