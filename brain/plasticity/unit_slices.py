"""The tensors around hidden units, by the names that sites give them, and what is done to the slices of a unit.

Shapes: R independent networks side by side (left out for one), H units of a site, I inputs, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.growth.site import Site


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitSlices:
    """Live tensors; all are changed in place.

    Attributes:
        weights: incoming matrices (…, H, I) and vectors (…, H), outgoing matrices (…, O, H), biases behind them.
        moments: what an optimizer keeps of a weight; zero for a renewed unit.
        followers: tensors that take over the renewed slices of a weight: averages, first weights.
        spread: standard deviation of fresh incoming weights; 0 where none is named.
    """

    weights: Mapping[str, Tensor]
    moments: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    followers: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)

    def drawn(self, site: Site, generator: torch.Generator) -> dict[str, Tensor]:
        """Fresh weights of a site, of which the slices of renewed units are taken: drawn ones in, zeros out."""
        fresh = {name: torch.zeros_like(self.weights[name]) for name in site.axes}
        for name in site.incoming:
            if spread := self.spread.get(name, 0.0):
                drawn = torch.randn(fresh[name].shape, generator=generator)
                fresh[name] = drawn.to(fresh[name]).mul_(spread)
        return fresh

    def renew(self, site: Site, units: Tensor, fresh: Mapping[str, Tensor]) -> None:
        """Give the units of a mask (…, H) the slices of `fresh`; their moments become zero."""
        for name in site.axes:
            chosen = along_units(units, self.weights[name], outgoing=name in site.outgoing)
            for tensor in (self.weights[name], *self.followers.get(name, ())):
                tensor.copy_(torch.where(chosen, fresh[name], tensor))
            for moment in self.moments.get(name, ()):
                moment.masked_fill_(chosen, 0.0)


def along_units(of_unit: Tensor, weight: Tensor, *, outgoing: bool) -> Tensor:
    """Shape (…, H) made to broadcast with a weight; a vector keeps its shape.

    >>> along_units(torch.zeros(3), torch.zeros(3, 5), outgoing=False).shape
    torch.Size([3, 1])
    """
    if outgoing:
        return of_unit.unsqueeze(-2)
    return of_unit if weight.dim() == of_unit.dim() else of_unit.unsqueeze(-1)


def strength(weight: Tensor, *, outgoing: bool) -> Tensor:
    """Sum of magnitudes of each unit's slice of a matrix, (…, H)."""
    return weight.abs().sum(-2 if outgoing else -1)
