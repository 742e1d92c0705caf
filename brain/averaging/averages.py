"""The plastic and the stable average of a network's weights."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.averaging.config import AveragingConfig

Which = Literal["plastic", "stable"]
PREFIX = "average|"


class Averages:
    """Running averages of every parameter but those of a base, allocated once and written in place.

    The horizon grows with what was seen: in step t (from 0) an average keeps min(1 − 1/(t + 1), a) of itself,
    so it is the mean of all weights so far until that is longer than its own horizon. To spare memory traffic
    it follows once in `every_steps` steps, by the product of what it would have kept in each.

    Source: Arani et al. 2022, "Learning fast, learning slow" (CLS-ER); the horizon after Tarvainen and
    Valpola 2017.
    """

    def __init__(
        self, network: nn.Module, config: AveragingConfig, *, base: frozenset[str] = frozenset()
    ) -> None:
        self.config = config
        self._weights = {name: p for name, p in network.named_parameters() if name not in base}
        whole: tuple[Which, ...] = ("plastic", "stable") if config.every_steps else ()
        self.slow: dict[Which, dict[str, Tensor]] = {
            which: {name: p.detach().clone() for name, p in self._weights.items()} for which in whole
        }

    def __bool__(self) -> bool:
        return bool(self.slow)

    def follow(self, num_followed: int, *, asleep: bool = False) -> int:
        """One more step was learned; the number followed so far, which belongs to the brain's counters."""
        every = self.config.every_steps
        if not self.slow:
            return num_followed
        num_followed += 1
        if num_followed % every == 0:
            stable = min(self.config.stable, self.config.consolidation) if asleep else self.config.stable
            self._lerp("plastic", kept(num_followed - every, num_followed, self.config.plastic))
            self._lerp("stable", kept(num_followed - every, num_followed, stable))
        return num_followed

    @contextmanager
    def swapped_in(self, which: Which) -> Iterator[None]:
        """The network has the slow weights meanwhile; nothing may learn."""
        slow = self.slow[which]
        fast = {name: p.data for name, p in self._weights.items()}
        try:
            for name, p in self._weights.items():
                p.data = slow[name]
            yield
        finally:
            for name, p in self._weights.items():
                p.data = fast[name]

    def tensors(self) -> dict[str, Tensor]:
        """References to both averages, as `average|<which>|<parameter name>`."""
        return {
            f"{PREFIX}{which}|{name}": tensor
            for which, own in self.slow.items()
            for name, tensor in own.items()
        }

    @torch.no_grad()
    def _lerp(self, which: Which, share: float) -> None:
        weights = [self._weights[name].detach() for name in self.slow[which]]
        torch._foreach_lerp_(list(self.slow[which].values()), weights, 1.0 - share)


def kept(first: int, end: int, most: float) -> float:
    """Share of itself that an average keeps over the steps first … end - 1.

    >>> kept(0, 16, 0.99), kept(1, 2, 0.99), round(kept(10_000, 10_010, 0.99), 6)
    (0.0, 0.5, 0.904382)
    """
    return math.prod(min(1.0 - 1.0 / (t + 1), most) for t in range(first, end))
