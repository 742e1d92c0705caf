"""Audiences that fail, hang or lag, and those beside them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from daemon.supervisor.audiences.dispatcher import Dispatcher
from daemon.supervisor.audiences.threaded import MAX_FAILURES, Delivery, ThreadedAudience, ThreadedListener

if TYPE_CHECKING:
    from daemon.events import Event

WAIT_SECONDS = 20.0


class Recording:
    """An audience that remembers, and fails or waits as it is set."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.fails_with: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def receive(self, news: Any) -> None:
        self.entered.set()
        assert self.gate.wait(WAIT_SECONDS)
        if self.fails_with is not None:
            raise self.fails_with
        self.received.append(news)

    on_run = on_delta = on_event = on_operation = on_notice = on_gap = receive

    def on_listening(self, url: str, one_time_url: str) -> None:
        self.receive(url)

    def on_stopping(self) -> None:
        self.receive("stopping")

    def on_ended(self) -> None:
        self.receive("ended")


def delta(step: int) -> dict[str, Any]:
    return {"run": "r", "step": step, "columns": {"step": [step]}, "points": [], "readings": []}


@pytest.fixture
def reported() -> list[Event]:
    return []


@pytest.fixture
def dispatcher(reported: list[Event]) -> Dispatcher:
    return Dispatcher(reported.append)


def test_one_that_fails_hinders_no_other_and_is_dropped_in_the_end(
    dispatcher: Dispatcher, reported: list[Event]
) -> None:
    broken, sound = Recording(), Recording()
    dispatcher.add(broken, "broken")
    dispatcher.add(sound, "sound")
    broken.fails_with = ValueError("a bug")
    for number in range(MAX_FAILURES - 1):
        dispatcher.on_event({"seq": number})
    broken.fails_with = None
    dispatcher.on_event({"seq": "well again"})
    assert reported == []
    broken.fails_with = ValueError("a bug")
    for number in range(MAX_FAILURES + 5):
        dispatcher.on_event({"seq": number})
    assert len(sound.received) == 2 * MAX_FAILURES + 5
    assert broken.received == [{"seq": "well again"}]
    assert [event.message for event in reported] == ["[Output] Nothing more goes to the broken: a bug"]


@pytest.mark.parametrize("method", ["on_run", "on_delta", "on_event", "on_operation"])
def test_one_whose_way_out_is_gone_is_dropped_at_once_and_the_others_hear_of_it(method: str) -> None:
    gone, sound = Recording(), Recording()

    def report(event: Event) -> None:
        everybody.on_event({"message": event.message})

    everybody = Dispatcher(report)
    everybody.add(gone, "terminal")
    everybody.add(sound, "log")
    gone.fails_with = BrokenPipeError(32, "Broken pipe")
    getattr(everybody, method)({"id": 1})
    assert sound.received == [
        {"id": 1},
        {"message": "[Output] Nothing more goes to the terminal: Broken pipe"},
    ]


def test_one_that_waits_blocks_nobody_and_gets_what_found_room() -> None:
    slow = Recording()
    slow.gate.clear()
    audience = ThreadedAudience(slow, name="slow")
    audience.on_event({"seq": 0})
    assert slow.entered.wait(WAIT_SECONDS)
    for step in range(1, 4):
        audience.on_delta(delta(step))
        audience.on_run({"id": "r", "step": step})
    audience.on_event({"seq": 1})
    slow.gate.set()
    assert audience.delivery.close(WAIT_SECONDS)
    first, melted, newest, last = slow.received
    assert (first, last) == ({"seq": 0}, {"seq": 1})
    assert melted["columns"]["step"] == [1, 2, 3]
    assert newest == {"id": "r", "step": 3}


def test_what_finds_no_room_is_counted_and_reported() -> None:
    recording = Recording()
    recording.gate.clear()
    listener = ThreadedListener(recording)
    listener.delivery._backlog._max_frames = 3
    listener.on_event({"seq": 0})
    assert recording.entered.wait(WAIT_SECONDS)
    for seq in range(1, 10):
        listener.on_event({"seq": seq})
    recording.gate.set()
    assert listener.delivery.close(WAIT_SECONDS)
    assert recording.received == [{"seq": 0}, {"seq": 1}, {"seq": 2}, {"seq": 3}, 6]


def test_the_end_waits_a_moment_for_one_that_hangs_and_no_longer() -> None:
    recording = Recording()
    recording.gate.clear()
    delivery = Delivery(recording.receive, name="hangs")
    delivery.put({"type": "event"})
    assert recording.entered.wait(WAIT_SECONDS)
    assert delivery.close(0.01) is False
    recording.gate.set()
    assert delivery.close(WAIT_SECONDS) is True


def test_a_failure_on_its_thread_comes_back_to_the_dispatcher(
    dispatcher: Dispatcher, reported: list[Event]
) -> None:
    recording = Recording()
    recording.fails_with = OSError(5, "Input/output error")
    audience = ThreadedAudience(recording, name="log")
    dispatcher.add(audience, "log")
    dispatcher.on_event({"seq": 1})
    audience.delivery._thread.join(WAIT_SECONDS)
    dispatcher.on_event({"seq": 2})
    assert [event.message for event in reported] == [
        "[Output] Nothing more goes to the log: Input/output error"
    ]


def test_the_foreground_view_receives_everything_in_order() -> None:
    recording = Recording()
    listener = ThreadedListener(recording)
    listener.on_notice("mind this")
    listener.on_listening("http://a", "http://a/?token=b")
    listener.on_event({"seq": 1})
    listener.on_operation({"id": "not shown"})
    listener.on_stopping()
    listener.end()
    assert recording.received == ["mind this", "http://a", {"seq": 1}, "stopping", "ended"]
