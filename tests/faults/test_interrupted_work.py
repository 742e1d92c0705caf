"""Long work is under way when the run is to end: it lets go, and the last save comes within the grace time."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from brain.models.synapse.synapse_brain import Synapse
from daemon.interrupting import Interrupted
from daemon.streams.walking import Walk
from daemon.trainer.loop import Loop
from daemon.trainer.measures.frozen_probes import Probes
from daemon.trainer_protocol import Command, Goodbye
from tests.one_life import OneLife
from tests.orders import order_of
from tests.trainer_process import tiny_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.home import Home

pytestmark = pytest.mark.faults

ENDS = ["stop", "signal", "loss"]
# Asleep from step 4 on for 3 steps; a probe in more pieces than one.
SLEEPY: dict[str, Any] = {
    "vitals__enabled": False,
    "sample__max_bytes": 0,
    "sleep__every_steps": 4,
    "sleep__steps": 3,
    "forgetting__every_steps": 2,
    "forgetting__rows": 4,
    "forgetting__row_bytes": 64,
    "optimizer__averaging__every_steps": 1,
    "stream__held_out_share": 0.3,
}


def text(folder: Path) -> str:
    path = folder / "notes.txt"
    path.write_text("".join(f"line {number} of what is read\n" for number in range(8000)))
    return str(path)


def end(life: OneLife, how: str) -> None:
    """Order the run to end, and see that it knows."""
    match how:
        case "stop":
            life.ours.send(Command(id="stop", order=order_of("stop", {})))
        case "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        case _:
            life.ours.close()
    for _ in range(1000):
        if life.pipe.ending:
            return
        life.pipe.wait_for_news(0.01)
    raise TimeoutError("it never came to know")


def ended_within(
    monkeypatch: pytest.MonkeyPatch, home: Home, folder: Path, command: Command, *, how: str, what: str
) -> tuple[OneLife, int]:
    """A session that is asked to end while the brain works on a command; the pieces of work it did."""
    work = getattr(Synapse, what)
    lives: list[OneLife] = []
    pieces = 0

    def watched(*arguments: Any, **settings: Any) -> Any:
        nonlocal pieces
        pieces += 1
        if pieces == 1:
            end(lives[0], how)
        return work(*arguments, **settings)

    monkeypatch.setattr(Synapse, what, watched)

    def begin(life: OneLife) -> None:
        lives.append(life)
        life.ours.send(command)

    order = tiny_order(home, stream__data=[text(folder)], limits__steps=2000, evaluation__enabled=True,
                       **SLEEPY | {"evaluation__every_steps": 1000})  # fmt: skip
    return OneLife(order, begin), pieces


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.fault(
    "Stopping in the middle of work",
    tried="stop, SIGTERM or the loss of the supervisor while the held-out set is scored",
    happens="scoring ends with the slice in hand, is answered as interrupted, and the run saves and ends",
)
def test_an_evaluation_lets_go(monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path, how: str) -> None:
    evaluate = Command(id="evaluate", order=order_of("evaluate", {}))
    life, slices = ended_within(monkeypatch, home, tmp_path, evaluate, how=how, what="score")
    assert life.goodbye.state == "stopped"
    assert life.goodbye.error is None
    assert slices == 1
    if how != "loss":  # else nobody is there to be answered
        answer = life.outcomes["evaluate"]
        assert (answer.ok, answer.conflict) == (False, True)
        assert "interrupted" in str(answer.error)
    if how == "stop":
        assert life.outcomes["stop"].result == {"checkpoint": life.goodbye.checkpoint}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.fault(
    "Stopping in the middle of work",
    tried="stop, SIGTERM or the loss of the supervisor while the brain writes a long answer",
    happens="the answer stops there and is reported as interrupted; the run saves and ends",
)
def test_a_long_answer_lets_go(monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path, how: str) -> None:
    settings = {"prompt": "line", "max_bytes": 8_000, "temperature": 1.0, "top_p": 1.0}
    ask = Command(id="ask", order=order_of("generate", settings))
    life, _ = ended_within(monkeypatch, home, tmp_path, ask, how=how, what="generate")
    assert (life.goodbye.state, life.goodbye.error) == ("stopped", None)
    if how != "loss":
        assert "interrupted" in str(life.outcomes["ask"].error)


@pytest.mark.parametrize("action", ["evaluate", "grow", "growth", "generate", "sleep"])
@pytest.mark.fault(
    "Stopping in the middle of work",
    tried="an order that takes long waits before a stop",
    happens="it is not started, and reported as interrupted",
)
def test_what_waits_before_a_stop_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path, action: str
) -> None:
    lives: list[OneLife] = []
    run = Loop.run

    def reported_at_once(loop: Loop, obey: Any) -> Goodbye:
        lives[0].ours.send(Command(id="long", order=order_of(action)))
        end(lives[0], "stop")
        return run(loop, obey)

    monkeypatch.setattr(Loop, "run", reported_at_once)
    order = tiny_order(home, stream__data=[text(tmp_path)], limits__steps=2000, **SLEEPY)
    life = OneLife(order, lives.append)
    assert life.goodbye.state == "stopped"
    assert "interrupted" in str(life.outcomes["long"].error)
    # Nothing was learned: the first checkpoint is the last one, too.
    assert [path.name for path in home.checkpoints.iterdir()] == [life.goodbye.checkpoint]


@pytest.mark.parametrize("cut_at", [0, 1])
@pytest.mark.fault(
    "Stopping in the middle of work",
    tried="SIGTERM while a sleep scores the probes, before it begins and before it ends",
    happens="saved in the middle of the sleep; resumed, the weights are those of a run that was never ended",
)
def test_a_sleep_is_cut_short_and_continues_exactly(
    monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path, cut_at: int
) -> None:
    data = text(tmp_path)
    whole = OneLife(tiny_order(home, run_id="r-whole", stream__data=[data], limits__steps=12, **SLEEPY))
    lives: list[OneLife] = []
    cut_short_when(monkeypatch, lives, cut_at)
    first = OneLife(tiny_order(home, stream__data=[data], limits__steps=12, **SLEEPY), lives.append)
    assert first.goodbye.state == "stopped"
    assert first.goodbye.step == (4, 7)[cut_at]
    assert first.goodbye.checkpoint is not None
    monkeypatch.undo()
    resumed = OneLife(
        tiny_order(
            home,
            session=2,
            checkpoint=home.checkpoints / first.goodbye.checkpoint,
            limits_from_checkpoint=True,
            stream__data=[data],
            limits__steps=12,
            **SLEEPY,
        )
    )
    assert (resumed.goodbye.state, resumed.goodbye.step) == ("finished", 12)
    assert weights(home, resumed) == weights(home, whole)


@pytest.mark.parametrize("how", ["stop", "loss"])
@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.fault(
    "Stopping in the middle of work",
    tried="stop, or the loss of the supervisor, while a session still lists its files; new and resumed",
    happens="listing ends with the file in hand; nothing is saved, the newest checkpoint stays what it was",
)
def test_a_start_lets_go(
    monkeypatch: pytest.MonkeyPatch, home: Home, tmp_path: Path, how: str, resumed: bool
) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number}.txt").write_text("text\n" * 100)
    settings: dict[str, Any] = {"stream__data": [str(folder)], "limits__steps": 4}
    if resumed:
        before = OneLife(tiny_order(home, **settings)).goodbye.checkpoint
        settings |= {"session": 2, "checkpoint": home.checkpoints / str(before)}
    saved = sorted(home.checkpoints.iterdir())
    lives: list[OneLife] = []
    look, looks = Walk.look, 0

    def watched(walk: Walk, path: Path) -> Any:
        nonlocal looks
        looks += 1
        if looks == 3:
            end(lives[0], how)
        return look(walk, path)

    monkeypatch.setattr(Walk, "look", watched)
    with pytest.raises(Interrupted):
        OneLife(tiny_order(home, **settings), lives.append)
    assert looks == 3
    assert sorted(home.checkpoints.iterdir()) == saved


def cut_short_when(monkeypatch: pytest.MonkeyPatch, lives: list[OneLife], cut_at: int) -> None:
    """A signal comes just before the probes are scored as a whole for that many times before."""
    score_all = Probes.score_all
    times = 0

    def cut(probes: Probes, brain: Any, on_progress: Callable[[], None]) -> float:
        nonlocal times
        lives[0].pipe.terminated |= times == cut_at
        times += 1
        return score_all(probes, brain, on_progress)

    monkeypatch.setattr(Probes, "score_all", cut)


def weights(home: Home, life: OneLife) -> str:
    path = home.checkpoints / str(life.goodbye.checkpoint) / "model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()
