"""AlarmJudge of the trainer: raised and cleared as events, with the numbers that are no vital signs."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from brain.memory.forgetting import Track
from brain.ports import Reading
from brain.vitals.config import VitalsConfig
from daemon.events import AlarmCleared, AlarmRaised, StopHinted
from daemon.trainer.measures.alarm_events import AlarmJudge
from daemon.trainer.measures.watching import Watch
from tests.unit.brain.vitals.networks import Network, moment, report

if TYPE_CHECKING:
    from brain.ports import StepReport
    from daemon.events import Event


def agency(value: float | None, *, acts: float = 1.0) -> Reading:
    return Reading(name="agency", value=value, detail={"acts": acts})


def learned(loss: float, num_bytes: int = 100) -> StepReport:
    made = report()
    return type(made)(**{**vars(made), "loss": loss, "num_bytes": num_bytes})


class Story:
    """Ticks ten seconds apart."""

    def __init__(self) -> None:
        self.alarms = AlarmJudge()
        self.step = 0
        self.brain = Network()

    def tick(self, *readings: Reading, loss: float | None = None) -> list[Event]:
        self.step += 50
        if loss is not None:
            self.alarms.observe(learned(loss))
        return self.alarms.judge(list(readings), moment(self.brain, self.step), self.step / 5)


def test_low_agency_is_raised_after_three_ticks_and_cleared_by_three_good_ones() -> None:
    story = Story()
    assert story.tick(agency(0.1)) == story.tick(agency(0.1)) == []
    (event,) = story.tick(agency(0.1))
    assert isinstance(event, AlarmRaised)
    assert (event.alarm, event.level, event.sign, event.value) == ("agency_low", "warning", "agency", 0.1)
    assert "learning rate" in event.remedy
    assert story.alarms.active() == [event]
    assert story.tick(agency(0.32)) == []  # above where it goes up, below where it clears
    assert [story.tick(agency(0.5)) for _ in range(2)] == [[], []]
    (event,) = story.tick(agency(0.5))
    assert event == AlarmCleared(step=350, alarm="agency_low", sign="agency", raised_step=150)
    assert story.alarms.active() == []


def test_alarms_continue_after_a_restart_where_they_stood() -> None:
    story, other = Story(), Story()
    for _ in range(3):
        story.tick(agency(0.1), loss=2.0)
    story.alarms.observe(learned(3.0, 50))
    story.alarms.observe_probes([followed(2.0)])
    story.tick(agency(0.5))
    other.alarms.load(json.loads(json.dumps(story.alarms.state())))
    other.step = story.step
    assert other.alarms.active() == story.alarms.active()
    assert other.alarms.forgetting == story.alarms.forgetting == 0.0
    for _ in range(3):
        assert other.tick(agency(0.5), loss=2.0) == story.tick(agency(0.5), loss=2.0)
    assert other.alarms.active() == []
    assert other.alarms.state() == story.alarms.state()


def test_an_older_checkpoint_without_alarms_starts_over() -> None:
    alarms = AlarmJudge()
    alarms.load({})
    assert alarms.active() == []
    assert alarms.forgetting is None


def test_a_rising_loss_is_alarming_but_is_not_called_forgetting() -> None:
    story = Story()
    quiet = [story.tick(loss=2.0 + 0.01 * math.sin(step)) for step in range(40)]
    rising = [story.tick(loss=2.0 + 0.05 * step) for step in range(30)]
    assert quiet == [[]] * 40
    raised = [event for events in rising for event in events]
    assert [event.alarm for event in raised if isinstance(event, AlarmRaised)] == ["error_rising"]


def test_a_step_that_was_not_finite_reports_no_loss() -> None:
    alarms = AlarmJudge()
    alarms.observe(learned(math.nan))
    alarms.observe(learned(1.0, 0))
    assert alarms.state()["num_bytes"] == 0


def followed(*losses: float, learned: bool = True) -> Track:
    track = Track(fresh=learned)
    for loss in losses:
        track.follow(loss, smoothing=0.9)
    return track


def test_forgetting_is_the_rise_over_the_smoothed_best_of_the_worst_source() -> None:
    alarms = AlarmJudge()
    alarms.observe_probes([followed(9.0, learned=False), Track()])
    assert alarms.state()["forgetting"] is None  # what was never learned cannot be forgotten
    alarms.observe_probes([followed(2.0, 2.0), followed(3.0)])
    assert alarms.forgetting == 0.0
    lucky = followed(*[2.0] * 60, 1.0, *[2.4] * 60)  # one lucky measurement does not set the best
    alarms.observe_probes([lucky, followed(3.0, 3.1)])
    assert alarms.forgetting == pytest.approx(2.4 / 1.9 - 1.0, rel=0.01)


def test_a_probe_that_is_known_by_heart_may_waver_without_an_alarm() -> None:
    story = Story()
    story.alarms.observe_probes([followed(*[0.001] * 5, *[0.006] * 40)])
    assert story.alarms.forgetting is not None
    assert story.alarms.forgetting < 0.1
    story.alarms.observe_probes([followed(*[0.001] * 5, *[0.5] * 40)])
    assert story.alarms.forgetting > 0.1


def test_forgetting_raises_its_own_alarm() -> None:
    story = Story()
    story.alarms.observe_probes([followed(*[2.0] * 5, *[3.0] * 40)])
    events = [event for _ in range(4) for event in story.tick()]
    (event,) = [event for event in events if isinstance(event, AlarmRaised)]
    assert (event.alarm, event.level) == ("forgetting", "error")
    assert event.value == pytest.approx(0.5, abs=0.02)


def test_the_stop_hint_comes_in_its_own_words() -> None:
    story = Story()
    well: list[Any] = [
        agency(0.8),
        Reading(name="phi", value=0.5, detail={"tick": 0.5}),
        Reading(name="self_prediction_error", value=0.3),
    ]
    events = [event for _ in range(400) for event in story.tick(*well)]
    assert [type(event) for event in events] == [StopHinted]
    assert "good moment to stop" in events[0].message
    assert story.alarms.active() == events


def test_the_watch_judges_within_what_it_pays_for() -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    watch = Watch(VitalsConfig(every_steps=1, budget_share=0.5), seed=0, clock=clock)
    brain = Network()
    found = [watch.look(moment(brain, step, training_seconds=step * 10.0)) for step in range(1, 6)]
    ticks = [tick for tick in found if tick is not None]
    assert len(ticks) == 5
    assert {reading.name for reading in ticks[0].readings} >= {"phi", "agency", "integration"}
    assert all(reading.cost_ms > 0 for reading in ticks[0].readings)
    assert watch.alarms.state()["book"]["series"]["num_neurons"]
    assert watch.points()["vitals_share"] > 0


def test_without_vital_signs_nothing_is_judged() -> None:
    watch = Watch(VitalsConfig(enabled=False), seed=0)
    assert watch.look(moment(Network(), 1, training_seconds=10.0)) is None
