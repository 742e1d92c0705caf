"""No run deletes another's checkpoints; the room of all is kept without taking what somebody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from daemon.checkpoint.catalogue import Catalogue
from daemon.checkpoint.manifest import MODEL
from daemon.checkpoint.resume_holds import Holds
from daemon.config.tree import CheckpointConfig
from daemon.events import CheckpointSaved
from daemon.orders import Stop
from daemon.supervisor.requests import ResumeRequest
from daemon.trainer_protocol import RunState
from tests.unit.daemon.checkpoint.samples import Clock, flip_bit, save_steps
from tests.unit.daemon.supervisor.stage import staged, start_request

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home

pytestmark = [pytest.mark.faults, pytest.mark.anyio]


ONE = CheckpointConfig(keep_latest=1, keep_hourly=0, keep_daily=0)


def steps(home: Home, run: str) -> list[int]:
    return sorted(info.manifest.step for info in Catalogue(home.checkpoints).list(run))


def no_room(home: Home) -> None:
    (home.root / "keep.toml").write_text("checkpoints_gib = 1e-9\n")


def replay_of(run: str) -> dict[str, Any]:
    return {"segments": [{"folder": run, "number": 0, "rows": 1, "sha256": "0" * 64}]}


@pytest.mark.fault(
    "Checkpoint retention",
    tried="a run that keeps one checkpoint saves beside runs that keep many",
    happens="only its own are deleted",
)
def test_a_run_deletes_no_checkpoint_of_another(home: Home) -> None:
    save_steps(home.checkpoints, [1, 2, 3], run_id="r-other")
    save_steps(home.checkpoints, [1, 2, 3], run_id="r-greedy", retention=ONE)
    assert steps(home, "r-other") == [1, 2, 3]
    assert steps(home, "r-greedy") == [3]


@pytest.mark.fault(
    "Checkpoint retention",
    tried="two ended runs with rules of their own are pruned while a third, with other rules, is the newest",
    happens="each is pruned by its own rules",
)
async def test_an_ended_run_is_tidied_by_its_own_rules(home: Home) -> None:
    async with staged(home) as (supervisor, _):
        for run, latest in (("r-one", 1), ("r-two", 2)):
            checkpoint = {"keep_latest": latest, "keep_hourly": 0, "keep_daily": 0}
            supervisor.store.create_run(run, config={"checkpoint": checkpoint}, state="stopped")
            save_steps(home.checkpoints, [1, 2, 3], run_id=run)
        supervisor.store.flush()
        deleted = await supervisor.tidier.checkpoints()
        assert len(deleted) == 3
    assert (steps(home, "r-one"), steps(home, "r-two")) == ([3], [2, 3])


@pytest.mark.fault(
    "Checkpoint retention",
    tried="no room at all for the checkpoints of several runs",
    happens="the cap of the home leaves each run its sound one, and every pinned one",
)
async def test_the_cap_leaves_each_run_a_sound_one_and_pinned_ones(home: Home) -> None:
    no_room(home)
    first, *_ = save_steps(home.checkpoints, [1, 2, 3], run_id="r-one")
    save_steps(home.checkpoints, [4, 5], run_id="r-two", clock=Clock(2e9))
    Catalogue(home.checkpoints).pin(first.name)
    async with staged(home) as (supervisor, _):
        await supervisor.tidier.checkpoints()
    assert (steps(home, "r-one"), steps(home, "r-two")) == ([1, 3], [5])


@pytest.mark.fault(
    "Checkpoint retention",
    tried="no room at all, and the newest checkpoint of a run is damaged, unnoticed",
    happens="what is kept is read in full first: the sound one stays",
)
async def test_the_cap_never_takes_the_only_verified_one(home: Home) -> None:
    no_room(home)
    _, _, newest = save_steps(home.checkpoints, [1, 2, 3])
    flip_bit(newest / MODEL, 800)
    async with staged(home) as (supervisor, _):
        await supervisor.tidier.checkpoints()
        assert 2 in steps(home, "r-1")
        latest = supervisor.checkpoints.catalogue.latest("r-1")
    assert latest is not None
    assert latest.manifest.step == 2


@pytest.mark.fault(
    "Checkpoint retention",
    tried="a queued run is to fork from an older checkpoint, while its parent prunes and there is no room",
    happens="the checkpoint stays until the fork has saved one of its own, or has left the queue",
)
async def test_one_that_is_about_to_be_resumed_stays(home: Home) -> None:
    no_room(home)
    async with staged(home) as (supervisor, news):
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING)  # its own first checkpoint is saved
        config = {"config": run.config}
        made = [_saved(home, step, run.id, config) for step in (1, 2)]
        fork = await supervisor.admission.resume(ResumeRequest(checkpoint=made[0].name, queue=True))
        assert fork.id != run.id
        _saved(home, 3, run.id, config, retention=ONE)
        tidier = supervisor.tidier
        await tidier.checkpoints()
        assert steps(home, run.id) == [1, 3]
        with pytest.raises(Exception, match=f"is about to be resumed by {fork.id}"):
            await supervisor.deleting.checkpoint(made[0].name)
        await supervisor.steering.act(fork.id, Stop())
        assert Holds(home.checkpoints).by_run() == {}
        await tidier.checkpoints()
        assert steps(home, run.id) == [3]


@pytest.mark.fault(
    "Checkpoint retention",
    tried="no room at all, and a fork still replays what its parent remembers",
    happens="the checkpoint it forked from stays",
)
async def test_the_parent_that_a_fork_replays_stays(home: Home) -> None:
    no_room(home)
    for step in (1, 2, 3):
        _saved(home, step, "r-parent", replay=replay_of("r-parent"))
    _saved(home, 9, "r-fork", replay=replay_of("r-parent"))
    async with staged(home) as (supervisor, _):
        create = supervisor.store.create_run
        create("r-parent", config={}, state="stopped")
        create("r-fork", config={}, state="stopped", parent_run="r-parent", parent_step=2)
        supervisor.store.flush()
        await supervisor.tidier.checkpoints()
    assert steps(home, "r-parent") == [2, 3]


def _saved(home: Home, step: int, run: str, state: dict[str, Any] | None = None, **changes: Any) -> Path:
    """One more checkpoint of a run, a second after the one before."""
    from tests.unit.daemon.checkpoint.samples import new_writer, tiny  # noqa: PLC0415

    snapshot = {"replay": changes.pop("replay", None), **({} if state is None else {"state": state})}
    writer = new_writer(home.checkpoints, run_id=run, clock=Clock(1.7e9 + step), **changes)
    saved = writer.save_now(tiny(step, **snapshot))
    writer.close()
    return home.checkpoints / saved.checkpoint  # type: ignore[union-attr]


@pytest.mark.fault(
    "Checkpoint retention",
    tried="runs keep saving with room for three checkpoints among all of them",
    happens="after each save the room is kept; a fork's hold ends with its own first checkpoint",
)
async def test_the_room_is_kept_after_each_save(home: Home) -> None:
    async with staged(home) as (supervisor, news):
        tidier = supervisor.tidier
        supervisor.publisher.audiences.add(tidier, "keeper of the home's room")
        run = await supervisor.admission.start(start_request())
        await news.until(lambda: run.state is RunState.RUNNING)
        first = _saved(home, 1, run.id)
        size = sum(path.stat().st_size for path in first.iterdir())
        (home.root / "keep.toml").write_text(f"checkpoints_gib = {3.5 * size / 1024**3}\n")
        supervisor.checkpoints.holds.keep(run.id, first)
        for step in range(2, 8):
            path = _saved(home, step, run.id)
            supervisor.publisher.publish(run, saved_event(path, step))
            await tidier.settled()
            assert len(steps(home, run.id)) <= 3
        assert steps(home, run.id) == [5, 6, 7]  # the first is held no more


def saved_event(path: Path, step: int) -> CheckpointSaved:
    return CheckpointSaved(
        step=step,
        checkpoint=path.name,
        path=str(path),
        reason="auto",
        size_bytes=1,
        stall_seconds=0.0,
        seconds=0.0,
        metrics={},
        timestamp=1.7e9 + step,
    )
