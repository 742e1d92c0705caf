"""How a brain grows without a change of its output: on its tensors, as pure functions.

A brain that grows takes its state, is rebuilt from the grown architecture (the very path of a restart),
and loads what it had, followed by what was born. Averages, moments and carried state follow by name.

Newborn units take their incoming weights half from an existing unit, so that they are alive on the same input, and
half at random (zero weights going in would never learn: the derivative of ReLU at 0 is 0). Their outgoing weights
are either zero, or come in pairs of one and the same unit with opposite signs, whose sum is zero until
learning parts them. Source: Chen et al. 2016 (Net2Net) for the aim; Wu et al. 2020 (Firefly) for pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.devices import widened
from brain.ports import BrainState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.plan import GrowthPlan, Newborns
    from brain.growth.site import Site

STEP = "step"
FRESH_SHARE = 0.5  # of the variance of a newborn's incoming weights; the rest is a random existing unit's


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What a growth changes about tensors named after parameters.

    Attributes:
        axes: axis of units of each parameter that was widened.
        born: newborn slices of each of these, or whole parameters that were not there before.
        renewed: whole parameters in which units were renewed; averages of weights take them over too.
    """

    axes: Mapping[str, int] = field(default_factory=dict)
    born: Mapping[str, Tensor] = field(default_factory=dict)
    renewed: Mapping[str, Tensor] = field(default_factory=dict)

    def follow(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights after the growth, from those before it; averages of weights follow in the same way."""
        grown = dict(weights)
        for name in grown.keys() & self.axes.keys():
            if name in self.renewed:
                grown[name] = self.renewed[name].to(grown[name])
            else:
                grown[name] = torch.cat([grown[name], self.born[name].to(grown[name])], dim=self.axes[name])
        return grown | {name: tensor for name, tensor in self.born.items() if name not in self.axes}


@torch.no_grad()
def widen(
    weights: Mapping[str, Tensor],
    site: Site,
    units: int,
    *,
    newborns: Newborns,
    pair_scale: float,
    seed: int,
) -> Growth:
    """Newborn units for a site, without a change of its output but the rounding of a wider matrix product.

    Args:
        weights: parameters by name.
        site: which of them hold its units.
        units: how many are born; even for pairs.
        newborns: see the module.
        pair_scale: deviation of a pair's outgoing weights, in that of existing units.
        seed: of what is drawn.

    Raises:
        ValueError: pairs are asked for, but `units` is odd.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = newborns == "pairs"
    if pairs and units % 2:
        raise ValueError(f"pairs come in twos, not {units}")
    # Where existing outgoing weights are all zero, nothing would ever part a pair.
    pairs = pairs and any(bool(weights[name].any()) for name in site.outgoing)
    drawn = units // 2 if pairs else units
    born = {}
    parents = torch.randint(0, weights[site.incoming[0]].shape[0], (drawn,), generator=generator)
    for name in site.incoming:
        fresh = descended(weights[name], parents, generator)
        born[name] = fresh.repeat_interleave(2, dim=0) if pairs else fresh
    for name in site.outgoing:
        own = weights[name]
        if pairs:
            fresh = _drawn((own.shape[0], drawn), pair_scale * deviation(own), generator)
            # Side by side, so that a dot product adds and subtracts the very same number in a row.
            born[name] = torch.stack([fresh, -fresh], dim=2).flatten(1)
        else:
            born[name] = torch.zeros(own.shape[0], units)
    return Growth(axes=site.axes, born={name: tensor.to(weights[name]) for name, tensor in born.items()})


@torch.no_grad()
def recycle(weights: Mapping[str, Tensor], site: Site, chosen: Tensor, *, seed: int) -> dict[str, Tensor]:
    """Weights in which units (int64) of a site are born again: incoming as newborns', outgoing zero.

    With no existing unit left to take after, all of the incoming weights are drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    renewed = dict(weights)
    alive = torch.ones(weights[site.incoming[0]].shape[0], dtype=torch.bool)
    alive[chosen.cpu()] = False
    existing = alive.nonzero().flatten()
    parents = torch.randint(0, max(len(existing), 1), (len(chosen),), generator=generator)
    for name in site.incoming:
        own = weights[name]
        if len(existing):
            fresh = descended(own[existing.to(own.device)], parents, generator)
        else:
            fresh = _fresh_rows(own, len(chosen), generator)
        renewed[name] = weights[name].index_copy(0, chosen, fresh.to(weights[name]))
    for name in site.outgoing:
        renewed[name] = weights[name].index_fill(1, chosen, 0.0)
    return renewed


@torch.no_grad()
def inherit(before: BrainState, built: BrainState, growth: Growth, plan: GrowthPlan) -> BrainState:
    """State of the grown brain: `built` from its spec, filled with all of the state `before`.

    Moments and steps of new units are zero, and so is what they carry; existing units keep every bit. Averages
    (any tensor `…|<parameter>`) take over the newborns' weights.
    """
    model = growth.follow(before.model)
    learning = {}
    for name, own in built.learning.items():
        old = before.learning.get(name)
        owner, moment = _owner(name, growth)
        if owner is None:
            learning[name] = own if old is None else _embedded(old, own)
        elif moment == STEP and (old is None or old.dim() == 0):
            # So far the parameter counted its steps as a whole, or not at all.
            age = float(before.counters.get(STEP, 0)) if old is None else float(old)
            axis, count = growth.axes[owner], before.model[owner].shape[growth.axes[owner]]
            learning[name] = own.clone().zero_()
            learning[name].narrow(axis, 0, count).fill_(age)
        elif moment is None:
            learning[name] = own if old is None else growth.follow({owner: old})[owner]
        else:
            learning[name] = own.clone().zero_() if old is None else _embedded(old, own.clone().zero_())
    if plan.operator == "recycle":
        _forget(learning, growth, torch.tensor(plan.chosen, dtype=torch.int64))
    return BrainState(
        model=model,
        learning=learning,
        counters=before.counters,
        spec=built.spec,
        tied=before.tied,
        base=before.base,
    )


def _forget(learning: dict[str, Tensor], growth: Growth, chosen: Tensor) -> None:
    """Moments and steps of renewed units are zero."""
    for name, tensor in learning.items():
        owner, moment = _owner(name, growth)
        if owner is not None and moment is not None:
            learning[name] = tensor.index_fill(growth.axes[owner], chosen.to(tensor.device), 0.0)


def _owner(name: str, growth: Growth) -> tuple[str | None, str | None]:
    """The widened parameter a learning tensor belongs to, and which moment of it; None for an average.

    Moments are called `<parameter>|<moment>`, averages `…|<parameter>`.
    """
    head, _, tail = name.rpartition("|")
    if head in growth.axes:
        return head, tail
    return (tail, None) if tail in growth.axes else (None, None)


def _embedded(old: Tensor, own: Tensor) -> Tensor:
    """`old` in the beginning of a tensor shaped like `own`, whose further entries stay."""
    if old.shape == own.shape:
        return old
    filled = own.clone()
    filled[tuple(slice(size) for size in old.shape)] = old
    return filled


def deviation(weight: Tensor) -> float:
    """Root mean square of a weight."""
    return float(widened(weight).square().mean().sqrt())


def descended(weight: Tensor, parents: Tensor, generator: torch.Generator) -> Tensor:
    """Rows half like their parents' (int64) and half drawn, as strong as the existing rows are; on the CPU."""
    fresh = _fresh_rows(weight, len(parents), generator).double()
    inherited = weight.detach()[parents.to(weight.device)].cpu().double()
    mixed: Tensor = (1.0 - FRESH_SHARE) ** 0.5 * inherited + FRESH_SHARE**0.5 * fresh
    return mixed.to(weight.dtype)


def _fresh_rows(weight: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Rows as strong as those of `weight`; as those of a newborn matrix where that is zero."""
    strength = deviation(weight) or float(weight.shape[1]) ** -0.5
    return _drawn((count, *weight.shape[1:]), strength, generator)


def _drawn(shape: tuple[int, ...], deviation: float, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) * deviation
