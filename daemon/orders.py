"""What can be asked of a trainer, each with its own body; a wrong one cannot be made.

The same classes check what comes over HTTP, cross the pipe and are carried out, so no room meets a wrong type.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, get_args

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from brain.growth.plan import OperatorByHand  # noqa: TC001 - pydantic reads the annotations
from brain.sleep.config import MAX_SLEEP_STEPS

MAX_PROMPT_CHARS = 64 * 1024
PUSH_LIMIT_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 8192
MAX_COMPLETION_BYTES = 1024
MAX_REASON = 200

Reason = Annotated[
    str,
    Field(
        strict=True, min_length=1, max_length=MAX_REASON, description="Why, in the events and checkpoints."
    ),
]
Fraction = Annotated[
    float, Field(strict=True, gt=0, le=1, allow_inf_nan=False, description="Share of the site's units.")
]
Site = Annotated[
    str, Field(strict=True, min_length=1, max_length=200, description="Where; else where neurons are missed.")
]

# Not strict as a whole: that would refuse the JSON object itself; each field is.
_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Stop:
    """End the run with a final checkpoint; where none can be saved the run continues, unless `force` is given."""

    action: ClassVar[str] = "stop"
    reason: Reason = "stopped by hand"
    force: Annotated[bool, Field(strict=True)] = False


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class StopForGood(Stop):
    """The daemon ends: try to save for so long, then end anyway. Not an order of a person."""

    within_seconds: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Pause:
    """Save, then pause."""

    action: ClassVar[str] = "pause"
    reason: Reason = "paused by hand"


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Continue:
    """Continue learning after a pause."""

    action: ClassVar[str] = "continue"
    reason: Reason = "continued by hand"


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class SaveCheckpoint:
    """Save now."""

    action: ClassVar[str] = "checkpoint"
    reason: Reason = "manual"


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Grow:
    """Grow neurons; without a site, where they are missed most."""

    action: ClassVar[str] = "grow"
    operator: OperatorByHand = "widen"
    site: Site | None = None
    fraction: Fraction | None = None


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class ViewGrowth:
    """List the sites and what growing each would give."""

    action: ClassVar[str] = "growth"
    fraction: Fraction | None = None


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Sleep:
    """Fall asleep; without `steps`, for `sleep.steps` of the run."""

    action: ClassVar[str] = "sleep"
    steps: Annotated[int, Field(strict=True, ge=1, le=MAX_SLEEP_STEPS)] | None = None


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Evaluate:
    """Score the whole held-out set."""

    action: ClassVar[str] = "evaluate"


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Feed:
    """Take text into the stream, once it is journaled."""

    action: ClassVar[str] = "feed"
    text: Annotated[str, Field(strict=True, min_length=1)]
    origin: Annotated[str, Field(strict=True, min_length=1, max_length=200)] = "api"


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Forget:
    """Forget a text, a source, or all that was read since a step: exactly one of them.

    With `dry_run` only what is there of it is counted.
    """

    action: ClassVar[str] = "forget"
    text: Annotated[str, Field(strict=True, min_length=1)] | None = None
    source: Annotated[str, Field(strict=True, min_length=1, max_length=200)] | None = None
    since_step: Annotated[int, Field(strict=True, ge=0, lt=2**53)] | None = None
    asked: Annotated[str, Field(strict=True, max_length=100, description="The time that step is of.")] = ""
    dry_run: Annotated[bool, Field(strict=True)] = False


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Generate:
    """Generate text after a prompt."""

    action: ClassVar[str] = "generate"
    prompt: Annotated[str, Field(strict=True, max_length=MAX_PROMPT_CHARS)] = ""
    max_bytes: Annotated[int, Field(strict=True, ge=1, le=MAX_ANSWER_BYTES)] = 200
    temperature: Annotated[float, Field(strict=True, ge=0, le=10, allow_inf_nan=False)] = 0.8
    top_p: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)] = 0.95


@dataclass(frozen=True, kw_only=True, config=_CLOSED)
class Recall:
    """Look up what the exact memory knows of a context, and complete it by memory alone."""

    action: ClassVar[str] = "remembers"
    context: Annotated[str, Field(strict=True, min_length=1, max_length=MAX_PROMPT_CHARS)]
    max_bytes: Annotated[int, Field(strict=True, ge=0, le=MAX_COMPLETION_BYTES)] = 48


Order = (
    Stop
    | Pause
    | Continue
    | SaveCheckpoint
    | Grow
    | ViewGrowth
    | Sleep
    | Evaluate
    | Feed
    | Forget
    | Generate
    | Recall
)

# A question and its answer are no history: nothing of them is kept.
QUESTIONS = frozenset({Generate.action, Recall.action, ViewGrowth.action})

ORDERS: dict[str, type[Order]] = {kind.action: kind for kind in get_args(Order)}
