"""Thinning: bounds hold, curves stay true to the buckets that stand for what went, nobody alive loses a row."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from daemon.store import Store, thinning
from daemon.store.rollups import COARSE, FINE
from daemon.store.tables import metric_names, metrics, points, rollups

if TYPE_CHECKING:
    from tests.unit.daemon.store.conftest import OpenStore

NO_BOUND = {"metric_rows": 10**9, "rollup_rows": 10**9, "history_rows": 10**9}
STEPS = 25_250
SPIKE = 1234


@pytest.fixture(autouse=True)
def _spare_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "SPARED_STEPS", 1000)


def learn(store: Store, run: str, steps: range, session: int = 1) -> None:
    values = random.Random(steps.start)
    for start in range(steps.start, steps.stop, 5000):
        part = range(start, min(start + 5000, steps.stop))
        column = [values.uniform(1, 3) if step != SPIKE else 99.0 for step in part]
        times = [1e9 + step for step in part]
        store.add_columns(run, session, {"step": list(part), "time": times, "bpc": column})
        sparse = [("held_out_bpc", step, 1e9 + step, float(step)) for step in part if step % 50 == 0]
        store.add_points(run, session, sparse)
        store.flush()


@pytest.fixture
def run(store: Store) -> Store:
    store.create_run("r-1")
    store.start_session("r-1", 1, first_step=1)
    learn(store, "r-1", range(1, STEPS + 1))
    return store


def count(store: Store, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
    with store._reading() as connection:
        chosen = sa.select(sa.func.count()).select_from(table).where(*conditions)
        return connection.execute(chosen).scalar() or 0


def curve(store: Store, name: str, **window: int) -> tuple[dict[str, list[Any]], int]:
    series = store.series("r-1", [name], **window)  # type: ignore[arg-type]  # a window of steps and points
    assert series is not None
    return series["metrics"][name], series["resolution"]


@pytest.mark.parametrize("name", ["bpc", "held_out_bpc"])
def test_a_curve_of_rollups_width_is_the_same_before_and_after(run: Store, name: str) -> None:
    whole, wide = {"points": 200}, {"points": 2}
    before = [curve(run, name, **window) for window in (whole, wide)]
    run.thin(**NO_BOUND | {"metric_rows": 2000})
    assert count(run, metrics) <= 2000
    after = [curve(run, name, **window) for window in (whole, wide)]
    if name == "bpc":
        assert after == before
    else:  # single values where they fit, buckets where they are gone: no value is lost
        assert sum(after[0][0]["n"]) == len(before[0][0]["n"]) or after == before


def test_a_spike_is_never_lost_and_every_value_counts_once(run: Store) -> None:
    run.thin(**NO_BOUND | {"metric_rows": 1000})
    for window in ({}, {"start": 1200, "end": 1300}, {"points": 7}, {"start": 1, "end": 24_999}):
        found, _ = curve(run, "bpc", **window)
        assert max(found["max"]) == 99.0, window
    whole, resolution = curve(run, "bpc")
    assert sum(whole["n"]) == STEPS
    assert resolution == FINE
    assert whole["step"] == sorted(whole["step"])
    sparse, _ = curve(run, "held_out_bpc", points=20_000)
    assert sum(sparse["n"]) == STEPS // 50


def test_fine_rollups_are_thinned_to_coarse_ones_where_no_row_is_left(run: Store) -> None:
    run.thin(**NO_BOUND | {"rollup_rows": 0})
    with run._reading() as connection:
        bpc = connection.execute(
            sa.select(metric_names.c.id).where(metric_names.c.name == "bpc")
        ).scalar_one()
    old = rollups.c.level == FINE, rollups.c.start < 2 * COARSE, rollups.c.metric == bpc
    # Rows of single steps are there still: nothing coarser stands for them.
    assert count(run, rollups, *old) == 200
    run.thin(metric_rows=1000, rollup_rows=0, history_rows=10**9)
    assert count(run, rollups, *old) == 0
    for buckets in (1, 2, 3, 50, 1000):
        found, resolution = curve(run, "bpc", points=buckets)
        assert sum(found["n"]) == STEPS, buckets
        assert max(found["max"]) == 99.0
        assert resolution >= COARSE


def test_learning_continues_behind_what_was_thinned(run: Store) -> None:
    run.thin(metric_rows=1000, rollup_rows=0, history_rows=10**9)
    run.start_session("r-1", 2, first_step=STEPS - 50)
    learn(run, "r-1", range(STEPS - 50, STEPS + 10_000), session=2)
    found, _ = curve(run, "bpc")
    assert sum(found["n"]) == STEPS + 9_999
    assert found["step"][-1] == STEPS + 9_999


def test_older_runs_go_first_and_the_newest_steps_last(run: Store, open_store: OpenStore) -> None:
    run.create_run("r-2")
    run.start_session("r-2", 1, first_step=1)
    learn(run, "r-2", range(1, 3001))
    run.thin(**NO_BOUND | {"metric_rows": 4300})
    again = open_store()
    second = metrics.c.session == 2
    assert count(again, metrics, second) == 3000
    assert count(again, metrics, ~second) == 1251  # whole buckets
    assert count(again, points) == STEPS // 50 + 60  # of these there are fewer than the bound
    run.thin(**NO_BOUND | {"metric_rows": 1000})
    assert count(again, metrics, ~second) == 51  # not rolled up yet: nothing stands for them
    assert 1000 - 51 - FINE < count(again, metrics, second) <= 1000 - 51


def test_history_keeps_the_newest_of_each_kind(store: Store) -> None:
    store.create_run("r-1")
    store.add_readings("r-1", 1, [{"name": "phi", "step": step, "value": 0.1} for step in range(50)])
    for number in range(50):
        store.add_event({"kind": "noted", "message": str(number)}, run="r-1")
        store.put_operation(f"op-{number:02d}", run="r-1", created_at=float(number))
        store.put_alarm(f"a-{number}", run="r-1", raised_at=float(number))
        store.put_checkpoint(f"c-{number}", run="r-1")
    store.put_alarm("a-0", cleared_at=1.0)
    for number in range(30):
        store.mark_deleted(f"c-{number}", at=float(number))
    store.thin(**NO_BOUND | {"history_rows": 10})
    assert [event["message"] for event in store.events("r-1", limit=500).items] == [
        str(number) for number in range(49, 39, -1)
    ]
    assert len(store.readings("r-1", limit=500).items) == 10
    assert [one["id"] for one in store.operations(limit=500).items][-1] == "op-40"
    assert len(store.alarms("r-1", limit=500).items) == 50  # one of them has cleared: it is within the bound
    assert len(store.checkpoints("r-1", limit=500, deleted=True).items) == 20 + 10


def test_within_the_bounds_nothing_goes(run: Store) -> None:
    rows = count(run, metrics), count(run, points), count(run, rollups)
    assert run.thin(metric_rows=STEPS, rollup_rows=10**6, history_rows=1000) == 0
    assert (count(run, metrics), count(run, points), count(run, rollups)) == rows
