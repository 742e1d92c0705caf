"""A stream with nothing to read, in a real trainer: it sleeps once, waits, obeys, and resumes when text arrives."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

import pytest

from daemon.home import Home
from daemon.orders import Stop
from daemon.trainer_protocol import Command, Goodbye
from tests.daemon_process import DaemonProcess
from tests.trainer_process import TrainerProcess, newest, spawn, tiny_order

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# 3.6 KB are read in some 50 steps by three lanes; then ten steps of sleep.
FOLLOWING: dict[str, Any] = {
    "stream__at_end": "wait",
    "stream__idle_after_seconds": 0.2,
    "sleep__idle_awake_steps": 10,
    "sleep__every_steps": 0,
    "sleep__steps": 10,
    "forgetting__rows": 4,
    "forgetting__row_bytes": 64,
    "optimizer__averaging__every_steps": 2,
    "stream__held_out_share": 0.05,
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path)


def write_log(folder: Path) -> Path:
    path = folder / "app.log"
    path.write_bytes(b"".join(b"%06d all is well in house number %d\n" % (i, i % 97) for i in range(100)))
    return path


def follow(home: Home, log: Path, **settings: Any) -> TrainerProcess:
    return spawn(tiny_order(home, stream__data=[str(log)], **{**FOLLOWING, **settings}))


@pytest.fixture(autouse=True)
def _none_left() -> Generator[None]:
    """A test that fails leaves a trainer that would wait forever."""
    yield
    for child in multiprocessing.active_children():
        child.kill()


def states(trainer: TrainerProcess) -> list[str]:
    """What the run was, one after another."""
    return [event["data"]["after"] for event in trainer.events if event["kind"] == "state_changed"]


def until_waiting(trainer: TrainerProcess, times: int = 1) -> None:
    trainer.receive_until(lambda seen: states(seen).count("waiting") == times)


def weights_of(checkpoint: Path) -> str:
    return hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()


def stop(trainer: TrainerProcess, home: Home) -> Path:
    """Its final checkpoint."""
    goodbye = end(trainer)
    assert goodbye.checkpoint is not None, goodbye.error
    return home.checkpoints / goodbye.checkpoint


def end(trainer: TrainerProcess) -> Goodbye:
    """Stop it; its last words."""
    trainer.connection.send(Command(id="stop", order=Stop()))
    return trainer.finish()


def test_it_reads_all_sleeps_once_waits_and_learns_on_what_is_appended(home: Home, log: Path) -> None:
    trainer = follow(home, log, checkpoint__every_seconds=1.0)  # oftener, a busy machine does little else
    until_waiting(trainer)
    assert states(trainer) == ["running", "sleeping", "waiting"]
    (began,) = [event for event in trainer.events if event["kind"] == "sleep_began"]
    assert began["data"]["reason"] == "the stream idles"
    read = trainer.step
    assert read == began["step"] + 10
    started = time.monotonic()
    trainer.receive()
    trainer.receive()
    assert time.monotonic() - started > 0.5, "it looks for news without a rest"
    assert trainer.step == read

    def saved_here(seen: TrainerProcess) -> list[Any]:
        return [e for e in seen.events if e["kind"] == "checkpoint_saved" and e["step"] == read]

    trainer.receive_until(saved_here)
    trainer.receive()
    trainer.receive()
    assert len(saved_here(trainer)) == 1, "it saves the same again"
    with log.open("ab") as file:
        file.write(b"999999 something new happened\n")
    until_waiting(trainer, times=2)
    assert states(trainer)[3:] == ["running", "waiting"], "too little was learned for another sleep"
    assert trainer.step == read + 1
    stop(trainer, home)


def test_it_obeys_while_it_waits(home: Home, log: Path) -> None:
    trainer = follow(home, log)
    until_waiting(trainer)
    read = trainer.step
    newest = {name: (step, value) for name, step, _time, value in trainer.points}
    assert newest["steps_per_second"] == newest["bytes_per_second"] == (read, 0.0), "it reads nothing now"
    assert newest["self_model_loss"][0] >= read - 10, (
        "what the brain counts is older than its last step awake"
    )
    assert trainer.order("checkpoint").ok
    assert trainer.order("generate", prompt="000", max_bytes=5, temperature=0.8, top_p=0.9).result["text"]
    assert trainer.order("continue").conflict
    assert trainer.order("pause").ok
    assert trainer.order("continue").ok
    trainer.receive_until(lambda seen: states(seen)[-2:] == ["paused", "waiting"])
    assert trainer.order("feed", text="text by hand " * 20, origin="test").ok
    until_waiting(trainer, times=3)
    assert trainer.step == read + 9  # 260 bytes of one lane, 32 in a row
    assert trainer.order("sleep", steps=3).ok
    until_waiting(trainer, times=4)
    assert trainer.step == read + 12
    stop(trainer, home)


def test_stopped_and_resumed_it_reads_what_came_meanwhile_and_nothing_twice(home: Home, log: Path) -> None:
    trainer = follow(home, log, sleep__idle_awake_steps=0)
    until_waiting(trainer)
    samples = end(trainer).samples
    with log.open("ab") as file:
        file.write(b"x" * 640)
    trainer = follow(home, log, sleep__idle_awake_steps=0, session=2, checkpoint=newest(home.checkpoints))
    until_waiting(trainer)
    assert end(trainer).samples == samples + 20
    assert states(trainer)[:2] == ["running", "waiting"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a run that nobody cut off."""
    home = Home.open(tmp_path_factory.mktemp("undisturbed"), environ={})
    home.prepare()
    trainer = follow(home, write_log(tmp_path_factory.mktemp("logs")))
    until_waiting(trainer)
    return weights_of(stop(trainer, home))


