"""Bodies of POST /runs/{id}/actions: each action with its own arguments, distinguished by `action`."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field

from daemon.orders import Continue, Evaluate, Grow, Pause, SaveCheckpoint, Sleep, Stop


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StopAction(_Body):
    """End the run with a final checkpoint."""

    action: Literal["stop"]
    arguments: Stop = Field(default_factory=Stop)


class PauseAction(_Body):
    """Save, then pause."""

    action: Literal["pause"]
    arguments: Pause = Field(default_factory=Pause)


class ContinueAction(_Body):
    """Continue learning after a pause."""

    action: Literal["continue"]
    arguments: Continue = Field(default_factory=Continue)


class CheckpointAction(_Body):
    """Save now."""

    action: Literal["checkpoint"]
    arguments: SaveCheckpoint = Field(default_factory=SaveCheckpoint)


class GrowAction(_Body):
    """Grow neurons."""

    action: Literal["grow"]
    arguments: Grow = Field(default_factory=Grow)


class SleepAction(_Body):
    """Fall asleep."""

    action: Literal["sleep"]
    arguments: Sleep = Field(default_factory=Sleep)


class EvaluateAction(_Body):
    """Score the whole held-out set."""

    action: Literal["evaluate"]
    arguments: Evaluate = Field(default_factory=Evaluate)


Action = Annotated[
    StopAction | PauseAction | ContinueAction | CheckpointAction | GrowAction | SleepAction | EvaluateAction,
    Body(discriminator="action"),
]
