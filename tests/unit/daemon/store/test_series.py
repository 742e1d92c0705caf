"""Curves: exact whatever came before, bounded in what they touch, and never without a spike."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.errors import UsageError
from daemon.store import Store, Touched
from daemon.store.series import bucket_width

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.store.conftest import OpenStore

Value = float | None


def columns(steps: list[int], values: list[Value], name: str = "bpc") -> dict[str, list[Any]]:
    return {"step": steps, "time": [1e9 + step for step in steps], name: values}


def curve(store: Store, name: str, **window: int | None) -> dict[str, list[Any]]:
    series = store.series("r-1", [name], **window)  # type: ignore[arg-type]  # a window of steps and points
    assert series is not None
    found: dict[str, list[Any]] = series["metrics"][name]
    return found


@pytest.fixture
def run(store: Store) -> Store:
    store.create_run("r-1")
    store.start_session("r-1", 1, first_step=1)
    return store


def test_a_short_curve_is_every_step(run: Store) -> None:
    run.add_columns("r-1", 1, columns([1, 2, 3], [3.0, math.nan, 1.0]))
    run.flush()

    series = run.series("r-1", ["bpc", "grad_norm", "unheard"])
    assert series is not None
    assert (series["exact"], series["resolution"]) == (True, 1)
    assert series["metrics"]["bpc"] == {
        "step": [1, 3],
        "time": [1e9 + 1, 1e9 + 3],
        "min": [3.0, 1.0],
        "max": [3.0, 1.0],
        "mean": [3.0, 1.0],
        "last": [3.0, 1.0],
        "n": [1, 1],
    }
    assert series["metrics"]["grad_norm"]["step"] == series["metrics"]["unheard"]["step"] == []


def test_no_run_no_series(store: Store) -> None:
    assert store.series("r-1", ["bpc"]) is None


def test_a_run_that_has_not_begun_has_empty_curves(run: Store) -> None:
    run.flush()
    assert curve(run, "bpc")["step"] == []


@pytest.mark.parametrize("points", [0, -5, 20_001])
def test_the_number_of_buckets_has_bounds(run: Store, points: int) -> None:
    run.flush()
    with pytest.raises(UsageError, match="points is"):
        run.series("r-1", ["bpc"], points=points)


@pytest.mark.parametrize("points", [1, 7, 100, 1000])
def test_a_spike_among_many_steps_is_never_lost(run: Store, points: int) -> None:
    steps = list(range(1, 25_001))
    values: list[Value] = [2.0] * len(steps)
    values[17_342], values[23] = 99.0, -1.0
    run.add_columns("r-1", 1, columns(steps, values))
    run.flush()

    found = curve(run, "bpc", points=points)
    assert len(found["n"]) <= points
    assert max(found["max"]) == 99.0
    assert min(found["min"]) == -1.0
    assert sum(found["n"]) == 25_000
    mean = sum(m * n for m, n in zip(found["mean"], found["n"], strict=True)) / 25_000
    assert mean == pytest.approx((2.0 * 24_998 + 98.0) / 25_000)


def test_a_million_steps_are_drawn_from_few_rows(run: Store) -> None:
    # Every tenth step has a row: every bucket of a million steps is there, in a tenth of the time.
    for start in range(1, 1_000_001, 50_000):
        steps = list(range(start, start + 50_000, 10))
        run.add_columns("r-1", 1, {"step": steps, "time": steps, "bpc": steps})
    assert run.flush(120.0)

    for points, most_rows in ((1000, 11_000), (100, 400), (10, 400)):
        touched = Touched()
        series = run.series("r-1", ["bpc"], points=points, touched=touched)
        assert series is not None
        found = series["metrics"]["bpc"]
        assert points // 2 <= len(found["n"]) <= points
        assert touched.rows <= most_rows
        assert (min(found["min"]), max(found["max"]), sum(found["n"])) == (1, 999_991, 100_000)
    touched = Touched()
    part = run.series("r-1", ["bpc"], start=123_456, end=987_654, points=50, touched=touched)
    assert part is not None
    assert touched.rows <= 600
    assert sum(part["metrics"]["bpc"]["n"]) == len(range(123_461, 987_655, 10))
    assert part["metrics"]["bpc"]["min"][0] == 123_461


def test_a_sparse_metric_is_given_whole_as_long_as_it_fits(run: Store) -> None:
    run.add_columns("r-1", 1, columns(list(range(1, 5001)), [1.0] * 5000))
    run.add_points("r-1", 1, [("phi", step, 1e9, step / 5000) for step in range(500, 5001, 500)])
    run.flush()

    found = curve(run, "phi", points=20)
    assert found["step"] == list(range(500, 5001, 500))
    assert found["n"] == [1] * 10


def test_later_sessions_supersede_the_lost_steps_of_earlier_ones(run: Store) -> None:
    run.add_columns("r-1", 1, columns(list(range(1, 351)), [1.0] * 350))
    run.add_points("r-1", 1, [("phi", 120, 1e9, 0.1), ("phi", 240, 1e9, 0.2)])
    run.start_session("r-1", 2, first_step=151)
    run.add_columns("r-1", 2, columns(list(range(151, 421)), [5.0] * 270))
    run.flush()

    found = curve(run, "bpc", points=1000)
    assert found["step"] == list(range(1, 421))
    assert found["last"] == [1.0] * 150 + [5.0] * 270
    rolled = curve(run, "bpc", points=4)
    assert rolled["n"] == [199, 200, 21]
    assert rolled["mean"] == pytest.approx([(150 * 1.0 + 49 * 5.0) / 199, 5.0, 5.0])
    assert curve(run, "phi")["last"] == [0.1]


def test_a_session_that_only_began_already_supersedes(run: Store) -> None:
    run.add_columns("r-1", 1, columns(list(range(1, 301)), [1.0] * 300))
    run.start_session("r-1", 2, first_step=101)
    run.flush()

    assert curve(run, "bpc")["step"] == list(range(1, 101))


@pytest.mark.parametrize("reopened", [False, True])
def test_each_resume_keeps_every_step_before_it(run: Store, open_store: OpenStore, *, reopened: bool) -> None:
    """Thirty steps and three times ten are sixty, whatever a trainer reports before its first step."""
    begin = 0
    for session, count in enumerate([30, 10, 10, 10], start=1):
        run.start_session("r-1", session, first_step=begin + 1)
        run.add_points("r-1", session, [("checkpoint_stall_seconds", begin, 1e9 + session, 0.1)])
        run.add_points("r-1", session, [("held_out_bpc", begin, 1e9 + session, float(session))])
        steps = list(range(begin + 1, begin + count + 1))
        run.add_columns("r-1", session, columns(steps, [float(session)] * count))
        run.add_readings("r-1", session, [{"name": "phi", "step": steps[-1], "value": 0.5}])
        run.add_evaluations("r-1", session, [{"source": "a", "step": steps[-1], "bpc": 2.0}])
        begin += count
        if reopened:
            run.close()
            run = open_store()
    run.flush()

    assert curve(run, "bpc")["step"] == list(range(1, 61))
    assert curve(run, "held_out_bpc")["step"] == [0, 30, 40, 50]
    assert curve(run, "held_out_bpc")["last"] == [1.0, 2.0, 3.0, 4.0]
    assert [row["step"] for row in run.readings("r-1").items] == [60, 50, 40, 30]
    assert [row["step"] for row in run.evaluations("r-1").items] == [60, 50, 40, 30]


def test_after_a_crash_steps_are_replaced_and_none_is_lost_twice(run: Store) -> None:
    run.add_columns("r-1", 1, columns(list(range(1, 248)), [1.0] * 247))
    run.start_session("r-1", 2, first_step=201)
    run.add_points("r-1", 2, [("held_out_bpc", 200, 1e9, 2.0)])
    run.flush()
    assert curve(run, "bpc")["step"] == list(range(1, 201))

    run.add_columns("r-1", 2, columns(list(range(201, 251)), [2.0] * 50))
    run.start_session("r-1", 3, first_step=201)  # it crashed again, before it saved
    run.add_points("r-1", 3, [("held_out_bpc", 200, 1e9 + 1, 3.0)])
    run.add_columns("r-1", 3, columns(list(range(201, 306)), [3.0] * 105))
    run.flush()
    assert curve(run, "bpc")["step"] == list(range(1, 306))
    assert curve(run, "bpc")["last"] == [1.0] * 200 + [3.0] * 105
    assert (curve(run, "held_out_bpc")["step"], curve(run, "held_out_bpc")["last"]) == ([200], [3.0])
    assert sum(curve(run, "bpc", points=3)["n"]) == 305  # from rollups


def test_a_fork_keeps_what_is_known_of_the_step_it_begins_at(store: Store) -> None:
    store.create_run("r-1", parent_run="r-0", parent_step=30)
    store.start_session("r-1", 1, first_step=31)
    store.add_points("r-1", 1, [("held_out_bpc", 30, 1e9, 2.0)])
    store.add_columns("r-1", 1, columns([31, 32], [1.0, 1.0]))
    store.flush()
    assert curve(store, "held_out_bpc")["step"] == [30]
    assert curve(store, "bpc")["step"] == [31, 32]


def test_columns_that_are_not_hot_are_kept_as_points(run: Store) -> None:
    run.add_columns("r-1", 1, columns([1, 2], [0.5, 0.25], name="entropy"))
    run.flush()

    assert curve(run, "entropy")["last"] == [0.5, 0.25]


# ── against a model ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Model:
    """The same in the plainest words: all rows by metric, session and step."""

    rows: dict[tuple[str, int, int], tuple[float, Value]] = field(default_factory=dict)
    first: dict[int, int] = field(default_factory=dict)

    def add(self, metric: str, session: int, step: int, time: float, value: Value) -> None:
        if metric == "phi" and step < self.first.get(session, step):
            # Reported for a step before the session's own: it belongs to the newest earlier one that has the step.
            owners = [s for s, first in self.first.items() if s < session and first <= step]
            session = max(owners, default=session)
        self.rows[metric, session, step] = (time, value)
        self.first[session] = min(step, self.first.get(session, step))

    def curve(self, metric: str) -> dict[int, tuple[float, float]]:
        """Step → (time, value), of the rows that count."""
        kept: dict[int, tuple[float, float]] = {}
        end = self.end()
        for (name, session, step), (time, value) in self.rows.items():
            lost = any(later > session and first <= step for later, first in self.first.items())
            if name == metric and value is not None and not lost and step < end:
                kept[step] = (time, value)
        return kept

    def end(self) -> int:
        if not self.first:
            return 0
        newest = max(self.first)
        steps = [step for _, session, step in self.rows if session == newest]
        return max(steps, default=self.first[newest] - 1) + 1


STEPS = st.one_of(st.integers(0, 450), st.integers(9_700, 10_350), st.integers(0, 19_000))
RUNS_OF_STEPS = st.tuples(STEPS, st.integers(1, 260), st.sampled_from([1, 1, 3]))
VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6), st.just(math.nan))
WRITES = st.one_of(
    st.tuples(st.just("columns"), RUNS_OF_STEPS, st.lists(VALUES, min_size=1, max_size=5)),
    st.tuples(st.just("points"), RUNS_OF_STEPS, st.lists(VALUES, min_size=1, max_size=5)),
    st.tuples(st.just("session"), st.one_of(st.none(), STEPS)),
    st.tuples(st.sampled_from(["flush", "reopen"])),
)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: making one again for every example would take most of the time."""
    file = tmp_path_factory.mktemp("empty") / "synapsed.db"
    Store.open(f"sqlite:///{file}", clock=lambda: 1e9).close()
    return file


