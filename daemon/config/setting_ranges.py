"""Which numbers a setting may take, found by its dotted name; the ranges stand on the fields themselves."""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import TYPE_CHECKING, Any

from brain.ranges import Range
from brain.registry import brains
from daemon.config.tree import DEFAULT_BRAIN, RunConfig

if TYPE_CHECKING:
    from collections.abc import Sequence


def range_of(name: str, *, brain: str = DEFAULT_BRAIN) -> Range | None:
    """The range of a setting of a run, or of an item of it; None when any number will do.

    Args:
        name: dotted; what follows the name of a list or table is an item.
        brain: the kind whose settings `brain.…` are.
    """
    first, *rest = name.split(".")
    if first == "brain":
        return range_in(brains.get(brain).config, rest)
    return range_in(RunConfig, [first, *rest])


def range_in(config: type, path: Sequence[str]) -> Range | None:
    """The range that stands on a field of a config class, or on one of a class nested in it."""
    for name in path:
        hint = _hints(config).get(name)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            config = hint
            continue
        return next((one for one in typing.get_args(hint) if isinstance(one, Range)), None)
    return None


@functools.cache
def _hints(config: type) -> dict[str, Any]:
    return typing.get_type_hints(config, include_extras=True)
