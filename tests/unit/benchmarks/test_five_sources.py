"""Five sources in turn: the last one does not count, joint makes as many updates, a pass ends where it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import five_sources
from benchmarks.five_sources import (
    Arm,
    Plan,
    judge,
    learn,
    learn_all,
    mean_forgetting,
    raw_forgetting,
    steps_of_a_pass,
)
from brain.memory.forgetting import Track

if TYPE_CHECKING:
    from pathlib import Path


def arm(*forgotten: float, bpc: float = 2.0) -> Arm:
    names = [f"source {number}" for number in range(len(forgotten))]
    tracks = {name: Track(smooth=bpc, best=bpc - lost) for name, lost in zip(names, forgotten, strict=True)}
    return Arm(updates=10, bpc=dict.fromkeys(names, bpc), tracks=tracks)


def write(folder: Path, num_bytes: int, names: tuple[str, ...]) -> list[Path]:
    paths = [folder / f"{name}.txt" for name in names]
    for index, path in enumerate(paths):
        path.write_bytes(bytes(97 + (index + place) % 7 for place in range(num_bytes)))
    return paths


def test_the_last_source_is_left_out() -> None:
    assert mean_forgetting(arm(0.4, 0.2, 0.0)) == pytest.approx(0.3)
    assert raw_forgetting(arm(0.4, 0.2, 0.0)) == pytest.approx(0.3)


def test_both_bounds_stand_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(five_sources, "SEEDS", (100,))
    arms = {
        "ours": [arm(0.1, 0.1, 0.0)],
        "naive": [arm(0.6, 0.6, 0.0, bpc=3.0)],
        "joint": [arm(0.0, 0.0, 0.0)],
    }
    lost, of_joint = judge(arms, 1000, long=False)
    assert lost.ours == pytest.approx(0.1)
    assert not lost.holds
    assert lost.peers == {"naive (lower bound)": pytest.approx(0.6), "joint (upper bound)": 0.0}
    assert (of_joint.ours, of_joint.peers["naive (lower bound)"]) == (1.0, 1.5)


def test_a_pass_ends_when_every_byte_was_read(tmp_path: Path) -> None:
    sources = write(tmp_path, 100_000, ("a", "b"))
    full = 2 * 100_000 * (1 - five_sources.HELD_OUT_SHARE) / five_sources.ROW_BYTES / 16
    # The first lane that is through begins the second pass while others finish.
    assert 0.9 * full <= steps_of_a_pass(sources, tmp_path, 16, 0.0) <= 1.1 * full
    assert steps_of_a_pass(sources, tmp_path, 16, 0.2) > steps_of_a_pass(sources, tmp_path, 16, 0.0)


def test_joint_makes_as_many_updates_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: dict[str, Plan] = {}

    def keep(name: str, sources: list[Path], folder: Path, plan: Plan, seed: int) -> Arm:
        plans[name] = plan
        return Arm()

    monkeypatch.setattr(five_sources, "learn", keep)
    learn_all(write(tmp_path, 100_000, ("a", "b", "c")), tmp_path, 100)
    ours, naive, joint = plans["ours"], plans["naive"], plans["joint"]
    assert (ours.rows, joint.rows, naive.rows) == (16, 16, 13)
    assert joint.steps == ours.steps == ours.awake + five_sources.SLEEPS * ours.nap
    assert naive.steps == naive.awake == pytest.approx(ours.awake, rel=0.05)


def test_an_arm_is_looked_at_until_its_last_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(five_sources, "HELD_OUT_SHARE", 0.3)
    monkeypatch.setattr(five_sources, "LOOKS", 2)
    plan = Plan(rows=16, steps=4, awake=4)
    one = learn("joint", write(tmp_path, 16_384, ("a", "b")), tmp_path, plan, 100)
    assert one.updates == 4
    assert list(one.bpc) == ["a", "b"]
    assert all(track.smooth is not None for track in one.tracks.values())
