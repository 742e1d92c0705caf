"""What a terminal shows while a daemon runs: plain lines, JSON lines, or a live panel.

All three take the same calls: from the daemon in this process (a `Listener` of daemon.supervisor.audiences), which
makes them on a thread of their own, or from the live feed of another (`show_frame`).
"""

from __future__ import annotations

import threading
import time
import webbrowser
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from daemon.cli.output import print_json
from daemon.cli.printing import err, out
from daemon.cli.progress_line import Progress
from daemon.home import Home
from daemon.system.counting import counted
from daemon.system.standard_stream import OutputGoneError
from daemon.trainer_protocol import RunState

LINE_EVERY_SECONDS = 3.0
STANDING = frozenset({RunState.PAUSED, RunState.WAITING})


class PlainView:
    """A line every few seconds, and one for each event.

    Every call raises OutputGoneError once nobody reads what it prints.

    Attributes:
        in_terminal: a person reads it as it comes; else it may be a log, where a one-time code has no business.
    """

    in_terminal = False

    def __init__(
        self,
        home: Home,
        *,
        open_browser: bool = False,
        write: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.progress = Progress(home=home.root, flag=home.flag)
        # Held here: while a daemon runs, sys.stdout and sys.stderr lead to its log.
        self._out, self._err = out(), err()
        self._open_browser = open_browser
        self._write = write or self._print_line
        self._clock = clock
        self._next_line_at = 0.0
        self._line_before = ""
        self._stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def on_notice(self, notice: str) -> None:
        """Something a person should know, whatever reads standard output."""
        self._err.say(f"synapsed: {notice}")

    def on_listening(self, url: str, one_time_url: str) -> None:
        """The daemon answers; its page opens if that was asked for."""
        self._write(f"synapsed answers at {url}")
        hint = f"{url} (log a browser in: synapsed open{self.progress.flag})"
        self._write(f"Page: {one_time_url if self.in_terminal else hint}")
        if self._open_browser:
            # A browser may take its time, or run in the foreground of a terminal.
            threading.Thread(target=webbrowser.open, args=(one_time_url,), daemon=True).start()

    def on_run(self, run: dict[str, Any]) -> None:
        """A run was created or changed; one that waits does not push the learning one aside."""
        if run["state"] != RunState.QUEUED or self.progress.run in (None, run["id"]):
            self.progress.take_run(run)

    def on_delta(self, delta: dict[str, Any]) -> None:
        """It learned."""
        self.progress.take_delta(delta)
        now = self._clock()
        if now >= self._next_line_at:
            self._next_line_at = now + LINE_EVERY_SECONDS
            line, before = self.progress.line(), self._line_before
            if line != before or self.progress.state not in STANDING:  # a night of waiting is one line
                self._line_before = line
                self._write(line)

    def on_event(self, event: dict[str, Any]) -> None:
        """A fact."""
        self.progress.take_event(event)
        if line := self.progress.line_of(event):
            self._write(line)

    def on_gap(self, dropped: int) -> None:
        """Some of what happened while nobody read was dropped."""
        left_out = counted(dropped, "line is", "lines are")
        self._write(f"({left_out} left out here: nobody read them; see: synapsed events)")

    def on_stopping(self) -> None:
        """The daemon was asked to end."""
        if not self._stopping:
            self._stopping = True
            self._write("Saving final checkpoint..." if self.progress.run else "Stopping...")

    def on_ended(self) -> None:
        """Totals and how to continue, if anything was learned here."""
        if self.progress.run and (self.progress.step or self.progress.checkpoint):
            self._write(self.progress.summary())

    def show_frame(self, frame: dict[str, Any]) -> None:
        """One frame of the live feed (docs/reference/api.md)."""
        kind = frame["type"]
        if kind == "snapshot":
            runs = {run["id"]: run for run in frame["runs"]}
            if frame.get("run") in runs:
                self.on_run(runs[frame["run"]])
                self._write(self.progress.line())
        elif kind == "delta":
            self.on_delta(frame)
        elif kind == "event":
            self.on_event(frame)
        elif kind == "run":
            self.on_run(frame["run"])
        elif kind == "bye":
            self._write(f"The daemon has ended: {frame['reason']}")

    def _print_line(self, line: str) -> None:
        self._out.say(line)
        self._require_reader()

    def _require_reader(self) -> None:
        if self._out.gone is not None:
            raise OutputGoneError(f"standard output: {self._out.gone}")


class JsonView(PlainView):
    """Every call as one JSON object a line."""

    def on_listening(self, url: str, one_time_url: str) -> None:
        """The daemon answers."""
        super().on_listening(url, one_time_url)
        self._line("listening", {"url": url})

    def on_run(self, run: dict[str, Any]) -> None:
        """A run was created or changed."""
        super().on_run(run)
        self._line("run", run)

    def on_delta(self, delta: dict[str, Any]) -> None:
        """It learned."""
        self.progress.take_delta(delta)
        self._line("delta", delta)

    def on_event(self, event: dict[str, Any]) -> None:
        """A fact."""
        self.progress.take_event(event)
        self._line("event", event)

    def on_gap(self, dropped: int) -> None:
        """Some of what happened while nobody read was dropped."""
        self._line("gap", {"dropped": dropped})

    def on_stopping(self) -> None:
        """The daemon was asked to end."""
        self._line("stopping", {})

    def on_ended(self) -> None:
        """Totals."""
        if self.progress.run:
            self._line("summary", self.progress.totals())

    def show_frame(self, frame: dict[str, Any]) -> None:
        """A frame as it came."""
        self._print_json(frame)

    def _line(self, kind: str, value: dict[str, Any]) -> None:
        self._print_json({**value, "type": kind})

    def _print_json(self, value: dict[str, Any]) -> None:
        print_json(value, indent=None, printer=self._out)
        self._require_reader()


def make_view(home: Home, *, as_json: bool = False, open_browser: bool = False) -> PlainView:
    """The view that suits where standard output goes."""
    if as_json:
        return JsonView(home, open_browser=open_browser, write=lambda _line: None)
    if out().isatty():
        from daemon.cli.live_view import LiveView

        return LiveView(home, open_browser=open_browser)
    return PlainView(home, open_browser=open_browser)