def test_after_kill_9_in_the_sleep_of_idling_the_same_weights_wait(
    home: Home, log: Path, undisturbed: str
) -> None:
    for saved_in_sleep in (False, True):  # not saved there all is learned again, the sleep at its step
        run_id = f"r-{saved_in_sleep}"
        trainer = follow(home, log, run_id=run_id)
        trainer.receive_until(lambda seen: "sleeping" in states(seen))
        if saved_in_sleep:
            trainer.order("checkpoint")
        trainer.kill()
        again = follow(home, log, run_id=run_id, session=2, checkpoint=newest(home.checkpoints))
        until_waiting(again)
        assert weights_of(stop(again, home)) == undisturbed, run_id


def test_cut_off_while_it_reads_the_same_weights_wait(home: Home, log: Path, undisturbed: str) -> None:
    trainer = follow(home, log, limits__steps=12)
    middle = trainer.finish().checkpoint
    assert middle is not None
    trainer = follow(home, log, session=2, checkpoint=home.checkpoints / middle)
    until_waiting(trainer)
    assert weights_of(stop(trainer, home)) == undisturbed


def test_a_daemon_follows_a_log(home: Home, log: Path) -> None:
    settings = ["--set", "stream.idle_after_seconds=0.2", "--set", "threads=1"]
    daemon = DaemonProcess.start(home, "start", "--preset", "tiny", "--data", str(log), "--follow", *settings)
    daemon.wait_for_line("running → waiting: everything is read; it continues when there is more")
    with log.open("ab") as file:
        file.write(b"something new happened\n")
    daemon.wait_for_line("waiting → running: there is more to read")
    daemon.wait_for_line("running → waiting")
    daemon.interrupt()
    assert daemon.wait() == 0, daemon.output()


def test_a_sleep_of_idling_takes_effect_at_its_step_again_even_if_there_is_more_to_read_now(
    home: Home, log: Path
) -> None:
    trainer = follow(home, log)
    trainer.receive_until(lambda seen: "sleeping" in states(seen))
    trainer.kill()
    with log.open("ab") as file:
        file.write(b"what came after it " * 200)
    again = follow(home, log, session=2, checkpoint=newest(home.checkpoints))
    until_waiting(again)
    end(again)

    def sleeps(seen: TrainerProcess) -> list[tuple[int, str]]:
        return [(e["step"], e["data"]["reason"]) for e in seen.events if e["kind"] == "sleep_began"]

    assert sleeps(again)[:1] == sleeps(trainer)


def fed(trainer: TrainerProcess) -> list[int]:
    """Bytes of each text by hand that took effect."""
    return [e["data"]["num_bytes"] for e in trainer.events if e["kind"] == "experience_pushed"]


def test_what_was_fed_while_it_waited_at_a_lower_step_is_not_lost_with_the_next_crash(
    home: Home, log: Path
) -> None:
    first = follow(home, log, sleep__idle_awake_steps=0)
    until_waiting(first)
    assert first.order("feed", text="of the first life", origin="test").ok
    first.kill()
    log.write_bytes(b"")  # what the steps up to there were learned from is gone
    second = follow(home, log, sleep__idle_awake_steps=0, session=2, checkpoint=newest(home.checkpoints))
    until_waiting(second)
    assert fed(second) == [len("of the first life")]
    assert second.order("checkpoint").ok
    assert second.order("feed", text="of the second life", origin="test").ok
    until_waiting(second, times=2)
    second.kill()
    third = follow(home, log, sleep__idle_awake_steps=0, session=3, checkpoint=newest(home.checkpoints))
    until_waiting(third)
    assert fed(third) == [len("of the second life")]
    end(third)


def test_a_sleep_that_has_nothing_to_replay_any_more_is_dropped_with_a_word(home: Home, log: Path) -> None:
    first = follow(home, log)
    first.receive_until(lambda seen: "sleeping" in states(seen))
    first.kill()
    log.write_bytes(b"")
    second = follow(home, log, session=2, checkpoint=newest(home.checkpoints))
    until_waiting(second)
    printed = [event["data"]["what"] for event in second.events if event["kind"] == "setting_restored"]
    assert "a sleep did not take effect: there is nothing to replay yet" in printed
    assert "sleeping" not in states(second)
    end(second)
