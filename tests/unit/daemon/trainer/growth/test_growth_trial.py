"""A growth on trial beside a scripted twin: what is judged, what breaks a trial off, and what is reported."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
import torch

from brain.growth.config import GrowthConfig
from brain.ports import Batch, BrainState, StepReport
from daemon.events import GrowthJudged
from daemon.trainer.growth.growth_state import GrowthState
from daemon.trainer.growth.growth_trial import Trials, restore_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.events import Event

STEPS = 40
LIMITS = GrowthConfig(trial_steps=STEPS, worth=0.01)
ROW = torch.zeros(1, 4, dtype=torch.uint8)
BATCH = Batch(
    bytes=ROW,
    mask=torch.ones(1, 4, dtype=torch.bool),
    lane=torch.zeros(1, dtype=torch.int64),
    reset=torch.zeros(1, dtype=torch.bool),
    source=torch.zeros(1, dtype=torch.int64),
)


def report(loss: float, num_bytes: int = 4) -> StepReport:
    return StepReport(
        loss=loss,
        replay_loss=None,
        num_bytes=num_bytes,
        row_loss=torch.tensor([loss]),
        grad_norm=0.0,
        learning_rate=0.0,
        applied=True,
    )


class Scripted:
    """A brain whose twin costs what the script says."""

    def __init__(self, loss: Callable[[int], float], steps: int = 0) -> None:
        self.loss, self.steps = loss, steps

    def learn(self, batch: Batch) -> StepReport:
        assert batch is BATCH
        self.steps += 1
        return report(self.loss(self.steps))

    def twin(self, state: BrainState | None = None) -> Scripted:
        return Scripted(self.loss, 0 if state is None else int(state.learning["steps"]))

    def state(self) -> BrainState:
        return BrainState(
            model={},
            learning={"steps": torch.tensor(self.steps)},
            counters={"step": self.steps},
            spec={"kind": "x"},
        )


@dataclass
class Bench:
    """Trials of one growth at step 100, and what they report."""

    twin_loss: Callable[[int], float]
    limits: GrowthConfig = LIMITS
    trigger: str = "high_activation"
    step: int = 100
    training_seconds: float = 0.0
    session_seconds: float = 0.0
    events: list[Event] = field(default_factory=list)
    points: list[tuple[str, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = GrowthState()
        self.brain = cast("Brain", Scripted(self.twin_loss))
        self.trials = Trials(self.state, self.limits, brain=self.brain, clock=self, report=self)
        twin = self.trials.twin()
        self.state.history.append(
            {"step": self.step, "site": "self_model", "operator": "widen", "trigger": self.trigger}
        )
        self.trials.begin(twin, added_share=0.1)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def point(self, metric: str, step: int, value: float) -> None:
        self.points.append((metric, step, value))

    def learn(self, steps: int, loss: Callable[[int], float]) -> None:
        for _ in range(steps):
            self.step += 1
            self.trials.follow(BATCH, report(loss(self.step - 100)))

    @property
    def judged(self) -> GrowthJudged:
        [event] = self.events
        assert isinstance(event, GrowthJudged)
        return event


def test_the_second_half_is_judged_and_the_verdict_is_written_down_and_reported() -> None:
    bench = Bench(lambda _: 2.0)
    bench.learn(STEPS - 1, lambda step: 9.0 if step <= STEPS // 2 else 1.98)
    assert (bench.events, bench.trials.under_way) == ([], True)
    bench.learn(1, lambda _: 1.98)
    assert not bench.trials.under_way
    verdict = bench.state.history[-1]["verdict"]
    assert (verdict["paid"], verdict["step"], verdict["cooldown_steps"]) == (True, 140, 1000)
    assert verdict["least"] == pytest.approx(0.001)
    [(metric, step, gain)] = bench.points
    assert (metric, step) == ("growth_gain", 140)
    assert gain == pytest.approx(0.01)
    assert bench.judged.message == (
        "[Neurogenesis] The growth of self_model at step 100 paid: 2.8565 bits a byte, 1.00% ± 0.00% below the 2.8854 "
        "of a twin that did not grow; 0.10% below would pay; its cool-down is now 1,000 steps"
    )


def test_text_that_gets_harder_right_after_a_growth_is_held_against_nobody() -> None:
    bench = Bench(lambda step: 4.0 if step > 1 else 2.0)
    bench.learn(STEPS, lambda step: 3.99 if step > 1 else 2.0)  # an earlier curve promised 2.0
    assert bench.judged.paid
    easier = Bench(lambda step: 1.0 if step > 1 else 2.0)
    easier.learn(STEPS, lambda step: 1.0 if step > 1 else 2.0)
    assert easier.judged.paid is False
    assert "did not pay: 1.4427 bits a byte, 0.00% ± 0.00% below" in easier.judged.message
    assert easier.judged.cooldown_steps == 4000


def test_a_growth_by_hand_is_judged_and_moves_no_cool_down() -> None:
    bench = Bench(lambda _: 2.0, trigger="by_hand")
    bench.learn(STEPS, lambda _: 2.5)
    assert (bench.judged.paid, bench.judged.by_hand, bench.judged.cooldown_steps) == (False, True, 2000)
    assert "cool-down" not in bench.judged.message


def test_a_sleep_late_in_a_trial_ends_it_with_what_was_learned_before() -> None:
    bench = Bench(lambda step: 2.0 if step <= 25 else 0.5)
    bench.learn(25, lambda _: 1.9)
    bench.step += 100
    bench.learn(1, lambda _: 1.9)
    assert bench.judged.paid
    assert bench.judged.gain == pytest.approx(0.05)


def test_a_sleep_early_in_a_trial_ends_it_without_a_verdict() -> None:
    bench = Bench(lambda _: 2.0)
    bench.learn(24, lambda _: 1.0)
    bench.step += 100
    bench.learn(1, lambda _: 1.0)
    assert bench.state.history[-1]["verdict"]["paid"] is None
    assert bench.judged.message == (
        "[Neurogenesis] The growth of self_model at step 100 was not judged: the brain slept meanwhile"
    )
    assert bench.judged.cooldown_steps == 2000
    bench.learn(STEPS, lambda _: 1.0)
    assert len(bench.events) == 1


def test_losses_that_are_not_finite_are_left_out_and_nothing_is_judged_by_them_alone() -> None:
    bench = Bench(lambda step: float("nan") if step % 2 else 2.0)
    bench.learn(STEPS, lambda _: 1.9)
    assert bench.judged.paid
    lost = Bench(lambda _: float("nan"))
    lost.learn(STEPS, lambda _: 1.9)
    assert lost.judged.reason == "there was too little text to compare"


def test_without_memory_for_a_twin_the_growth_is_not_judged() -> None:
    def full(_: int) -> float:
        raise torch.OutOfMemoryError

    bench = Bench(full)
    bench.learn(1, lambda _: 1.0)
    assert bench.judged.reason == "there is no memory for a twin"


def test_judging_can_be_switched_off() -> None:
    bench = Bench(lambda _: 2.0, limits=GrowthConfig(trial_steps=0))
    bench.learn(2000, lambda _: 1.0)
    assert (bench.trials.under_way, bench.events, "verdict" in bench.state.history[-1]) == (False, [], False)


def test_a_trial_goes_on_where_it_was_stored() -> None:
    straight = Bench(lambda step: 2.0 + step % 3)
    straight.learn(STEPS, lambda step: 1.99 + step % 3)
    bench = Bench(lambda step: 2.0 + step % 3)
    bench.learn(25, lambda step: 1.99 + step % 3)
    kept, tensors = bench.state.state(), bench.state.tensors()
    bench.state.trial = None
    restore_trial(bench.state, kept["growth"], tensors, brain=bench.brain, emit=bench.event)
    bench.learn(15, lambda step: 1.99 + step % 3)
    assert bench.state.history == straight.state.history


@pytest.mark.parametrize("lost", ["spec", "counters", "losses"])
def test_a_trial_that_cannot_be_taken_up_again_is_reported(lost: str) -> None:
    bench = Bench(lambda _: 2.0)
    kept = bench.state.state()["growth"]
    del kept["trial"][lost]
    bench.state.trial = None
    restore_trial(bench.state, kept, {"learning|steps": torch.tensor(0)}, brain=bench.brain, emit=bench.event)
    assert not bench.trials.under_way
    [event] = bench.events
    assert event.message.startswith("the newest growth is not judged, for its twin could not be restored: ")
