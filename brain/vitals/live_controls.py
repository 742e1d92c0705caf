"""Controls of a live vital sign: one measured every few ticks, in turn, the newest of each kept with its step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The newest measurement of a control: nan where it was not available."""

    value: float
    error: float
    step: int


class LiveControls:
    """Whose turn it is, and what was found last.

    Args:
        names: controls, in the order in which they are measured.
        every_ticks: ticks between two measurements; 0 measures none.
    """

    def __init__(self, names: Sequence[str], *, every_ticks: int) -> None:
        self._names, self._every_ticks = tuple(names), every_ticks
        self._ticks = 0
        self._found: dict[str, _Found] = {}

    def due(self) -> str | None:
        """Count a tick; the control to be measured in it, if any. Each is measured once at the very beginning."""
        if not self._every_ticks:
            return None
        tick, self._ticks = self._ticks, self._ticks + 1
        count = len(self._names)
        if tick < count:
            return self._names[tick]
        turn, rest = divmod(tick, self._every_ticks)
        return None if rest else self._names[turn % count]

    def note(self, name: str, value: float | None, error: float | None, *, step: int) -> None:
        """Keep what a control gave; None where it was not available."""
        nan = math.nan
        self._found[name] = _Found(
            value=nan if value is None else value, error=nan if error is None else error, step=step
        )

    def detail(self) -> dict[str, float]:
        """Value, standard error and step of each control; one that was not available has a step alone."""
        detail = {}
        for name, found in self._found.items():
            detail[f"control.{name}"] = found.value
            detail[f"control.{name}.error"] = found.error
            detail[f"control.{name}.step"] = float(found.step)
        return {name: number for name, number in detail.items() if math.isfinite(number)}

    def tensors(self) -> dict[str, Tensor]:
        """What was found last, to survive a restart; what it was found in is gathered again."""
        return {
            f"control.{name}": torch.tensor([found.value, found.error, found.step], dtype=torch.float64)
            for name, found in self._found.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for name in self._names:
            if f"control.{name}" in tensors:
                value, error, step = tensors[f"control.{name}"].tolist()
                self._found[name] = _Found(value=value, error=error, step=int(step))
