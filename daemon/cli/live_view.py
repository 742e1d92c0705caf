"""A panel that stays at the foot of the terminal while events scroll by above it."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any, Self, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.cli.output import MISSING, duration
from daemon.cli.progress_line import Metric
from daemon.cli.views import PlainView
from daemon.home import Home
from daemon.system.escaping import one_line, shown

REFRESH_PER_SECOND = 4
SAMPLE_CHARACTERS = 200

VITALS = (
    ("Φ", "phi", 3),
    ("Agency", "agency", 3),
    ("Integration", "integration", 3),
    ("Confidence", "confidence", 3),
    ("Self-prediction error", "self_prediction_error", 3),
    ("Reliance on memory", "reliance", 3),
)
LEARNING = (
    ("BPC", "recent_bpc", 3),
    ("BPC with memory", "mixed_bpc", 3),
    ("Held-out BPC", "held_out_bpc", 3),
    ("Held-out BPC with memory", "held_out_mixed_bpc", 3),
    ("Replay BPC", "replay_bpc", 3),
    ("Steps/s", "steps_per_second", 1),
    ("Gradient norm", "grad_norm", 2),
    ("Accuracy", "accuracy", 3),
    ("Held-out accuracy", "held_out_accuracy", 3),
)
STATE_STYLES = {
    "running": "green",
    "waiting": "green",
    "paused": "yellow",
    "stopping": "yellow",
    "crashed": "red",
}


class LiveView(PlainView):
    """The plain view's calls, drawn as a panel with rich."""

    in_terminal = True

    def __init__(
        self,
        home: Home,
        *,
        open_browser: bool = False,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(home, open_browser=open_browser, write=self._say, clock=clock)
        self._console = console or Console(file=cast("IO[str]", self._out))
        self._url = ""
        self._live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=REFRESH_PER_SECOND,
            transient=True,
            # It would have whoever prints wait for the terminal.
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def on_listening(self, url: str, one_time_url: str) -> None:
        """The daemon answers; the panel begins."""
        self._url = url
        self._live.start()
        super().on_listening(url, one_time_url)

    def on_delta(self, delta: dict[str, Any]) -> None:
        """It learned; the panel redraws itself."""
        self.progress.take_delta(delta)
        self._require_reader()

    def on_ended(self) -> None:
        """The panel makes room for the totals."""
        self._live.stop()
        super().on_ended()

    def render(self) -> RenderableType:
        """The panel as it stands."""
        progress = self.progress
        if progress.run is None:
            return Panel(
                Text("nothing is learning yet", style="dim"), title="synapsed", subtitle=Text(self._url)
            )
        style = STATE_STYLES.get(progress.state, "cyan")
        head = Text.assemble(
            (progress.state or MISSING, f"bold {style}"),
            f"   step {progress.step:,}   {duration(progress.training_seconds)}   ",
            (one_line(f"{progress.device or ''}   checkpoint {progress.checkpoint or MISSING}"), "dim"),
        )
        rows = [_row(progress.value, row) for all_of in (VITALS, LEARNING) if (row := progress.shown(all_of))]
        parts: list[RenderableType] = [head, *rows]
        if progress.degraded:
            parts.append(Text(one_line(f"degraded: {progress.degraded}"), style="red"))
        if progress.sample:
            sample = shown(progress.sample[-SAMPLE_CHARACTERS:].strip())
            parts.append(Text(f"“{sample}”", style="italic"))
        # As text: in markup a name could break the panel.
        title = Text(one_line(f"synapsed · {progress.name}"))
        return Panel(Group(*parts), title=title, subtitle=Text(self._url), border_style=style)

    def _say(self, line: str) -> None:
        self._console.print(Text(shown(line)), soft_wrap=True)
        self._require_reader()


def _row(value: Callable[[str, int], str], metrics: list[Metric]) -> Table:
    table = Table(box=None, expand=True, show_header=False, pad_edge=False)
    for _ in metrics:
        table.add_column(ratio=1)
    table.add_row(
        *(
            Text.assemble((f"{label} ", "dim"), (value(metric, digits), "bold"))
            for label, metric, digits in metrics
        )
    )
    return table
