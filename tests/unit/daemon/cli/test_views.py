"""Plain lines, JSON lines and the live panel, from the same calls."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from rich.console import Console

from daemon.cli.live_view import LiveView
from daemon.cli.views import JsonView, PlainView, make_view
from tests.fake_daemon.world import FakeDaemon
from tests.unit.daemon.cli.test_progress_line import delta

if TYPE_CHECKING:
    import pytest

    from daemon.home import Home

SMALL = FakeDaemon.small()
RUN, EVENT = SMALL.runs["r-1"].view(), SMALL.events[-1]


class Clock:
    """A clock set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def play(view: PlainView, *, to_the_end: bool = True) -> None:
    view.on_listening("http://127.0.0.1:8765", "http://127.0.0.1:8765/?token=once")
    view.on_run(dict(RUN))
    view.on_delta(delta())
    view.on_event(dict(EVENT))
    view.on_stopping()
    if to_the_end:
        view.on_ended()


def test_plain_lines_come_every_few_seconds_and_events_at_once(home: Home) -> None:
    lines: list[str] = []
    clock = Clock()
    view = PlainView(home, write=lines.append, clock=clock)
    view.on_run(dict(RUN))
    for _ in range(50):
        view.on_delta(delta())
        clock.now += 0.1
    assert len(lines) == 2
    assert lines[0].startswith("Step    1234 | ")
    view.on_event(dict(EVENT))
    assert lines[-1].startswith("[Checkpoint] Saved to checkpoints/")


def test_a_run_that_stands_still_repeats_no_line(home: Home) -> None:
    lines: list[str] = []
    clock = Clock()
    view = PlainView(home, write=lines.append, clock=clock)
    for state, num_lines in (("waiting", 1), ("paused", 1), ("running", 3)):
        for _ in range(2):
            view.on_delta(delta() | {"state": state})
            clock.now += 5.0
        assert len(lines) == num_lines, state


def test_the_end_is_reported_once_and_then_summed_up(home: Home) -> None:
    lines: list[str] = []
    view = PlainView(home, write=lines.append)
    play(view)
    view.on_stopping()
    assert lines.count("Saving final checkpoint...") == 1
    assert "TRAINING SUMMARY" in lines[-1]


def test_a_notice_is_a_line_on_standard_error(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (False, True):
        make_view(home, as_json=as_json).on_notice("the database was damaged and is kept as a.db")
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == (
            "",
            "synapsed: the database was damaged and is kept as a.db\n",
        )


def test_a_run_that_never_began_is_not_summed_up(home: Home) -> None:
    lines: list[str] = []
    view = PlainView(home, write=lines.append)
    view.on_run({**RUN, "state": "crashed", "step": 0, "checkpoint": None})
    view.on_ended()
    assert lines == []


def test_a_daemon_that_learned_nothing_has_nothing_to_save_or_sum_up(home: Home) -> None:
    lines: list[str] = []
    view = PlainView(home, write=lines.append)
    view.on_stopping()
    view.on_ended()
    assert lines == ["Stopping..."]


def test_a_queued_run_does_not_push_the_learning_one_aside(home: Home) -> None:
    view = PlainView(home, write=lambda _: None)
    view.on_run(dict(RUN))
    view.on_run({**RUN, "id": "r-2", "state": "queued"})
    assert view.progress.run == "r-1"


def test_json_is_one_object_a_line_and_nothing_else(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    play(make_view(home, as_json=True))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["listening", "run", "delta", "event", "stopping", "summary"]
    assert lines[-1]["resume"].startswith("synapsed resume continuous_1706123456")


def test_a_pipe_gets_plain_lines(home: Home) -> None:
    assert type(make_view(home)) is PlainView
    assert type(make_view(home, as_json=True)) is JsonView


def test_the_panel_shows_state_vital_signs_and_the_newest_sample(home: Home) -> None:
    screen = io.StringIO()
    view = LiveView(home, console=Console(file=screen, width=140, force_terminal=True, color_system=None))
    with view:
        play(view, to_the_end=False)
        view.on_delta(
            delta(sample="the cat sat", readings=[{"name": "phi", "value": 0.4521}], degraded="disk full")
        )
        view._live.refresh()
    shown = screen.getvalue()
    for text in (
        "running",
        "step 1,234",
        "Φ 0.452",
        "Agency –",
        "the cat sat",
        "degraded: disk full",
        "[Checkpoint]",
    ):
        assert text in shown


def test_a_name_or_words_that_steer_are_shown_in_the_panel(home: Home) -> None:
    screen = io.StringIO()
    view = LiveView(home, console=Console(file=screen, width=140, color_system=None))
    view.on_run({**RUN, "name": "[/b]\x1b[2J\n", "sample": "\x07 rings", "degraded": "disk\x9b full"})
    view._console.print(view.render())
    shown = screen.getvalue()
    for text in (r"[/b]\x1b[2J\n", r"\x07 rings", r"disk\x9b full"):
        assert text in shown
    assert not set(shown) & set("\x1b\x07\x9b")


def test_the_panel_stands_before_anything_learns(home: Home) -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=80, color_system=None)
    console.print(LiveView(home, console=console).render())
    assert "nothing is learning yet" in screen.getvalue()


def test_frames_of_the_live_feed_read_like_calls(home: Home) -> None:
    lines: list[str] = []
    view = PlainView(home, write=lines.append, clock=Clock())
    frames: list[dict[str, Any]] = [
        {"type": "welcome", "epoch": "e", "seq": 1},
        {"type": "snapshot", "runs": [RUN], "run": "r-1", "events": [], "schedule": []},
        {"type": "delta", **delta(step=1235)},
        {"type": "event", **EVENT},
        {"type": "run", "run": {**RUN, "state": "stopped"}},
        {"type": "heartbeat", "time": "now"},
        {"type": "bye", "reason": "the daemon stops"},
    ]
    for frame in frames:
        view.show_frame(frame)
    assert [line.split()[0] for line in lines] == ["Step", "Step", "[Checkpoint]", "The"]
    assert view.progress.state == "stopped"


def test_the_browser_opens_only_when_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("threading.Thread.start", lambda self: self.run())
    PlainView(home, write=lambda _: None).on_listening("http://a", "http://a/?token=1")
    assert opened == []
    PlainView(home, open_browser=True, write=lambda _: None).on_listening("http://a", "http://a/?token=1")
    assert opened == ["http://a/?token=1"]
