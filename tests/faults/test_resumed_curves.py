"""Runs resumed again and again: the curves show each step once, whatever the lives before came to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from daemon.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.faults]


@pytest.mark.fault(
    "Resumed curves",
    tried="20 sessions of random length, some losing steps after their checkpoint; each reports before its first step",
    happens="every step is in the curve once, with the value learned last; totals agree with the rollups",
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_step_is_there_once(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    wanted: dict[int, float] = {}
    saved = 0
    with Store.open(tmp_path / "synapsed.db") as store:
        store.create_run("r-1")
        for life in range(1, 21):
            store.start_session("r-1", life, first_step=saved + 1)
            wanted = {step: value for step, value in wanted.items() if step <= saved}
            for metric in ("checkpoint_stall_seconds", "held_out_bpc"):
                store.add_points("r-1", life, [(metric, saved, 1e9 + life, float(life))])
            steps = list(range(saved + 1, saved + 1 + chance.randrange(150)))
            store.add_columns("r-1", life, {"step": steps, "time": steps, "bpc": [float(life)] * len(steps)})
            wanted |= dict.fromkeys(steps, float(life))
            saved += len(steps) if chance.random() < 0.6 else chance.randrange(len(steps) + 1)
        assert store.flush()

        found = store.series("r-1", ["bpc"], points=20_000)
        rolled = store.series("r-1", ["bpc"], points=5)
    assert found is not None
    assert rolled is not None
    bpc = found["metrics"]["bpc"]
    assert dict(zip(bpc["step"], bpc["last"], strict=True)) == wanted
    assert sum(rolled["metrics"]["bpc"]["n"]) == len(wanted)
