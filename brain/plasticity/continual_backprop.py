"""Continual backpropagation: now and then the least useful of the mature units is born again.

Shapes: R networks side by side (left out for one), B examples, H units of a site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.plasticity.unit_slices import strength

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from brain.growth.site import Site
    from brain.plasticity.config import PlasticityConfig
    from brain.plasticity.unit_slices import UnitSlices


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """Units of a site that were renewed: a mask (…, H) over them."""

    site: str
    units: Tensor

    @property
    def num_units(self) -> int:
        """How many, over all networks."""
        return int(self.units.sum())


class ContinualBackprop:
    """Keeps utility and age of every unit, and renews the least useful mature ones.

    A renewed unit gets fresh incoming weights and silent outgoing ones, so the network's output hardly moves;
    its mean activation goes into the next bias. Its optimizer moments are forgotten with it,
    their bias correction included: left at old age, the first steps of the newborn would be far too long.

    All draws come from a generator of its own; `tensors` and `load` carry it through restarts, exactly.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning", Nature 632.
    """

    def __init__(
        self, sites: Mapping[str, Site], tensors: UnitSlices, config: PlasticityConfig, *, seed: int
    ) -> None:
        self.config = config
        self.sites, self._tensors = dict(sites), tensors
        self._index = {name: index for index, name in enumerate(self.sites)}
        self._generator = torch.Generator().manual_seed(seed)
        first = [tensors.weights[site.incoming[0]] for site in self.sites.values()]
        self._utility = [torch.zeros(weight.shape[:-1], device=weight.device) for weight in first]
        self._mean = [torch.zeros_like(utility) for utility in self._utility]
        self._age = [torch.zeros_like(utility) for utility in self._utility]
        # Fractions of a unit due for renewal add up until a whole one is due.
        self._due = [torch.zeros(utility.shape[:-1], device=utility.device) for utility in self._utility]
        self._steps_to_first = config.maturity_steps

    @torch.no_grad()
    def observe(self, activity: Sequence[Tensor]) -> None:
        """Take in the activations of each site's units on the batch just learned, (…, B, H) each, in order.

        One call stands for `every_steps` steps.
        """
        decay = self.config.utility_decay**self.config.every_steps
        weights = self._tensors.weights
        for index, (site, activations) in enumerate(zip(self.sites.values(), activity, strict=True)):
            mean = activations.mean(-2)
            self._mean[index].lerp_(mean, 1.0 - decay)
            self._age[index].add_(float(self.config.every_steps))
            if self.config.utility == "adaptable":
                known = 1.0 - self.config.utility_decay ** self._age[index]
                share = (activations - (self._mean[index] / known).unsqueeze(-2)).abs().mean(-2)
                share = share / strength(weights[site.incoming[0]], outgoing=False).clamp_(min=1e-8)
            else:
                share = activations.abs().mean(-2)
            first, *others = site.outgoing
            for name in others:
                share = share * strength(weights[name], outgoing=True)
            self._utility[index].lerp_(share * strength(weights[first], outgoing=True), 1.0 - decay)

    @torch.no_grad()
    def renew(self, learning: Tensor | None = None) -> list[Renewal]:
        """Renew the units that are due; the sites' tensors change in place. Call it after `observe`.

        `learning` (R,) is False for networks of which none may be renewed.
        """
        if self.config.replacement_rate == 0:
            return []
        if self._steps_to_first > 0:  # nothing is mature yet, so nothing can be due
            self._steps_to_first -= self.config.every_steps
            return []
        chosen = self.choose(learning)
        for renewal in chosen:
            self.renew_units(renewal.site, renewal.units)
        return chosen

    @torch.no_grad()
    def choose(self, learning: Tensor | None = None) -> list[Renewal]:
        """The units that are due, for one who renews them with weights of his own."""
        chosen: list[Renewal] = []
        if self.config.replacement_rate == 0:
            return chosen  # whatever was due at another rate
        share = self.config.replacement_rate * self.config.every_steps
        for index, site in enumerate(self.sites):
            mature = self._age[index] > self.config.maturity_steps
            if learning is not None:
                mature = mature & learning.unsqueeze(-1)
            due = self._due[index].add_(mature.sum(-1), alpha=share)
            if bool((due < 1.0).all()):
                continue
            count = due.floor()
            due.sub_(count)
            chosen.append(Renewal(site=site, units=self._least_useful(index, mature, count)))
        return chosen

    @torch.no_grad()
    def forget(self, site: str, units: Tensor) -> None:
        """Units (…, H) were renewed: nothing is known of them any more."""
        index = self._index[site]
        for known_of_unit in (self._utility[index], self._mean[index], self._age[index]):
            known_of_unit.masked_fill_(units, 0.0)

    @torch.no_grad()
    def renew_units(self, site: str, units: Tensor, *, fresh: Mapping[str, Tensor] | None = None) -> Renewal:
        """Renew units (…, H) of a site with slices of `fresh`; with drawn ones where that is left out."""
        index, own = self._index[site], self.sites[site]
        if own.next_bias is not None:
            known = 1.0 - self.config.utility_decay ** self._age[index].clamp(min=1.0)
            usual = (self._mean[index] / known).masked_fill(~units, 0.0)
            reader = self._tensors.weights[own.outgoing[0]]
            self._tensors.weights[own.next_bias].add_((reader @ usual.unsqueeze(-1)).squeeze(-1))
        self._tensors.renew(own, units, self._tensors.drawn(own, self._generator) if fresh is None else fresh)
        self.forget(site, units)
        return Renewal(site=site, units=units)

    def utility(self, site: str) -> Tensor:
        """Running utility of a site's units, corrected for its short past, (…, H)."""
        return self._corrected(self._index[site])

    def unit_slices(self) -> list[Tensor]:
        """What is known of the units: utilities, means, ages, and what is due."""
        return [*self._utility, *self._mean, *self._age, *self._due]

    def known_tensors(self) -> dict[str, Tensor]:
        """Live tensors of what is known of the units, as `<site>.<what>`."""
        named: dict[str, Tensor] = {}
        for index, site in enumerate(self.sites):
            named |= {
                f"{site}.utility": self._utility[index],
                f"{site}.mean": self._mean[index],
                f"{site}.age": self._age[index],
                f"{site}.due": self._due[index],
            }
        return named

    def tensors(self) -> dict[str, Tensor]:
        """Live tensors of all that survives a restart, and the generator's state."""
        own = {"generator": self._generator.get_state(), "wait": torch.tensor(self._steps_to_first)}
        return own | self.known_tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue exactly where `tensors` was taken."""
        self._generator.set_state(tensors["generator"].clone())
        self._steps_to_first = int(tensors["wait"])
        for name, own in self.tensors().items():
            if name not in {"generator", "wait"}:
                own.copy_(tensors[name])

    def _corrected(self, index: int) -> Tensor:
        known = 1.0 - self.config.utility_decay ** self._age[index].clamp(min=1.0)
        return self._utility[index] / known

    def _least_useful(self, index: int, mature: Tensor, count: Tensor) -> Tensor:
        """Mask (…, H) over the `count` mature units of least utility; a tie falls to the first."""
        ranked = self._corrected(index).masked_fill(~mature, torch.inf)
        rank = ranked.argsort(dim=-1, stable=True).argsort(dim=-1)
        return (rank < count.unsqueeze(-1)) & mature
