"""A disk that is full, over quota, broken or read-only: the run continues while it safely can, and heals by itself."""

from __future__ import annotations

import errno
import gzip
from typing import TYPE_CHECKING, Any

import pytest

from brain.growth.plan import GrowthPlan
from daemon.checkpoint.catalogue import Catalogue
from daemon.home import Home
from daemon.orders import Pause
from daemon.trainer.life.ending import Ending
from daemon.trainer_protocol import Command, Outcome, RunState
from tests.full_disk import FailingDisk, clear, fill, small_disk, states
from tests.orders import order_of
from tests.still_loop import StillLoop
from tests.trainer_process import spawn, tiny_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


pytestmark = pytest.mark.faults

FAILURES = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS]
BARE: dict[str, Any] = {
    "vitals__enabled": False,
    "forgetting__enabled": False,
    "evaluation__enabled": False,
    "sample__max_bytes": 0,
}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("what is read again and again\n" * 2000)
    return path


@pytest.fixture
def still(home: Home, text: Path) -> Iterator[Callable[..., StillLoop]]:
    made: list[StillLoop] = []

    def make(where: Home = home, **settings: Any) -> StillLoop:
        made.append(StillLoop(where, **{**BARE, "stream__data": [str(text)], **settings}))
        return made[-1]

    yield make
    for loop in made:
        if not loop.run_state.ended:
            loop.let_go()


class Story:
    """A real control that runs the test's callback whenever the run stands still, and ends it once all is well.

    Args:
        loop: the run.
        on_pause: called at each heartbeat of a pause.
    """

    def __init__(self, loop: StillLoop, on_pause: Callable[[], None]) -> None:
        self._control = loop.parts.control
        self.degraded: list[str | None] = []
        loop.pipe.wait_for_news = lambda _: on_pause()  # type: ignore[method-assign, assignment]
        set_degraded = loop.reporter.set_degraded

        def note(cause: str, reason: str | None) -> bool:
            changed = set_degraded(cause, reason)
            if changed and cause == "checkpoint":
                self.degraded.append(reason)
            return changed

        loop.reporter.set_degraded = note  # type: ignore[method-assign]

    def __call__(self) -> Ending | None:
        if self.degraded[-1:] == [None]:  # and it has been otherwise
            return Ending(state=RunState.STOPPED, reason="all is well")
        return self._control()


