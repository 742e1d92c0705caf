"""A trainer's own loop without a supervisor: no command comes, no word goes anywhere."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from daemon.config.upgrades import config_to_dict
from daemon.home import Home
from daemon.protocol import TrainerOrder
from daemon.trainer.assembly import assemble_parts
from daemon.trainer.loop import Loop
from daemon.trainer.reporting import Reporter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.config.tree import RunConfig
    from daemon.trainer.pipe import Pipe


class Silence:
    """A trainer's pipe to nobody; keeps the kinds of events it was told of."""

    def __init__(self) -> None:
        self.orphaned = threading.Event()
        self.kinds: list[str] = []

    def next_command(self) -> None:
        """There is none."""

    def say(self, message: Any) -> None:
        """Keep what happened."""
        self.kinds += [event["kind"] for event in getattr(message, "events", ())]


@contextmanager
def lone_loop(folder: Path, config: RunConfig) -> Iterator[tuple[Loop, Silence]]:
    """A loop over a new run in a home of its own, and what hears its reports."""
    home = Home.open(folder, environ={})
    home.prepare()
    order = TrainerOrder(home=home.root, run_id="r-alone", session=1, config=config_to_dict(config))
    silence = Silence()
    pipe = cast("Pipe", silence)
    reporter = Reporter(pipe)
    try:
        parts, _ = assemble_parts(order, home, pipe, reporter)
        yield Loop(parts), silence
    finally:
        reporter.close()
