"""Sleep in a real trainer: by hand and by schedule, and resumable between any two of its steps."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from daemon.home import Home
from tests.trainer_process import newest, spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 60
# Asleep for steps 20–29 and 50–59, all of memory's parts at work; probes small enough for a test.
SLEEPY: dict[str, Any] = {
    "sleep__every_steps": 20,
    "sleep__steps": 10,
    "forgetting__every_steps": 3,
    "forgetting__rows": 4,
    "forgetting__row_bytes": 64,
    "forgetting__threshold": 0.0001,
    "optimizer__averaging__every_steps": 2,
    "optimizer__averaging__consistency_every_steps": 3,
    "stream__held_out_share": 0.05,
}
REMEMBERING: dict[str, Any] = {**SLEEPY, "brain__hippocampus_mib": 20}


def weights_hash(checkpoint: Path) -> str:
    return hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()


def learn(home: Home, **settings: Any) -> tuple[Path, list[dict[str, Any]]]:
    """One session to its end; the final checkpoint and what happened."""
    trainer = spawn(tiny_order(home, **{**SLEEPY, **settings}))
    goodbye = trainer.finish()
    assert goodbye.state == "finished", goodbye.error
    assert goodbye.checkpoint is not None
    return home.checkpoints / goodbye.checkpoint, trainer.events


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The uninterrupted run: STEPS steps in one life."""
    home = Home.open(tmp_path_factory.mktemp("straight"), environ={})
    home.prepare()
    return learn(home, **REMEMBERING, limits__steps=STEPS)


def test_a_run_sleeps_on_schedule_and_wakes_up(straight: tuple[Path, list[dict[str, Any]]]) -> None:
    _, events = straight
    story = [(event["kind"], event["step"]) for event in events if event["kind"].startswith("sleep")]
    assert story[0] == ("sleep_began", 20)
    assert story[1][0] in {"sleep_ended", "sleep_rolled_back"}
    assert story[1][1] == 30
    assert story[2] == ("sleep_began", 50)
    states = [event["data"]["after"] for event in events if event["kind"] == "state_changed"]
    assert states[:4] == ["running", "sleeping", "running", "sleeping"]


def test_sleep_carries_over_what_only_the_exact_memory_knew(
    straight: tuple[Path, list[dict[str, Any]]],
) -> None:
    _, events = straight
    kinds = [event["kind"] for event in events]
    assert kinds.count("carried_over") == kinds.count("sleep_ended") > 0
    found = next(event["data"] for event in events if event["kind"] == "carried_over")
    assert found["with_memory"] < found["before"]
    assert found["share"] == pytest.approx(
        (found["before"] - found["after"]) / (found["before"] - found["with_memory"])
    )
    assert 0 < found["share"] < 1


def test_interrupted_in_sleep_and_awake_the_same_weights_come_out(
    home: Home, straight: tuple[Path, list[dict[str, Any]]]
) -> None:
    middle, _ = learn(home, **REMEMBERING, limits__steps=25)
    end, _ = learn(home, **REMEMBERING, limits__steps=STEPS - 25, session=2, checkpoint=middle)
    assert weights_hash(end) == weights_hash(straight[0])


def test_after_kill_9_in_sleep_the_same_weights_come_out(
    home: Home, straight: tuple[Path, list[dict[str, Any]]]
) -> None:
    trainer = spawn(tiny_order(home, **REMEMBERING, limits__steps=STEPS))
    trainer.receive_until(lambda seen: seen.step >= 21)
    trainer.order("checkpoint")
    trainer.kill()
    end, _ = learn(home, session=2, checkpoint=newest(home.checkpoints), limits_from_checkpoint=True)
    assert weights_hash(end) == weights_hash(straight[0])


def test_sleep_by_hand_is_journaled_and_obeys_between_its_steps(home: Home) -> None:
    trainer = spawn(tiny_order(home, **{**SLEEPY, "sleep__every_steps": 0, "limits__steps": 180}))
    trainer.receive_until(lambda seen: seen.step >= 3)
    began = trainer.order("sleep", steps=150)
    assert began.ok, began.error
    assert began.result["steps"] == 150
    again = trainer.order("sleep")
    assert again.conflict
    assert "asleep already" in (again.error or "")
    assert trainer.order("pause").ok
    assert trainer.order("continue").ok
    goodbye = trainer.finish()
    assert goodbye.checkpoint is not None
    states = [event["data"]["after"] for event in trainer.events if event["kind"] == "state_changed"]
    assert states[:5] == ["running", "sleeping", "paused", "sleeping", "running"]
    # As if everything after the first checkpoint had been lost: it falls asleep at the same step again.
    first = min(home.checkpoints.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    replayed, _ = learn(home, sleep__every_steps=0, session=2, checkpoint=first, limits_from_checkpoint=True)
    assert weights_hash(replayed) == weights_hash(home.checkpoints / goodbye.checkpoint)


def test_a_harmful_sleep_is_undone(home: Home) -> None:
    # A long sleep over eight rows learns them by heart, at the cost of all else.
    settings = {**SLEEPY, "replay__capacity": 8, "sleep__steps": 60, "optimizer__learning_rate": 0.1}
    trainer = spawn(tiny_order(home, **settings, limits__steps=81))
    assert trainer.finish().state == "finished"
    undone = [event for event in trainer.events if event["kind"] == "sleep_rolled_back"]
    assert undone
    data = undone[0]["data"]
    assert data["after"] > data["before"]
    probe = {(name, step): value for name, step, _, value in trainer.points if name.startswith("probe_bpc/")}
    after = [value for (_, step), value in probe.items() if step == 80]
    assert sum(after) / len(after) == pytest.approx(data["before"], rel=1e-9)


def test_forgetting_is_reported_and_raises_the_share_of_replay(home: Home) -> None:
    trainer = spawn(
        tiny_order(home, **{**SLEEPY, "sleep__every_steps": 0, "sleep__rest_steps": 0}, limits__steps=40)
    )
    assert trainer.finish().state == "finished"
    reported = {name: value for name, _, _, value in trainer.points}
    assert reported["forgetting_worst"] >= reported["forgetting"] >= 0.0
    assert reported["stability_gap"] >= 0.0
    assert "backward_transfer" in reported
    fractions = [value for name, _, _, value in trainer.points if name == "replay_fraction"]
    assert all(0.2 <= fraction <= 0.5 for fraction in fractions)


def test_without_slow_weights_a_run_cannot_sleep(home: Home) -> None:
    trainer = spawn(
        tiny_order(home, **{**SLEEPY, "optimizer__averaging__every_steps": 0, "limits__steps": 200})
    )
    trainer.receive_until(lambda seen: seen.step >= 3)
    refused = trainer.order("sleep")
    assert refused.conflict
    assert "slow weights" in (refused.error or "")
    assert trainer.order("stop").ok
    trainer.finish()