@settings(max_examples=60, deadline=None)
@given(writes=st.lists(WRITES, min_size=1, max_size=9), points=st.sampled_from([1, 3, 40, 400]))
def test_curves_equal_the_model_whatever_was_written(
    empty_database: Path, writes: list[Any], points: int
) -> None:
    model = Model()
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{shutil.copy(empty_database, folder)}"
        store = Store.open(url, clock=lambda: 1e9)
        store.create_run("r-1")
        session = 0
        for number, (what, *rest) in enumerate(writes):
            session = max(session, 1)
            if what == "session":
                session += 1
                store.start_session("r-1", session, first_step=rest[0])
                if rest[0] is not None:
                    model.first[session] = rest[0]
            elif what in {"columns", "points"}:
                write(store, model, (what, rest[0], rest[1]), session=session, number=number)
            elif what == "flush":
                assert store.flush()
            else:
                store.close()
                store = Store.open(url, clock=lambda: 1e9)
        assert store.flush()
        for metric in ("bpc", "phi"):
            same(curve(store, metric, points=20_000), model.curve(metric), 1)
            check_buckets(store, model, metric, points)
        store.close()


def write(
    store: Store,
    model: Model,
    order: tuple[str, tuple[int, int, int], list[Value]],
    *,
    session: int,
    number: int,
) -> None:
    what, (start, count, stride), values = order
    steps = [start + index * stride for index in range(count)]
    row = [values[index % len(values)] for index in range(count)]
    times = [1e9 + number + step / 1e6 for step in steps]
    if what == "columns":
        store.add_columns("r-1", session, {"step": steps, "time": times, "bpc": row})
    else:
        store.add_points("r-1", session, [("phi", *point) for point in zip(steps, times, row, strict=True)])
    for step, time, value in zip(steps, times, row, strict=True):
        finite = value if value is not None and math.isfinite(value) else None
        model.add("bpc" if what == "columns" else "phi", session, step, time, finite)


