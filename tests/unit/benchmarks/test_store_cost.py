"""What the store costs, in large commits and one step at a time; peers that are missing are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import store_cost
from benchmarks.store_cost import as_fast_as_it_goes, at_pace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def one_repeat_and_no_peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store_cost, "REPEATS", 1)
    program = tmp_path / "peer.py"
    program.write_text("raise SystemExit('no such peer')")
    monkeypatch.setattr(store_cost, "PROGRAM", program)


def test_both_ways_of_committing_are_judged_by_one_target() -> None:
    cpu, disk = as_fast_as_it_goes(2000, 10)
    paced = at_pace(0.2, pace=50.0)
    assert cpu.ours > 0.0
    assert paced.ours > 0.0
    assert 5.0 < disk.ours < 100.0
    assert paced.measures.startswith(
        "CPU to keep one step of five metrics at 50 steps a second, commits at most 250 ms"
    )
    assert paced.target == cpu.target


def test_a_missing_peer_is_named_with_the_reason() -> None:
    assert "no such peer" in at_pace(0.1, pace=50.0).details["skipped"]["trackio"]
