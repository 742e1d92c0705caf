"""A run is deleted whole, by who means it, whatever happens in between; nobody else loses anything."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.run_lock import RunLock
from daemon.errors import ConflictError, NotFoundError, UsageError
from daemon.orders import Stop
from daemon.supervisor import run_deletion
from daemon.supervisor.requests import ResumeRequest
from daemon.trainer_protocol import RunState
from tests.unit.daemon.checkpoint.samples import Clock, new_writer, tiny
from tests.unit.daemon.supervisor.stage import staged, start_request

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home
    from daemon.supervisor.supervisor import Supervisor

pytestmark = [pytest.mark.faults, pytest.mark.anyio]


class Crash(BaseException):
    """The daemon is gone in the middle."""


def save(home: Home, run: str, step: int, *, segments: dict[str, list[int]], state: Any = None) -> Path:
    """A checkpoint that replays segments of these folders, which are made."""
    listed = []
    for folder, numbers in segments.items():
        (home.replay / folder).mkdir(exist_ok=True)
        for number in numbers:
            (home.replay / folder / f"seg-{number:06d}.bin").write_bytes(b"memory")
            listed.append({"folder": folder, "number": number, "rows": 1, "sha256": "0" * 64})
    writer = new_writer(home.checkpoints, run_id=run, clock=Clock(1.7e9 + step))
    more = {} if state is None else {"state": state}
    saved = writer.save_now(tiny(step, replay={"segments": listed}, **more))
    writer.close()
    return home.checkpoints / saved.checkpoint  # type: ignore[union-attr]


def make(supervisor: Supervisor, run: str, **values: Any) -> None:
    """A stopped run with checkpoints, memories, a journal and a history."""
    store = supervisor.store
    store.create_run(run, name=f"name of {run}", config={}, state="stopped", **values)
    store.start_session(run, 1, first_step=1)
    steps = list(range(1, 251))
    store.add_columns(run, 1, {"step": steps, "time": [float(s) for s in steps], "bpc": [2.0] * 250})
    store.add_points(run, 1, [("held_out_bpc/a", 100, 1.0, 2.5)])
    store.add_evaluations(run, 1, [{"source": "a", "step": 100, "bpc": 2.5}])
    store.add_event({"kind": "checkpoint_saved", "message": "saved"}, run=run, session=1)
    store.flush()
    home = supervisor.home
    save(home, run, 1, segments={run: [0]})
    save(home, run, 2, segments={run: [0, 1]})
    (home.replay / run / "journal-000000000001.jsonl").write_bytes(b"")


def rows(supervisor: Supervisor, run: str) -> int:
    store = supervisor.store
    store.flush()
    series = store.series(run, ["bpc", "held_out_bpc/a"])
    found = sum(len(one["step"]) for one in series["metrics"].values()) if series else 0
    return found + len(store.events(run).items) + len(store.evaluations(run).items)


def remains(supervisor: Supervisor, run: str) -> list[str]:
    """Everything of a run that is there still."""
    home = supervisor.home
    there = [info.name for info in supervisor.checkpoints.catalogue.list(run)]
    there += [path.name for path in home.replay.iterdir() if run in path.name]
    there += ["row"] if supervisor.rows.load(run) else []
    return there + ["rows"] * bool(rows(supervisor, run))


@pytest.mark.fault(
    "Deleting a run",
    tried="a stopped run with checkpoints, memories and history, beside another",
    happens="all of it is deleted, nothing of the other; an event reports it to everybody",
)
async def test_all_of_a_run_goes_and_nothing_of_another(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        make(supervisor, "r-gone")
        make(supervisor, "r-stays")
        before = rows(supervisor, "r-stays")
        deleted = await supervisor.deleting.run("r-gone", confirm="name of r-gone")
        assert deleted.num_checkpoints == 2
        assert remains(supervisor, "r-gone") == []
        assert rows(supervisor, "r-stays") == before > 0
        assert len(supervisor.checkpoints.catalogue.list("r-stays")) == 2
        assert len(list((home.replay / "r-stays").iterdir())) == 3
        [event] = [event for event in news.events if event["kind"] == "run_deleted"]
        assert (event["run"], event["data"]["run"]) == (None, "r-gone")
        with pytest.raises(NotFoundError):
            await supervisor.deleting.run("r-gone", confirm="r-gone")


STAGES = ("checkpoints", "memories", "rows", "mark")


@pytest.mark.fault(
    "Deleting a run",
    tried="the daemon dies in the middle: before the checkpoints, the memories, the rows, or the mark is gone",
    happens="the next start finishes it",
)
@pytest.mark.parametrize("stage", STAGES)
async def test_a_deletion_cut_short_is_finished_at_the_next_start(
    home: Home, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Crash

    async with staged(home) as (supervisor, _):
        make(supervisor, "r-gone")
        with monkeypatch.context() as patch:
            if stage == "checkpoints":
                patch.setattr(supervisor.checkpoints.catalogue, "remove", die)
            elif stage == "memories":
                patch.setattr(run_deletion, "drop_all", die)
            elif stage == "rows":
                patch.setattr(supervisor.store, "remove_run", die)
            else:
                patch.setattr(run_deletion, "_unmark", die)
            with pytest.raises(Crash):
                await supervisor.deleting.run("r-gone", confirm="r-gone")
    assert list(home.replay.glob(f"{run_deletion.MARK_PREFIX}*"))
    async with staged(home) as (supervisor, news):
        await supervisor.deleting.finish()
        assert remains(supervisor, "r-gone") == []
        assert news.kinds() == ["run_deleted"]


@pytest.mark.fault(
    "Deleting a run",
    tried="a run that learns, one that waits, and one whose orphaned trainer still saves",
    happens="refused, with what to do first; nothing is lost",
)
async def test_a_run_that_is_alive_is_not_deleted(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        alive = await supervisor.admission.start(start_request())
        await news.until(lambda: alive.state is RunState.RUNNING)
        made = [save(home, alive.id, step, segments={}, state={"config": alive.config}) for step in (1, 2)]
        waiting = await supervisor.admission.resume(ResumeRequest(checkpoint=made[0].name, queue=True))
        for run in (alive, waiting):
            with pytest.raises(ConflictError, match="stop it first"):
                await supervisor.deleting.run(run.id, confirm=run.id)
        make(supervisor, "r-orphan")
        with RunLock(home.root, "r-orphan"), pytest.raises(ConflictError, match="still held"):
            await supervisor.deleting.run("r-orphan", confirm="r-orphan")
        assert len(supervisor.checkpoints.catalogue.list("r-orphan")) == 2
        assert supervisor.rows.load("r-orphan") is not None


@pytest.mark.fault(
    "Deleting a run",
    tried="another name typed; pinned checkpoints; one that a queued run is about to resume",
    happens="refused, with the reason; pinned ones go only when that is asked for",
)
async def test_what_somebody_needs_is_not_deleted(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        make(supervisor, "r-1")
        with pytest.raises(UsageError, match="type the run's name"):
            await supervisor.deleting.run("r-1", confirm="name of r-2")
        pinned, older = (info.name for info in supervisor.checkpoints.catalogue.list("r-1"))
        supervisor.checkpoints.holds.keep("r-fork", home.checkpoints / older)
        supervisor.checkpoints.catalogue.pin(pinned)
        with pytest.raises(ConflictError, match=f"pinned checkpoints .{pinned}"):
            await supervisor.deleting.run("r-1", confirm="r-1")
        with pytest.raises(ConflictError, match="r-fork is about to resume"):
            await supervisor.deleting.run("r-1", confirm="r-1", pinned_too=True)
        supervisor.checkpoints.holds.release("r-fork")
        await supervisor.deleting.run("r-1", confirm="r-1", pinned_too=True)
        assert remains(supervisor, "r-1") == []


@pytest.mark.fault(
    "Deleting a run",
    tried="a fork still replays what the deleted run remembers",
    happens="only those memories stay; the fork that needs them is named",
)
async def test_memories_that_a_fork_replays_stay(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        make(supervisor, "r-parent")
        save(home, "r-fork", 3, segments={"r-parent": [0], "r-fork": [2]})
        deleted = await supervisor.deleting.run("r-parent", confirm="r-parent")
        assert deleted.kept_for == ("r-fork",)
        assert [path.name for path in (home.replay / "r-parent").iterdir()] == ["seg-000000.bin"]
        assert supervisor.rows.load("r-parent") is None
        assert [info.manifest.run_id for info in Catalogue(home.checkpoints).list()] == ["r-fork"]


@pytest.mark.fault(
    "Deleting a run",
    tried="a run is started with blanks around its name, line ends and control characters in it, or nothing else",
    happens="its name is kept in a form that can be typed, or made of preset and time; typing it deletes the run",
)
@pytest.mark.parametrize(
    ("given", "kept"),
    [("  night shift\n", "night shift"), ("a\tb\x1b[31m \u202ec", "a b [31m c"), (" \0\n", None)],
)
async def test_a_name_can_be_typed(home: Home, given: str, kept: str | None) -> None:
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(dataclasses.replace(start_request(), name=given))
        assert run.name == kept if kept else run.name.startswith("tiny 2")
        await news.until(lambda: run.state is RunState.RUNNING)
        await supervisor.steering.act(run.id, Stop())
        await supervisor.ending.wait(run.id)
        assert (await supervisor.deleting.run(run.id, confirm=run.name)).run == run.id
