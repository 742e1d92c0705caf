"""Alarms: raised late enough to be meant, cleared at a wider bound, silent where nothing was measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from brain.ports import Reading
from brain.vitals.alarm_book import AlarmBook, AlarmChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TICK_SECONDS = 20.0


def reading(name: str, value: float | None, **detail: float) -> Reading:
    return Reading(name=name, value=value, raw=value, uncertainty=0.01, samples=4_096, detail=detail)


def play(
    book: AlarmBook, readings: Callable[[int], Iterable[Reading]], ticks: int, *, start: int = 0
) -> list[AlarmChange]:
    changes = []
    for tick in range(start, start + ticks):
        changes += book.update(readings(tick), step=tick * 50, time=1e9 + tick * TICK_SECONDS)
    return changes


def kinds(changes: list[AlarmChange]) -> list[tuple[str, bool]]:
    return [(change.alarm.kind, change.raised) for change in changes]


def phi(series: np.ndarray) -> Callable[[int], list[Reading]]:
    return lambda tick: [reading("phi", 0.5, tick=float(series[tick]), coverage=1.0)]


def test_falling_phi_is_raised_and_names_the_remedy() -> None:
    noise = np.random.default_rng(0).normal(size=400) * 0.02
    changes = play(AlarmBook(), phi(0.6 - 0.3 * np.arange(400) / 400 + noise), 400)
    assert kinds(changes) == [("phi_falling", True)]
    alarm = changes[0].alarm
    assert "Loss of integration" in alarm.cause
    assert alarm.remedy == "Check the connections"
    assert changes[0].time - 1e9 >= 3_000  # most of an hour was seen first


def test_noise_and_rise_raise_nothing() -> None:
    generator = np.random.default_rng(1)
    for seed in range(5):
        flat = 0.5 + 0.05 * np.random.default_rng(seed).normal(size=300)
        assert play(AlarmBook(), phi(flat), 300) == []
    assert play(AlarmBook(), phi(np.linspace(0.2, 0.6, 300) + 0.02 * generator.normal(size=300)), 300) == []


def test_phi_alarm_clears_when_the_fall_is_over() -> None:
    noise = np.random.default_rng(2).normal(size=900) * 0.02
    series = np.concatenate([np.linspace(0.6, 0.3, 300), np.full(600, 0.3)]) + noise
    assert kinds(play(AlarmBook(), phi(series), 900)) == [("phi_falling", True), ("phi_falling", False)]


def agency(values: list[float | None], **detail: float) -> Callable[[int], list[Reading]]:
    return lambda tick: [reading("agency", values[tick], **{"acts": 1.0, **detail})]


def test_low_agency_takes_three_ticks_and_clears_above_its_wider_bound() -> None:
    values: list[float | None] = [0.2, 0.2, 0.5, 0.2, 0.2, 0.2, 0.32, 0.33, 0.32, 0.4, 0.4, 0.4]
    changes = play(AlarmBook(), agency(values), len(values))
    assert kinds(changes) == [("agency_low", True), ("agency_low", False)]
    assert [change.step for change in changes] == [5 * 50, 11 * 50]
    assert changes[0].alarm.remedy == "Let it read on, add sources that differ, or raise the learning rate"


def test_an_alarm_that_cannot_be_judged_any_more_falls_silent() -> None:
    book = AlarmBook()
    low = Reading(name="agency", value=0.1, detail={"acts": 1.0})
    gone = Reading(name="agency", value=None, reason="warming up")
    for step in range(3):
        book.update([low], step, step * 10.0)
    assert [alarm.kind for alarm in book.active] == ["agency_low"]
    changes = [change for step in range(3, 6) for change in book.update([gone], step, step * 10.0)]
    assert [(change.raised, change.alarm.kind) for change in changes] == [(False, "agency_low")]
    assert book.active == ()


def test_agency_is_silent_while_unavailable_or_unable_to_act() -> None:
    assert play(AlarmBook(), agency([None] * 10), 10) == []
    assert play(AlarmBook(), agency([0.1] * 10, acts=0.0), 10) == []


def losses(values: np.ndarray) -> Callable[[int], list[Reading]]:
    return lambda tick: [reading("prequential_loss", float(values[tick]))]


def test_rising_error_is_not_called_forgetting_but_the_probe_is() -> None:
    noise = 0.02 * np.random.default_rng(3).normal(size=150)
    rising = np.r_[np.full(75, 2.0), np.full(75, 2.3)] + noise
    changes = play(AlarmBook(), losses(rising), 150)
    assert kinds(changes) == [("error_rising", True)]
    assert "forgetting" not in changes[0].alarm.cause
    assert changes[0].alarm.remedy == "Lower the learning rate, raise replay"
    forgot = play(AlarmBook(), lambda _: [reading("forgetting", 0.12)], 3)
    assert kinds(forgot) == [("forgetting", True)]
    assert forgot[0].alarm.severity == "error"


def test_steady_and_falling_error_raise_nothing() -> None:
    noise = 0.03 * np.random.default_rng(4).normal(size=200)
    assert play(AlarmBook(), losses(2.0 + noise), 200) == []
    assert play(AlarmBook(), losses(np.linspace(3.0, 2.0, 200) + noise), 200) == []


@pytest.mark.parametrize(
    ("sign", "kind"),
    [
        (reading("confidence", 0.4), "confidence_misleading"),
        (reading("confidence", 0.8, ece=0.2), "confidence_uncalibrated"),
        (reading("integration", 0.95), "collapse"),
        (reading("integration", 0.1), "fragmentation"),
        (reading("phi", None, collapsed=1.0), "collapse"),
        (reading("phi", 0.5, coverage=0.5), "units_constant"),
        (reading("phi", None, dropped_share=0.2), "states_not_finite"),
    ],
)
def test_each_sign_raises_its_alarm_once(sign: Reading, kind: str) -> None:
    assert kinds(play(AlarmBook(), lambda _: [sign], 6)) == [(kind, True)]


def test_uncertain_confidence_raises_nothing() -> None:
    unsure = Reading(name="confidence", value=0.49, uncertainty=0.02)
    assert play(AlarmBook(), lambda _: [unsure], 10) == []


def healthy(tick: int, *, agency_value: float = 0.8, neurons: int = 100) -> list[Reading]:
    wobble = 0.01 * np.random.default_rng(tick).normal(size=2)
    return [
        reading("phi", 0.5, tick=0.5 + wobble[0], coverage=1.0),
        reading("agency", agency_value, acts=1.0),
        reading("self_prediction_error", 0.2 + wobble[1]),
        reading("num_neurons", neurons),
    ]


def test_stop_is_hinted_when_every_rule_has_held_for_an_hour() -> None:
    changes = play(AlarmBook(), healthy, 200)
    assert kinds(changes) == [("stop_hint", True)]
    assert changes[0].alarm.severity == "info"


@pytest.mark.parametrize("change", ["agency", "growth", "phi"])
def test_no_stop_hint_while_one_rule_fails(change: str) -> None:
    def readings(tick: int) -> list[Reading]:
        if change == "agency":
            return healthy(tick, agency_value=0.6)
        if change == "growth":
            return healthy(tick, neurons=100 + tick // 60)
        return [reading("phi", 0.5, tick=0.3 + tick * 2e-4), *healthy(tick)[1:]]

    assert play(AlarmBook(), readings, 200) == []


def test_book_survives_a_restart() -> None:
    low = agency([0.2] * 20)
    book, twin = AlarmBook(), AlarmBook()
    play(book, low, 2)
    twin.load(json.loads(json.dumps(book.state())))
    assert kinds(play(twin, low, 1, start=2)) == [("agency_low", True)]
    again = AlarmBook()
    again.load(json.loads(json.dumps(twin.state())))
    assert [alarm.kind for alarm in again.active] == ["agency_low"]
    assert play(again, low, 3, start=3) == []
