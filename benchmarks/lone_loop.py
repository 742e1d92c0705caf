"""A trainer's own loop without a supervisor: no command comes, no report is sent."""

from __future__ import annotations

import multiprocessing
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daemon.config.setting_upgrades import config_to_dict
from daemon.home import Home
from daemon.trainer.assembly import assemble_parts
from daemon.trainer.link.pipe import Pipe
from daemon.trainer.link.reporting import Reporter
from daemon.trainer_protocol import TrainerOrder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.config.tree import RunConfig
    from daemon.trainer.parts import Parts


class SilentPipe(Pipe):
    """A trainer's pipe with nobody at the other end; keeps the kinds of the events reported to it."""

    def __init__(self) -> None:
        ours, self._theirs = multiprocessing.Pipe()
        self.kinds: list[str] = []
        super().__init__(ours)

    def send(self, message: Any) -> None:
        """Keep what happened."""
        self.kinds += [event["kind"] for event in getattr(message, "events", ())]

    def close(self) -> None:
        """Let the reading thread end."""
        self._theirs.close()


@contextmanager
def lone_loop(folder: Path, config: RunConfig) -> Iterator[tuple[Parts, SilentPipe]]:
    """A trainer of a new run in a home of its own, and the pipe that keeps what it reports."""
    home = Home.open(folder, environ={})
    home.prepare()
    order = TrainerOrder(home=home.root, run_id="r-alone", session=1, config=config_to_dict(config))
    pipe = SilentPipe()
    reporter = Reporter(pipe)
    try:
        parts, _ = assemble_parts(order, home, pipe, reporter)
        yield parts, pipe
    finally:
        reporter.close()
        pipe.close()
