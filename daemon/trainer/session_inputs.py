"""What a session is given when it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config.tree import RunConfig
    from daemon.home import Home
    from daemon.trainer.link.pipe import Pipe
    from daemon.trainer.link.reporting import Reporter
    from daemon.trainer_protocol import TrainerOrder


@dataclass(frozen=True, kw_only=True)
class SessionInputs:
    """The order of a session, its home and config, the checkpoint it resumed, and its pipe."""

    order: TrainerOrder
    home: Home
    config: RunConfig
    origin: Path | None
    pipe: Pipe
    reporter: Reporter
