"""A layer of hidden units as the tensors around it, so that any network can lend its units to recycling.

Shapes: R independent networks side by side (left out for one), H units of the site, I inputs, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitWeight:
    """One tensor of which a slice belongs to each unit.

    Attributes:
        value: the weight; units lie along `dim`.
        dim: −1 or −2, counted from the end; an incoming matrix (…, H, I) has −2, a bias (…, H) or an outgoing
            matrix (…, O, H) has −1.
        spread: standard deviation of a newborn slice; 0 begins at zero, as outgoing weights do.
        moments: tensors of the value's shape that an optimizer keeps (averages, per-weight steps or what
            corrects their bias); a renewed unit's slices become zero.
        anchor: where `value` began, if it is drawn back there; a renewed unit's slice follows.
    """

    value: Tensor
    dim: int
    spread: float = 0.0
    moments: tuple[Tensor, ...] = ()
    anchor: Tensor | None = None

    def strength(self) -> Tensor:
        """Sum of magnitudes of each unit's slice, (…, H)."""
        if self.dim == -1:
            return self.value.abs().sum(-2)
        return self.value.abs().sum(-1)

    def along_units(self, of_unit: Tensor) -> Tensor:
        """Shape (…, H) made to broadcast with `value`; a vector keeps its shape."""
        if self.dim == -2:
            return of_unit.unsqueeze(-1)
        return of_unit.unsqueeze(-2) if self.value.dim() > of_unit.dim() else of_unit


@dataclass(frozen=True, kw_only=True, eq=False)
class UnitSite:
    """Hidden units between the weights that feed them and those that read them.

    Attributes:
        name: of the site, as growth and vital signs call it.
        incoming: matrices and biases that feed the units; the first is the matrix whose magnitude counts.
        outgoing: matrices that read them.
        next_bias: bias (…, O) of the first outgoing matrix; it takes over the mean activation of a removed
            unit.
    """

    name: str
    incoming: tuple[UnitWeight, ...]
    outgoing: tuple[UnitWeight, ...]
    next_bias: Tensor | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(R, H), or (H,) for one network."""
        first = self.incoming[0]
        return tuple(first.value.shape[:-1]) if first.dim == -2 else tuple(first.value.shape)
