"""Keeps an online network able to learn forever: renews its hidden units, pulls its matrices back.

All of it follows from the step: nothing is drawn from a generator that would have to survive a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.growth.operators import recycle
from brain.plasticity.continual_backprop import ContinualBackprop
from brain.plasticity.regularize import pull_to_start, shrink_and_perturb
from brain.plasticity.unit_slices import UnitSlices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from brain.averaging.averages import Averages
    from brain.growth.site import Site
    from brain.optim.online_optimizer import OnlineOptimizer
    from brain.optim.parameter_groups import ParamGroup
    from brain.plasticity.config import BrainPlasticityConfig
    from brain.plasticity.continual_backprop import Renewal

KNOWN_PREFIX = "plasticity|"
START_PREFIX = "start|"


class LastingPlasticity:
    """Continual backpropagation over growth sites, L2-Init and shrink-and-perturb over all matrices.

    A renewed unit begins as one that growth renews: incoming weights half a random existing unit's and half drawn,
    outgoing ones zero, so that the network's output changes by the unit's own contribution alone. Its
    moments and steps are forgotten, slow weights and first weights take over its slices and no others, and
    what it carried is zero. Frozen sites and matrices are left alone.

    Args:
        network: what learns.
        sites: where the units of each growth site lie; each of their parameters must count its units' steps
            one by one in `optimizer`.
        groups: of the network; what is drawn back are those with a spread.
        optimizer: forgets moments and steps of renewed units.
        averages: slow weights.
        carried: carried tensors by the names that `sites` give them, lanes first.
        config: what is done, and how often.
        base: names of weights that never change.

    Source: Dohare et al. 2024, "Loss of plasticity in deep continual learning", Nature 632; Kumar et al. 2023;
    Ash & Adams 2020.
    """

    def __init__(
        self,
        network: nn.Module,
        sites: Mapping[str, Site],
        *,
        groups: Sequence[ParamGroup],
        optimizer: OnlineOptimizer,
        averages: Averages,
        carried: Mapping[str, Tensor],
        config: BrainPlasticityConfig,
        base: frozenset[str] = frozenset(),
    ) -> None:
        self.config = config
        self._network, self._optimizer, self._averages, self._carried = network, optimizer, averages, carried
        self._sites = dict(sites) if config.replacement_rate else {}
        self._spread = {name: spread for group in groups for name, spread in group.spreads.items()}
        self._matrices = {
            name: weight
            for name, weight in network.named_parameters()
            if name in self._spread and name not in base
        }
        self._start = (
            {name: matrix.detach().clone() for name, matrix in self._matrices.items()}
            if config.l2_init
            else {}
        )
        self._recycling = ContinualBackprop(self._sites, self._unit_slices(), config, seed=0)

    def looks_at(self, step: int) -> bool:
        """Whether `follow` needs the activations of this step (from 0)."""
        return step % self.config.every_steps == 0

    @torch.no_grad()
    def follow(self, step: int, activations: Mapping[str, Tensor], rate: float) -> int:
        """The weights were updated in this step; how many units were renewed.

        Args:
            step: from 0.
            activations: of every site's units, (N, H); needed where `looks_at(step)`.
            rate: AdamW's learning rate of this step; at 0 nothing is renewed, drawn back or perturbed.
        """
        config, renewed = self.config, 0
        if not rate:
            return 0
        if self.looks_at(step):
            for name, start in self._start.items():
                if self._matrices[name].requires_grad:
                    pull = min(1.0, rate * config.l2_init * config.every_steps)
                    pull_to_start(self._matrices[name].detach(), start, pull)
            if self._sites:
                self._recycling.observe([activations[site].float() for site in self._sites])
                renewed = sum(self._renew(step, renewal) for renewal in self._recycling.choose())
        if (config.shrink or config.perturb) and (step + 1) % config.perturb_every_steps == 0:
            self._shrink_and_perturb(step)
        return renewed

    def forget(self, site: str, units: Tensor) -> None:
        """Units (int64) of a site were renewed by someone else, as growth does."""
        if site in self._sites:
            mask = torch.zeros_like(self._recycling.utility(site), dtype=torch.bool)
            self._recycling.forget(site, mask.index_fill(0, units.to(mask.device), value=True))

    def tensors(self) -> dict[str, Tensor]:
        """Live tensors: `plasticity|<site>.<what is known>`, and first weights as `start|<parameter>`."""
        known = self._recycling.known_tensors().items()
        return {f"{KNOWN_PREFIX}{name}": tensor for name, tensor in known} | {
            f"{START_PREFIX}{name}": tensor for name, tensor in self._start.items()
        }

    def _unit_slices(self) -> UnitSlices:
        names = [name for site in self._sites.values() for name in site.axes]
        slow = self._averages.slow.values()
        return UnitSlices(
            weights={name: self._network.get_parameter(name).detach() for name in names},
            moments={name: self._optimizer.unit_moments(name) for name in names},
            followers={
                name: (
                    *(own[name] for own in slow),
                    *([self._start[name]] if name in self._start else []),
                )
                for name in names
            },
        )

    def _renew(self, step: int, renewal: Renewal) -> int:
        site, units = self._sites[renewal.site], renewal.units.nonzero().flatten()
        weights = {name: self._network.get_parameter(name) for name in site.axes}
        if not all(weight.requires_grad for weight in weights.values()):
            return 0
        seed = step * len(self._sites) + list(self._sites).index(renewal.site)
        fresh = recycle({name: w.detach() for name, w in weights.items()}, site, units, seed=seed)
        self._recycling.renew_units(renewal.site, renewal.units, fresh=fresh)
        for name in site.carried:
            self._carried[name].index_fill_(1, units, 0.0)
        return len(units)

    def _shrink_and_perturb(self, step: int) -> None:
        generator = torch.Generator().manual_seed(step)
        for name, matrix in self._matrices.items():
            if not matrix.requires_grad:
                continue
            noise = torch.randn(matrix.shape, generator=generator).mul_(
                self._spread[name] * self.config.perturb
            )
            shrink_and_perturb(matrix.detach(), shrink=self.config.shrink, noise=noise.to(matrix))
