"""Which checkpoints go: the rules of DESIGN, run by run, and the byte cap over all."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.checkpoint.manifest import Manifest
from daemon.checkpoint.retention import CheckpointInfo, best_of, by_run, decide_cap, decide_pruning
from daemon.config.tree import CheckpointConfig

HOUR = 3600
DAY = 24 * HOUR
NOW = 20_000 * DAY + 12 * HOUR + 100.0
LATEST_ONLY = CheckpointConfig(keep_latest=2, keep_hourly=0, keep_daily=0)
GIB = 1024**3


def info(
    sequence: int,
    *,
    age: float = 0.0,
    run: str = "r-1",
    bpc: float | None = None,
    reason: str = "auto",
    pinned: bool = False,
    verified: bool | None = None,
    size: int = 1,
) -> CheckpointInfo:
    manifest = Manifest(
        run_id=run, session=1, sequence=sequence, step=sequence, samples=0, created=NOW - age, timestamp="",
        reason=reason, spec={}, metrics={} if bpc is None else {"bpc": bpc},
    )  # fmt: skip
    return CheckpointInfo(
        name=f"{run}/{sequence}", path=Path(f"{run}/{sequence}"), manifest=manifest, size_bytes=size,
        pinned=pinned, verified=verified,
    )  # fmt: skip


def kept(infos: list[CheckpointInfo], policy: CheckpointConfig, now: float = NOW) -> list[int]:
    doomed = decide_pruning(infos, policy, now)
    return [each.manifest.sequence for each in infos if each.name not in doomed]


def test_latest_best_growth_and_pinned_stay() -> None:
    infos = [
        info(1, bpc=3.0), info(2, bpc=2.0), info(3, bpc=2.5, reason="growth"), info(4, reason="growth"),
        info(5, pinned=True), info(6, bpc=2.1), info(7), info(8, bpc=4.0),
    ]  # fmt: skip
    assert kept(infos, LATEST_ONLY) == [2, 4, 5, 7, 8]


def test_oldest_go_first() -> None:
    assert decide_pruning([info(3), info(1), info(4), info(2)], LATEST_ONLY, NOW) == ["r-1/1", "r-1/2"]


def test_the_best_of_equals_is_the_newest_and_a_bad_one_is_none() -> None:
    equals = [info(1, bpc=2.0), info(2, bpc=2.0), info(3, bpc=1.0, verified=False), info(4)]
    best = best_of(equals)
    assert best is not None
    assert best.manifest.sequence == 2
    assert best_of([info(1), info(2)]) is None


def test_the_last_of_each_hour_for_a_day_and_of_each_day_for_a_week() -> None:
    policy = CheckpointConfig(keep_latest=1, keep_hourly=24, keep_daily=7)
    every_ten_minutes = [info(number, age=(2000 - number) * 600) for number in range(1, 2001)]  # two weeks
    left = set(kept(every_ten_minutes, policy))
    ages = [NOW - each.manifest.created for each in every_ten_minutes if each.manifest.sequence in left]
    hourly = [age for age in ages if age < DAY - HOUR]
    assert len(hourly) == 24
    assert len(ages) == 24 + 5  # the last of today and of yesterday are hourly ones too
    assert len({(NOW - age) // DAY for age in ages}) == 7
    assert max(ages) < 7 * DAY


def test_running_the_rules_as_time_continues_keeps_the_hours() -> None:
    policy = CheckpointConfig(keep_latest=5, keep_hourly=24, keep_daily=7)
    held: list[CheckpointInfo] = []
    for number in range(1, 12 * 24 * 3 + 1):  # three days, every five minutes
        now = NOW + number * 300
        held.append(info(number, age=-number * 300.0))
        doomed = decide_pruning(held, policy, now)
        held = [each for each in held if each.name not in doomed]
    assert len(held) <= 24 + 5 + 7
    gaps = [later.manifest.created - earlier.manifest.created for earlier, later in itertools.pairwise(held)]
    recent = [gap for gap, each in zip(gaps, held, strict=False) if now - each.manifest.created < DAY - HOUR]
    assert max(recent) <= HOUR


def test_each_run_has_rules_of_its_own() -> None:
    infos = [
        info(number, run=run, age=age)
        for run, age in (("old", 30 * DAY), ("new", 0.0))
        for number in (1, 2, 3)
    ]
    assert decide_pruning(infos, LATEST_ONLY, NOW) == ["old/1", "new/1"]


def capped(
    infos: list[CheckpointInfo], gib: float, policy: CheckpointConfig = LATEST_ONLY, **more: Any
) -> list[str]:
    return decide_cap(infos, gib * GIB, NOW, policy_of=lambda _run: policy, **more)


def test_the_rules_know_no_cap() -> None:
    assert kept([info(1, size=900 * GIB), info(2, size=900 * GIB)], LATEST_ONLY) == [1, 2]


def test_the_cap_takes_what_no_rule_keeps_then_periodic_ones_and_the_oldest_of_all_runs() -> None:
    policy = CheckpointConfig(keep_latest=2, keep_hourly=24, keep_daily=7)
    infos = [
        info(1, run="a", age=9 * HOUR, size=GIB), info(2, run="a", age=2 * HOUR, size=GIB),
        info(3, run="a", age=1 * HOUR, size=GIB, bpc=1.0), info(1, run="b", age=8 * HOUR, size=GIB),
        info(2, run="b", age=300, size=GIB), info(3, run="b", age=0, size=GIB),
        info(1, run="c", age=30 * DAY, size=GIB), info(2, run="c", age=30 * DAY - 1, size=GIB),
        info(3, run="c", age=30 * DAY - 2, size=GIB),
    ]  # fmt: skip
    assert capped(infos, 9, policy) == []
    assert capped(infos, 6, policy) == ["c/1", "a/1", "b/1"]


def test_each_run_is_weighed_by_its_own_rules() -> None:
    infos = [info(number, run=run, age=DAY, size=GIB) for run in ("a", "b") for number in (1, 2, 3)]
    policies = {"a": CheckpointConfig(keep_latest=3), "b": LATEST_ONLY}
    assert decide_cap(infos, 5 * GIB, NOW, policy_of=policies.__getitem__) == ["b/1"]


def test_the_cap_never_takes_a_pinned_or_held_one_or_the_newest_sound_one() -> None:
    infos = [
        info(1, pinned=True), info(2, verified=True), info(3), info(4), info(5, verified=False),
        info(1, run="other"), info(2, run="other"), info(3, run="other"),
    ]  # fmt: skip
    assert set(capped(infos, 0, held={"other/1"})) == {"r-1/3", "r-1/5", "other/2"}


def test_a_held_one_stays_whatever_the_rules() -> None:
    infos = [info(number, age=30 * DAY) for number in range(1, 6)]
    assert decide_pruning(infos, LATEST_ONLY, NOW, held=["r-1/2"]) == ["r-1/1", "r-1/3"]


def test_a_run_of_bad_ones_only_keeps_the_newest() -> None:
    assert capped([info(1, verified=False), info(2, verified=False)], 0) == ["r-1/1"]


def test_a_clock_put_back_loses_nothing_recent() -> None:
    policy = CheckpointConfig(keep_latest=1, keep_hourly=24, keep_daily=7)
    assert kept([info(1, age=-5 * HOUR), info(2, age=HOUR)], policy) == [1, 2]


def test_nothing_there() -> None:
    assert decide_pruning([], LATEST_ONLY, NOW) == []


infos_of_runs = st.lists(
    st.builds(
        info,
        st.integers(1, 30),
        age=st.floats(-DAY, 20 * DAY),
        run=st.sampled_from(["a", "b"]),
        bpc=st.none() | st.floats(0.5, 9),
        reason=st.sampled_from(["auto", "growth", "stop"]),
        pinned=st.booleans(),
        verified=st.sampled_from([None, True, False]),
        size=st.integers(1, GIB),
    ),
    max_size=40,
    unique_by=lambda each: each.name,
)


@settings(deadline=None)
@given(
    infos=infos_of_runs,
    policy=st.builds(
        CheckpointConfig,
        keep_latest=st.integers(1, 6),
        keep_hourly=st.integers(0, 24),
        keep_daily=st.integers(0, 7),
    ),
    max_gib=st.floats(0, 20),
    held=st.sets(st.integers(1, 30).map("a/{}".format), max_size=3),
)
def test_what_must_stay_stays_whatever_the_rules(
    infos: list[CheckpointInfo], policy: CheckpointConfig, max_gib: float, held: set[str]
) -> None:
    doomed = set(decide_pruning(infos, policy, NOW, held=held))
    left = [each for each in infos if each.name not in doomed]
    # Deciding again over what is left changes nothing.
    assert decide_pruning(left, policy, NOW, held=held) == []
    capped_away = set(capped(left, max_gib, policy, held=held))
    doomed |= capped_away
    left = [each for each in left if each.name not in capped_away]
    assert not doomed & held
    assert all(not each.pinned for each in infos if each.name in doomed)
    for run, own in by_run(infos).items():
        for verdicts in ({True}, {True, None}):
            sound = [each for each in own if each.verified in verdicts]
            if sound:
                assert sound[0] in left, run
        assert any(each.manifest.run_id == run for each in left)
    if sum(each.size_bytes for each in left) > max_gib * GIB:
        loose = [each for each in left if not each.pinned and each.name not in held]
        assert len(loose) <= 4  # at most two guarded ones a run are left over the cap