@pytest.mark.fault(
    "Full disk",
    tried="a real disk of 64 MiB is filled to the last byte while a run learns on it",
    happens="learning continues, degraded; after three missed saves it pauses; with room again it continues by itself",
)
def test_a_real_disk_fills_up_and_gets_room_again(
    tmp_path: Path, still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.system.retry.RETRY_SECONDS", 0.0)
    with small_disk(tmp_path / "disk", mebibytes=64) as disk:
        home = Home.open(disk / "home", environ={})
        home.prepare()
        loop = still(home, checkpoint__every_seconds=0.01)
        fill(disk)
        begun = loop.step
        story = Story(loop, on_pause=lambda: clear(disk))
        goodbye = loop.run(story)
        assert (goodbye.state, goodbye.error) == ("stopped", None)
        assert goodbye.step > begun
        assert "No space left on device" in str(story.degraded[0])
        order = states(loop)
        assert order[:3] == ["running", "paused", "running"]
        newest = Catalogue(home.checkpoints).latest()
        assert newest is not None
        assert newest.manifest.step == goodbye.step


@pytest.mark.fault(
    "Full disk",
    tried="a run is started on a real disk without a free byte",
    happens="it learns, degraded, without a first checkpoint; with room again its last save is whole",
)
def test_a_run_begins_on_a_full_disk(tmp_path: Path, text: Path) -> None:
    with small_disk(tmp_path / "disk", mebibytes=32) as disk:
        home = Home.open(disk / "home", environ={})
        home.prepare()
        fill(disk)
        trainer = spawn(tiny_order(home, **{**BARE, "stream__data": [str(text)]}))
        trainer.receive_until(lambda seen: seen.step >= 3)
        assert "checkpoint_failed" in trainer.kinds()
        assert Catalogue(home.checkpoints).list() == []
        clear(disk)
        assert trainer.order("stop").ok
        assert trainer.finish().error is None
        assert len(Catalogue(home.checkpoints).list()) == 1


@pytest.mark.parametrize("number", FAILURES)
@pytest.mark.fault(
    "Full disk",
    tried="only the replay memory cannot be written: no space, over quota, input/output error, read-only",
    happens="it counts as a save that failed: degraded, paused after three intervals, and it recovers by itself",
)
def test_replay_that_cannot_be_written_is_a_save_that_failed(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    disk = FailingDisk(monkeypatch, "replay", number=number, fails=False)
    loop = still(checkpoint__every_seconds=0.01)
    disk.fail()
    story = Story(loop, on_pause=disk.mend)
    assert loop.run(story).error is None
    assert states(loop)[:3] == ["running", "paused", "running"]


@pytest.mark.fault(
    "Full disk",
    tried="a person continues a run that paused because nothing could be saved",
    happens="it learns for three more intervals before it pauses again",
)
def test_continue_gives_three_intervals_again(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FailingDisk(monkeypatch, fails=False)
    loop = still(checkpoint__every_seconds=0.2)
    disk.fail()
    paused_at: list[int] = []
    answers = [True]

    def on_pause() -> None:
        while loop.ours.poll():  # also, a pipe that nobody reads would fill up on a slow machine
            answers.append(isinstance(loop.ours.recv(), Outcome))
        if any(answers):  # it has obeyed, and stands again
            answers.clear()
            paused_at.append(loop.step)
            loop.ours.send(Command(id=f"c{len(paused_at)}", order=order_of("continue", {})))
        if len(paused_at) == 3:
            disk.mend()

    assert loop.run(Story(loop, on_pause)).error is None
    # Each time it continued learning: at once paused again it would stand at the same step, or one later.
    assert paused_at[1] - paused_at[0] > 1
    assert paused_at[2] - paused_at[1] > 1


@pytest.mark.parametrize("number", FAILURES)
@pytest.mark.fault(
    "Full disk",
    tried="the loss stops being finite, and the roll-back cannot be journaled",
    happens="steps are skipped, which changes nothing, until it can; then the brain rolls back",
)
def test_a_roll_back_waits_for_the_disk(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("daemon.system.retry.RETRY_SECONDS", 0.0)
    disk = FailingDisk(monkeypatch, number=number, fails=False)
    loop = still(recovery__rollback_after_skips=2)
    loop.learn()
    disk.fail()
    for _ in range(5):
        loop.skipped_step()
    assert loop.parts.contents.nonfinite.rollbacks == 0
    disk.mend()
    loop.skipped_step()
    assert loop.parts.contents.nonfinite.rollbacks == 1
    loop.learn()
    reported = [event["kind"] for event in loop.events()]
    assert reported.count("rolled_back") == 1
    assert reported.count("degraded_changed") == 2  # and back


@pytest.mark.fault(
    "Full disk",
    tried="the checkpoint behind a roll-back, a stand-still or a growth by rule cannot be saved",
    happens="the run continues, degraded, and the save is tried again",
)
def test_a_save_on_the_way_may_fail(still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FailingDisk(monkeypatch, "checkpoint", fails=False)
    loop = still(recovery__rollback_after_skips=1)
    loop.learn()
    disk.fail()
    loop.skipped_step()
    assert loop.parts.contents.nonfinite.rollbacks == 1
    loop.parts.pauses.stand_still("a test wants it")
    plan = loop.parts.growth_by_hand.plan("self_model", 0.1)
    loop.parts.growing.grow_by_rule(plan)
    assert isinstance(plan, GrowthPlan)
    assert len(loop.parts.contents.growth.history) == 1
    disk.mend()
    loop.parts.pauses.over()
    loop.parts.saver.save("manual")
    reported = [event["data"]["reason"] for event in loop.events() if event["kind"] == "checkpoint_failed"]
    assert reported == ["rollback", "pause", "growth", "grown"]


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.fault(
    "Full disk",
    tried="a run halts for lack of space, paused by a person or not; then there is space again",
    happens="it continues by itself, or stays paused if a person paused it",
)
def test_a_pause_by_hand_outlives_the_want_of_room(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    disk = FailingDisk(monkeypatch, "checkpoint", fails=False)
    loop = still()
    loop.learn()
    disk.fail()
    assert loop.parts.saver.try_save("auto") is None
    loop.parts.pauses.wait_for_room("a test wants it")
    assert not loop.parts.pauses.over()
    control, pause = loop.parts.control, Command(id="c1", order=Pause(reason="by hand"))
    if by_hand:
        assert control.obey(pause).ok
        assert control.obey(pause).conflict
    disk.mend()
    loop.parts.saver.save("manual")
    assert loop.parts.pauses.over() is not by_hand
    assert (loop.run_state is RunState.PAUSED) is by_hand


@pytest.mark.parametrize("number", FAILURES)
@pytest.mark.fault(
    "Full disk",
    tried="everything is read, and the sleep that follows cannot be journaled",
    happens="the run waits, degraded, and falls asleep once it can be",
)
def test_a_sleep_of_an_idle_stream_waits_for_the_disk(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    monkeypatch.setattr("daemon.system.retry.RETRY_SECONDS", 0.0)
    disk = FailingDisk(monkeypatch, number=number, fails=False)
    short = tmp_path / "short.txt"
    short.write_text("all there is to read " * 30)
    loop = still(
        stream__data=[str(short)],
        stream__at_end="wait",
        stream__idle_after_seconds=0.0,
        sleep__idle_awake_steps=1,
    )
    loop.pipe.wait_for_news = lambda _: None  # type: ignore[method-assign, assignment]
    disk.fail()
    while loop.run_state is not RunState.WAITING:
        loop.learn()
    assert not loop.parts.sleeping.asleep
    disk.mend()
    loop.learn()
    assert loop.parts.sleeping.asleep


@pytest.mark.parametrize("at_end", ["again", "wait"])
@pytest.mark.parametrize("beside", [0, 40])
@pytest.mark.fault(
    "Full disk",
    tried="packed text cannot be decoded into the cache, alone or beside plain text, read in passes or followed",
    happens="the run reads what it can or waits, degraded, and reads the packed text once there is room",
)
def test_packed_text_waits_for_the_disk(
    still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, at_end: str, beside: int
) -> None:
    monkeypatch.setattr("daemon.system.retry.RETRY_SECONDS", 0.0)
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt.gz").write_bytes(gzip.compress(b"PACKED " * 400))
    if beside:
        (folder / "b.txt").write_text("plain " * 100 * beside)
    disk = FailingDisk(monkeypatch, "cache")
    loop = still(stream__data=[str(folder)], stream__at_end=at_end, stream__idle_after_seconds=1000.0)
    loop.pipe.wait_for_news = lambda _: None  # type: ignore[method-assign, assignment]
    for _ in range(20):
        loop.learn()
        loop.parts.pauses.save_or_pause()
    assert loop.run_state is not RunState.PAUSED
    assert bool(loop.step) == bool(beside)
    assert "No space left" in str(loop.parts.stream.degraded)
    disk.mend()
    received: list[bytes] = []
    read = loop.parts.stream.next

    def noted(lanes: Sequence[int]) -> Any:
        experience, cursor = read(lanes)
        received.append(experience.bytes.tobytes())
        return experience, cursor

    loop.parts.stream.next = noted  # type: ignore[method-assign]
    for _ in range(1200):
        loop.learn()
        if any(b"PACKED" in rows for rows in received):
            break
    else:
        pytest.fail("the packed text was never read")
    loop.parts.pauses.save_or_pause()
    assert loop.parts.stream.degraded is None
    reported = [event["data"]["degraded"] for event in loop.events() if event["kind"] == "degraded_changed"]
    assert reported == [True, False]


@pytest.mark.fault(
    "Full disk",
    tried="what no checkpoint needs any more cannot be deleted, and the folder cannot be listed",
    happens="it is left for later; the run continues",
)
def test_tidying_up_may_fail(still: Callable[..., StillLoop], monkeypatch: pytest.MonkeyPatch) -> None:
    loop = still(checkpoint__keep_latest=1, checkpoint__keep_hourly=0, checkpoint__keep_daily=0)

    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(loop.parts.journal, "drop_before", broken)
        for _ in range(2):
            loop.learn()
            loop.parts.saver.save("manual")
        patch.setattr(Catalogue, "_entries", broken)
        loop.learn()
        loop.parts.saver.save("manual")
    loop.learn()
    loop.parts.saver.save("manual")
    assert "checkpoint_failed" not in [event["kind"] for event in loop.events()]


@pytest.mark.fault(
    "A loss that is not finite",
    tried="the checkpoint to roll back to is damaged, or was never there",
    happens="the brain rolls back to the newest sound one before it, and an event reports it",
)
def test_the_way_back_is_damaged(still: Callable[..., StillLoop], home: Home) -> None:
    loop = still(recovery__rollback_after_skips=1)
    first = loop.parts.saver.newest()
    loop.learn()
    damaged = loop.parts.saver.save("manual")
    path = home.checkpoints / damaged / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    loop.learn()
    loop.skipped_step()
    assert loop.parts.contents.nonfinite.rollbacks == 1
    reported = {event["kind"]: event for event in loop.events()}
    assert reported["rolled_back"]["data"]["to_step"] == 0
    assert first in reported["setting_restored"]["message"]
    assert reported["checkpoint_set_aside"]["data"]["checkpoint"] == damaged
