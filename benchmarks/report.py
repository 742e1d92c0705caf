"""Draw the results page: `python -m benchmarks.report [RESULTS.jsonl…] [--into docs/results]`.

Each file holds what `python -m benchmarks … --json` printed. The page keeps its figures in `figures.jsonl`, so one
benchmark can be measured again without the others; its new figures replace all its old ones. The report fails, and
writes nothing, while a benchmark has no figure at all. A missed target is marked in its table, in its drawing and
at the top of the page; a figure that reaches a target but can decide nothing carries none (`benchmarks/rows.py`).
Where a peer does better than ours the row is marked so. Rows and peers that a benchmark declares and its stored figures
lack are named.

Every figure is drawn beside its peers and its target; where a benchmark follows something over time
(`details["curves"]`), the curves are drawn instead. Needs matplotlib: `pip install -e .[bench]`.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.__main__ import discover
from benchmarks.rows import (
    DECIDES_NOTHING,
    PEER_BETTER,
    decided,
    is_known,
    is_peer_better,
    missing_arms,
    missing_rows,
    why_undecided,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from matplotlib.axes import Axes

INTO = Path(__file__).parents[1] / "docs" / "results"
STORED = "figures.jsonl"
OURS, PEER, TARGET, INK = "#2563eb", "#a3a3a3", "#dc2626", "#404040"
Figure = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and one drawing a benchmark; exit code 1, and nothing written, while a figure is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="RESULTS.jsonl", help="newest last")
    parser.add_argument("--into", type=Path, default=INTO)
    chosen = parser.parse_args(arguments)
    known = discover()
    figures = [
        decided(figure)
        for figure in read([chosen.into / STORED, *chosen.files])
        if benchmark_of(figure) in known
    ]
    if missing := without_figure(known, figures):
        sys.stderr.write(
            f"No figure for {', '.join(missing)}, so no page was written. Measure first: "
            f"python -m benchmarks {' '.join(missing)} --json > results.jsonl, then give that file to the report.\n"
        )
        return 1
    write(figures, chosen.into)
    return 0


def write(figures: Sequence[Figure], into: Path) -> None:
    """Page, drawings and the figures themselves."""
    into.mkdir(parents=True, exist_ok=True)
    sections = []
    for benchmark, group in groupby(figures, key=benchmark_of):
        of_benchmark = list(group)
        draw(of_benchmark, into / f"{benchmark}.svg")
        sections.append(section(benchmark, of_benchmark))
    (into / "README.md").write_text(head(figures) + "".join(sections), encoding="utf-8")
    lines = (json.dumps(figure, ensure_ascii=False) + "\n" for figure in figures)
    (into / STORED).write_text("".join(lines), encoding="utf-8")


def read(files: Sequence[Path]) -> list[Figure]:
    """Figures by benchmark; a benchmark's figures in a later file replace all its earlier ones.

    Within a file the later of two figures of one name counts.

    >>> read([])
    []
    """
    benchmarks: dict[str, list[Figure]] = {}
    for path in files:
        named: dict[str, Figure] = {}
        if path.exists() or path.name != STORED:
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith("{"):
                    figure = json.loads(line)
                    named[figure["name"]] = figure
        in_file = sorted(named.values(), key=benchmark_of)
        benchmarks |= {benchmark: list(group) for benchmark, group in groupby(in_file, key=benchmark_of)}
    return [figure for _, group in sorted(benchmarks.items()) for figure in group]


def without_figure(known: Collection[str], figures: Sequence[Figure]) -> list[str]:
    """Benchmarks that have no figure.

    >>> without_figure(["learning", "startup"], [{"name": "startup.help"}])
    ['learning']
    """
    measured = {benchmark_of(figure) for figure in figures}
    return [name for name in known if name not in measured]


def head(figures: Sequence[Figure]) -> str:
    """Title, machine, and every missed target."""
    lines = [
        "# Results",
        "",
        "Written by `python -m benchmarks.report`; each figure with the command that measures it.",
        "",
        "Measured on:",
        "",
        *(f"- {machine}" for machine in sorted({str(figure["machine"]) for figure in figures})),
    ]
    missed = [figure for figure in figures if figure["holds"] is False]
    if without := [figure for figure in figures if figure["holds"] is None]:
        found = f"{len(without)} of {len(figures)} rows decide nothing, though they lie on the better side of a target"
        why = "their short form is too short, they rest on one or two seeds, or a peer has not been measured yet"
        lines += ["", f"{found}: {why}. A miss is always shown."]
    if close := [figure for figure in figures if is_within_spread(figure)]:
        found = f"{len(close)} of {len(figures)} verdicts lie within the spread of what was measured"
        lines += ["", f"{found}: measured again, they may turn out otherwise."]
    if behind := [figure for figure in figures if figure["holds"] and is_peer_better(figure)]:
        found = (
            f"{len(behind)} of {len(figures)} rows reach their target though a peer or a bound does better"
        )
        lines += [
            "",
            f"{found}: they are marked “{PEER_BETTER}”. × is ours over the best of those beside it.",
        ]
    if missed:
        lines += ["", f"Missed: {len(missed)} of {len(figures)} targets.", ""]
        lines += [
            f"- [{benchmark_of(figure)}](#{benchmark_of(figure)}), {figure['measures']}: "
            f"{measured(figure)}, target {figure['target']}"
            for figure in missed
        ]
    return "\n".join(lines) + "\n"


def benchmark_of(figure: Figure) -> str:
    """The benchmark a figure belongs to.

    >>> benchmark_of({"name": "startup.help"})
    'startup'
    """
    return str(figure["name"]).partition(".")[0]


def section(benchmark: str, figures: Sequence[Figure]) -> str:
    """A benchmark's part of the page."""
    command = figures[0]["command"]
    rows = [
        f"| {what(figure, command)} | {measured(figure)} | {beside(figure)} | {figure['target']} | {reached(figure)} |"
        for figure in figures
    ]
    columns = ["| measured | ours | beside | target | reached |", "|---|---|---|---|---|"]
    parts = [
        f"\n## {benchmark}\n",
        f"`{command}`\n",
        f"![{benchmark}]({benchmark}.svg)\n",
        *columns,
        *rows,
        *notes(figures),
    ]
    return "\n".join(parts) + "\n"