def check_buckets(store: Store, model: Model, metric: str, points: int) -> None:
    series = store.series("r-1", [metric], points=points)
    assert series is not None
    found = series["metrics"][metric]
    assert len(found["n"]) <= points
    same(found, model.curve(metric), series["resolution"])


def same(found: dict[str, list[Any]], rows: dict[int, tuple[float, float]], width: int) -> None:
    """Every bucket holds exactly what its rows hold."""
    wanted: dict[int, list[int]] = {}
    for step in sorted(rows):
        wanted.setdefault(step // width, []).append(step)
    assert found["step"] == [steps[-1] for steps in wanted.values()]
    for index, steps in enumerate(wanted.values()):
        values = [rows[step][1] for step in steps]
        time, last = rows[steps[-1]]
        assert (found["time"][index], found["last"][index], found["n"][index]) == (time, last, len(steps))
        assert (found["min"][index], found["max"][index]) == (min(values), max(values))
        assert found["mean"][index] == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-6)


@given(start=st.integers(0, 10**7), length=st.integers(1, 10**8), points=st.integers(1, 5000))
def test_the_width_of_a_bucket_keeps_to_the_number_asked_for(start: int, length: int, points: int) -> None:
    width = bucket_width(start, start + length, points)
    assert (start + length - 1) // width - start // width + 1 <= points
    assert width < 100 or width % (100 if width < 10_000 else 10_000) == 0


def test_a_moment_is_told_by_the_newest_step_before_it(run: Store) -> None:
    run.start_session("r-1", 1, first_step=1)
    run.add_columns("r-1", 1, columns(list(range(1, 21)), [1.0] * 20))
    run.start_session("r-1", 2, first_step=11)  # steps that a crash had lost
    again = columns(list(range(11, 15)), [1.0] * 4)
    run.add_columns("r-1", 2, {**again, "time": [1e9 + 100 + step for step in again["step"]]})
    run.flush(5.0)
    assert run.step_at("r-1", 1e9) is None
    assert run.step_at("r-1", 1e9 + 5.5) == 5
    assert run.step_at("r-1", 1e9 + 50) == 20
    assert run.step_at("r-1", 1e9 + 112) == 12
    assert run.step_at("r-2", 2e9) is None
