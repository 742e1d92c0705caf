"""The share of rows that replay, as forgetting has moved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.trainer.state.checkpoint_form import Stored

if TYPE_CHECKING:
    from brain.memory.config import ReplayConfig


@dataclass(kw_only=True)
class ReplayShare(Stored):
    """The share of the moment.

    Attributes:
        replay_fraction: as it was moved; None: the config's.
    """

    replay_fraction: float | None = None

    def now(self, config: ReplayConfig) -> float:
        """Share of rows that replay in this step."""
        return config.fraction if self.replay_fraction is None else self.replay_fraction