def what(figure: Figure, command: str) -> str:
    """What was measured, and how, where that is not the command of the section."""
    return str(figure["measures"]) + ("" if figure["command"] == command else f" (`{figure['command']}`)")


def measured(figure: Figure) -> str:
    """Our figure with its unit, and its ratio to the best peer where it is not that ratio itself."""
    ratio, spread = figure["ratio"], spread_of(figure)
    on_ratio = ""
    if ratio is not None and ratio != figure["ours"]:
        on_ratio = f" (× {short(ratio)}{plus_minus(spread.get('ratio'))})"
    return f"**{short(figure['ours'])}**{plus_minus(spread.get('ours'))} {figure['unit']}{on_ratio}"


def reached(figure: Figure) -> str:
    """Whether the target is, whether a peer does better, and what keeps the figure from deciding it."""
    if figure["holds"] is None:
        return "–"
    verdict = "yes" if figure["holds"] else "**missed**"
    reason = why_undecided(figure)
    close, behind = is_within_spread(figure), is_peer_better(figure)
    return ", ".join(
        [verdict, *["within the spread"] * close, *[PEER_BETTER] * behind, *[reason] * bool(reason)]
    )


def is_within_spread(figure: Figure) -> bool:
    """The figure lies no further from its target than it may from itself, measured again.

    >>> figure = {"ours": 92.6, "ratio": 1.001, "target": "≥ 1 × best peer", "peers": {"a": 92.5, "b": 50.0}}
    >>> is_within_spread(figure | {"details": {"spread": {"ours": 1.4, "peers": {"a": 1.8}}}})
    True
    >>> is_within_spread(figure | {"details": {"spread": {"ratio": 0.0001}}})
    False
    """
    spread, ours, bound = spread_of(figure), figure["ours"], bound_of(figure)
    if not spread or ours is None or figure["target"].endswith(DECIDES_NOTHING):
        return False
    if bound is not None:
        return bool(abs(ours - bound) <= (spread.get("ours") or 0.0))
    bound = float(figure["target"].split()[1])
    if (of_ratio := spread.get("ratio")) is not None:
        return bool(abs(figure["ratio"] - bound) <= of_ratio)
    peers = {name: value for name, value in figure["peers"].items() if value is not None}
    best = (max if figure["target"].startswith("≥") else min)(peers, key=lambda name: peers[name])
    widest = max(spread.get("ours") or 0.0, spread.get("peers", {}).get(best) or 0.0)
    return bool(abs(ours - bound * peers[best]) <= widest)


