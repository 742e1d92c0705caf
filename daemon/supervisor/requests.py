"""What a person can ask the supervisor to begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.config.loading import config_from_dict, override_config

if TYPE_CHECKING:
    from daemon.config.tree import RunConfig


@dataclass(frozen=True, kw_only=True)
class StartRequest:
    """A new run.

    Attributes:
        config: the resolved configuration, limits included.
        name: for people, kept without blanks around it and control characters; None makes one of preset and time.
        queue: wait for the learning run to end instead of answering with a conflict.
    """

    config: RunConfig
    name: str | None = None
    queue: bool = False


@dataclass(frozen=True, kw_only=True)
class ResumeRequest:
    """Continue from a checkpoint.

    Attributes:
        checkpoint: `latest`, an id such as `continuous_1706123456`, or a path (from the command line only).
        overrides: settings on top of the stored ones, nested or dotted.
        hours: limit counted from here; None keeps the checkpoint's own limits.
        steps: as `hours`.
        name: of the run, when it forks.
        by_id_only: refuse paths: what comes over HTTP names checkpoints by id.
        queue: as in StartRequest.
        fork: begin a run of its own even from the newest checkpoint of a run.
    """

    checkpoint: str
    overrides: dict[str, Any] = field(default_factory=dict)
    hours: float | None = None
    steps: int | None = None
    name: str | None = None
    by_id_only: bool = False
    queue: bool = False
    fork: bool = False

    @property
    def own_limits(self) -> bool:
        """Whether it sets limits itself, rather than keep the checkpoint's."""
        asked = any(key == "limits" or key.startswith("limits.") for key in self.overrides)
        return asked or self.hours is not None or self.steps is not None

    def config_over(self, stored: dict[str, Any], *, origin: str) -> RunConfig:
        """The stored configuration with what is asked for on top.

        Raises:
            ConfigError: a setting is wrong.
        """
        config = config_from_dict(stored, origin=origin)
        if self.overrides:
            config = override_config(config, self.overrides, origin="request")
        if self.hours is not None or self.steps is not None:
            limits = {"hours": self.hours, "steps": self.steps, "epochs": None}
            config = override_config(config, {"limits": limits}, origin="request")
        return config
