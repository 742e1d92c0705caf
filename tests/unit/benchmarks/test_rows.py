"""What a row may decide: by its declaration, for every benchmark, none of which is run."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from benchmarks.__main__ import FOLDER, discover, verdict_of
from benchmarks.report import INTO, STORED, benchmark_of, head, measured, missing, reached, read, section
from benchmarks.rows import ROWS, Row, decided, missing_arms, row_of, why_undecided

SPREAD = {"what": "the standard deviation over 5 seeds", "ours": 0.1, "peers": {}, "ratio": None}
ONE_SEED: dict[str, Any] = {**SPREAD, "ours": None}


def figure(
    name: str, *, long: bool, holds: bool = True, spread: dict[str, Any] | None = None
) -> dict[str, Any]:
    command = f"python -m benchmarks {benchmark_of({'name': name})}" + " --long" * long
    details = {} if spread is None else {"spread": spread}
    return {
        "name": name, "measures": "loss", "ours": 1.0, "peers": peers_of(name), "unit": "bits", "ratio": 0.25,
        "target": "≤ 2 bits", "holds": holds, "command": command, "machine": "one", "details": details,
    }  # fmt: skip


def peers_of(name: str) -> dict[str, float]:
    row = row_of(name)
    return dict.fromkeys((arm.replace("*", "9") for arm in row.beside) if row else (), 4.0)


def name_of(row: Row) -> str:
    return row.name.replace("*", "any")


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_no_row_reaches_a_target_that_it_cannot_decide(row: Row) -> None:
    assert row.name.partition(".")[0] in discover()
    assert row_of(name_of(row)) is row, "an earlier row takes its figures"
    for long in (False, True):
        for spread in (None, ONE_SEED, SPREAD):
            can = (row.short or long) and (row.rests_on != "seeds" or spread is SPREAD) and not row.undecided
            shown = decided(figure(name_of(row), long=long, spread=spread))
            assert shown["holds"] is (True if can else None)
            assert reached(shown) != "yes" or can
            assert can or shown["target"].endswith(": decides nothing")
            missed = decided(figure(name_of(row), long=long, holds=False, spread=spread))
            assert reached(missed).startswith("**missed**")
            assert missed["target"] == "≤ 2 bits"


def test_every_benchmark_declares_its_rows_by_the_names_it_gives_them() -> None:
    declared = {row.name.partition(".")[0] for row in ROWS}
    assert declared == set(discover())
    for benchmark in discover():
        tree = ast.parse((FOLDER / f"{benchmark}.py").read_text(encoding="utf-8"))
        calls = [
            node for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "judged" and node.args
        ]  # fmt: skip
        named = [call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)]
        assert [name for name in named if row_of(str(name)) is None] == []


def test_a_row_that_nobody_declared_decides_nothing() -> None:
    shown = decided(figure("elsewhere", long=True, spread=SPREAD))
    assert (shown["holds"], shown["target"]) == (None, "not declared: decides nothing")


def test_a_row_that_lacks_a_declared_peer_decides_nothing() -> None:
    whole = figure("lasting_plasticity", long=False, spread=SPREAD)
    assert reached(decided(whole)) == "yes"
    naive_alone = whole | {"peers": {"naive": 4.0}}
    assert reached(decided(naive_alone)) == "–"
    assert decided(naive_alone)["target"] == "not every peer measured: decides nothing"
    assert reached(decided(naive_alone | {"holds": False})) == "**missed**, not every peer measured"
    rest = [peer for peer in whole["peers"] if peer != "naive"]
    left_out = {"spread": SPREAD, "skipped": dict.fromkeys(rest, "not installed")}
    assert reached(decided(naive_alone | {"details": left_out})) == "yes"


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "–"), (3, "yes")])
def test_two_seeds_decide_nothing(seeds: int, verdict: str) -> None:
    spread = {**SPREAD, "what": f"the standard deviation of the difference over {seeds} seeds, in its mean"}
    shown = decided(figure("curious_mix", long=False, spread=spread))
    assert reached(shown) == verdict
    assert (shown["target"] == "only 2 seeds: decides nothing") is (seeds == 2)


def test_a_peer_that_does_better_is_marked_whatever_the_target() -> None:
    behind = figure("intents.any_seconds", long=False) | {"ours": 1.5, "ratio": 3.0}
    behind["peers"] = dict.fromkeys(behind["peers"], 0.5)
    assert reached(behind) == "yes, peer better"
    assert measured(behind) == "**1.5** bits (× 3)"
    assert reached(behind | {"holds": False}) == "**missed**, peer better"
    assert verdict_of(behind) == f"{verdict_of(behind | {'ours': 0.4})}, peer better"
    assert reached(behind | {"ours": 0.4}) == "yes"
    more = behind | {"target": "≥ 1 × best peer"}
    assert (reached(more), reached(more | {"ours": 0.4})) == ("yes", "yes, peer better")
    assert "1 of 2 rows reach their target though a peer or a bound does better" in head([behind, more])


def test_the_stored_figures_keep_the_rule_and_the_page_names_what_they_lack() -> None:
    figures = read([INTO / STORED])
    page = (INTO / "README.md").read_text(encoding="utf-8")
    assert [each["name"] for each in figures if row_of(each["name"]) is None] == []
    assert [each["name"] for each in figures if decided(each) != each] == []
    assert [each["name"] for each in figures if each["holds"] and why_undecided(each)] == []
    for benchmark in discover():
        own = [each for each in figures if benchmark_of(each) == benchmark]
        assert section(benchmark, own) in page
        assert all(line in page for line in missing(own))


def test_what_a_benchmark_has_since_is_named() -> None:
    old = figure("curious_mix", long=False, spread=SPREAD) | {"peers": {"chance": 2.0}}
    assert missing([old]) == [
        "Not yet measured, rows that the benchmark has: `curious_mix.single`.",
        "Not yet measured, peers that the benchmark has: `round_robin`.",
    ]
    assert missing_arms(old | {"details": {"skipped": {"round_robin": "not installed"}}}) == []
    counted = figure("rotated_digits.rotated_matched", long=False) | {"peers": {"ER, 9 updates": 1.0}}
    assert "ER, * updates" not in missing_arms(counted)


def test_the_head_counts_what_decides_nothing_and_lists_misses_alone() -> None:
    figures = [
        decided(figure("prequential.facts", long=False, holds=holds, spread=SPREAD))
        for holds in (True, False)
    ]
    top = head(json.loads(json.dumps(figures)))
    assert "1 of 2 rows decide nothing" in top
    assert "Missed: 1 of 2 targets." in top
    assert [reached(each) for each in figures] == ["–", "**missed**, short form"]