def spread_of(figure: Figure) -> Mapping[str, Any]:
    """How far its values may lie from themselves, measured again (`benchmarks.result.Spread`)."""
    found: Mapping[str, Any] = figure["details"].get("spread", {})
    return found


def plus_minus(value: float | None) -> str:
    """A spread, behind what it belongs to."""
    return "" if value is None else f" ± {value:.2g}"


def notes(figures: Sequence[Figure]) -> list[str]:
    """What a reader must know besides: details["note"], and peers that were left out, with the reason."""
    spreads = dict.fromkeys(spread["what"] for figure in figures if is_known(spread := spread_of(figure)))
    found = [f"± is {what}." for what in spreads]
    found += dict.fromkeys(figure["details"]["note"] for figure in figures if "note" in figure["details"])
    skipped: Mapping[str, str] = {}
    for figure in figures:
        skipped = {**skipped, **figure["details"].get("skipped", {})}
    found += [f"Left out: {peer} ({reason})." for peer, reason in skipped.items()]
    found += missing(figures)
    return [f"\n{note}" for note in found]


def missing(figures: Sequence[Figure]) -> list[str]:
    """What the benchmark declares today and these figures, measured before, lack."""
    arms = dict.fromkeys(arm for figure in figures for arm in missing_arms(figure))
    lacking = [("rows", missing_rows(figures)), ("peers", list(arms))]
    return [
        f"Not yet measured, {what} that the benchmark has: {'; '.join(f'`{name}`' for name in names)}."
        for what, names in lacking
        if names
    ]


def beside(figure: Figure) -> str:
    """Peers in a line."""
    spread = spread_of(figure).get("peers", {})
    each = (f"{name} {short(value)}{plus_minus(spread.get(name))}" for name, value in figure["peers"].items())
    return "; ".join(each) or "–"


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
    import matplotlib as mpl  # noqa: PLC0415 - only drawings need it
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415

    # Text stays text, and the same results give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "synapsed"})
    heights = [3.0 if curves_of(figure) else 0.7 + 0.28 * (1 + len(figure["peers"])) for figure in figures]
    canvas = Canvas(figsize=(8.0, sum(heights)), layout="constrained")
    axes = canvas.subplots(len(figures), 1, squeeze=False, height_ratios=heights)[:, 0]
    for one, figure in zip(axes, figures, strict=True):
        (draw_curves if curves_of(figure) else draw_bars)(one, figure)
        title = f"{figure['measures']} ({figure['unit']})" + (": missed" if figure["holds"] is False else "")
        one.set_title(title, fontsize=9, color=TARGET if figure["holds"] is False else INK, loc="left")
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
    """The target as a number; None where it is set on the ratio, or where there is none.

    >>> bound_of({"target": "≥ 94.5 %"}), bound_of({"target": "≥ 0.97 × best peer"})
    (94.5, None)
    """
    target = str(figure["target"])
    return None if target.endswith(("best peer", DECIDES_NOTHING)) else float(target.split()[1])


if __name__ == "__main__":
    raise SystemExit(main())
