"""Continual backpropagation: now and then the least useful of the mature units is born again.

Shapes: R networks side by side (left out for one), B examples, H units of a site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from brain.plasticity.config import PlasticityConfig
    from brain.plasticity.site import UnitSite


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

    def __init__(self, sites: Sequence[UnitSite], config: PlasticityConfig, *, seed: int) -> None:
        self.config = config
        self.sites = tuple(sites)
        self._generator = torch.Generator().manual_seed(seed)
        first = [site.incoming[0].value for site in self.sites]
        self._utility = [
            torch.zeros(site.shape, device=w.device) for site, w in zip(self.sites, first, strict=True)
        ]
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
        for index, (site, activations) in enumerate(zip(self.sites, activity, strict=True)):
            mean = activations.mean(-2)
            self._mean[index].lerp_(mean, 1.0 - decay)
            self._age[index].add_(float(self.config.every_steps))
            if self.config.utility == "adaptable":
                known = 1.0 - self.config.utility_decay ** self._age[index]
                strength = (activations - (self._mean[index] / known).unsqueeze(-2)).abs().mean(-2)
                strength = strength / site.incoming[0].strength().clamp_(min=1e-8)
            else:
                strength = activations.abs().mean(-2)
            for weight in site.outgoing[1:]:
                strength = strength * weight.strength()
            self._utility[index].lerp_(strength * site.outgoing[0].strength(), 1.0 - decay)

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
        """The units that are due, for one who renews them otherwise and then calls `forget`."""
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
            chosen.append(Renewal(site=site.name, units=self._least_useful(index, mature, count)))
        return chosen

    @torch.no_grad()
    def forget(self, site: str, units: Tensor) -> None:
        """Units (…, H) were renewed: nothing is known of them any more."""
        index = [one.name for one in self.sites].index(site)
        for known_of_unit in (self._utility[index], self._mean[index], self._age[index]):
            known_of_unit.masked_fill_(units, 0.0)

    @torch.no_grad()
    def renew_units(self, site: str, units: Tensor) -> Renewal:
        """Renew units chosen by others (dormant ones, before growth): a mask (…, H)."""
        index = [one.name for one in self.sites].index(site)
        self._begin_anew(index, units)
        return Renewal(site=site, units=units)

    def utility(self, site: str) -> Tensor:
        """Running utility of a site's units, corrected for its short past, (…, H)."""
        index = [one.name for one in self.sites].index(site)
        return self._corrected(index)

    def unit_tensors(self) -> list[Tensor]:
        """What is known of the units: utilities, means, ages, and what is due."""
        return [*self._utility, *self._mean, *self._age, *self._due]

    def known_tensors(self) -> dict[str, Tensor]:
        """Live tensors of what is known of the units, as `<site>.<what>`."""
        named: dict[str, Tensor] = {}
        for index, site in enumerate(self.sites):
            named |= {
                f"{site.name}.utility": self._utility[index],
                f"{site.name}.mean": self._mean[index],
                f"{site.name}.age": self._age[index],
                f"{site.name}.due": self._due[index],
            }
        return named

    def tensors(self) -> dict[str, Tensor]:
        """Live tensors of all that survives a restart, and the generator's state."""
        own = {"generator": self._generator.get_state(), "wait": torch.tensor(self._steps_to_first)}
        return own | self.known_tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on exactly where `tensors` was taken."""
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

    def _begin_anew(self, index: int, units: Tensor) -> None:
        site = self.sites[index]
        if site.next_bias is not None:
            known = 1.0 - self.config.utility_decay ** self._age[index].clamp(min=1.0)
            usual = (self._mean[index] / known).masked_fill(~units, 0.0)
            site.next_bias.add_((site.outgoing[0].value @ usual.unsqueeze(-1)).squeeze(-1))
        for weight in (*site.incoming, *site.outgoing):
            chosen = weight.along_units(units)
            if weight.spread:
                drawn = torch.randn(weight.value.shape, generator=self._generator).to(weight.value)
                born = drawn.mul_(weight.spread)
            else:
                born = torch.zeros_like(weight.value)
            weight.value.copy_(torch.where(chosen, born, weight.value))
            if weight.anchor is not None:
                weight.anchor.copy_(torch.where(chosen, born, weight.anchor))
            for moment in weight.moments:
                moment.masked_fill_(chosen, 0.0)
        self.forget(site.name, units)
