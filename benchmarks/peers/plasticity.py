"""Peers of lasting plasticity: self-normalised resets and spectral regularisation, written from their papers.

Shapes: R networks side by side (left out for one), H units of a site, O × I a matrix.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from brain.models.classifier.online_mlp import OnlineMLP, Trace
from brain.plasticity.config import PlasticityConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.growth.site import Site
    from brain.models.classifier.config import MLPConfig
    from brain.plasticity.continual_backprop import Renewal
    from brain.plasticity.unit_slices import UnitSlices

TINY = 1e-12
NEITHER = PlasticityConfig(replacement_rate=0.0)
NEVER_DUE = PlasticityConfig(
    replacement_rate=1e-12
)  # weights count their steps one by one, and no unit is renewed


class SilentTimes:
    """How long each unit has been silent, and how long is too long by its own history.

    A silence is too long where at most the share `rejected` of the unit's times between firings were as long. That
    length is taken anew at every `renew`: it shrinks to what the history says, or doubles where the history does not
    reach below it, so that a unit once judged too soon is given more time.

    Args:
        units: (…, H), the shape of what `observe` takes.
        rejected: η, the share of a unit's own times between firings beyond which it counts as inactive.
        first: steps of silence that are too long before there is a history.
        most: the longest silence that is ever waited for, in steps.
    """

    def __init__(self, units: tuple[int, ...], *, rejected: float, first: int, most: int) -> None:
        self.rejected, self.most = rejected, most
        self.age = torch.zeros(units, dtype=torch.int64)
        self.too_long = torch.full(units, min(first, most), dtype=torch.int64)
        # How often each time between firings was.
        self._times = torch.zeros(*units, most + 2, dtype=torch.int64)

    def observe(self, fired: Tensor) -> Tensor:
        """Take in which units (…, H) fired in a step; True for those that have been silent for too long.

        Those are taken to be reset: their silence starts over, and stands in their history as one that ended here.
        """
        self.age += 1
        reset = ~fired & (self.age >= self.too_long)
        ended = fired | reset
        time = self.age.clamp(max=self.most + 1).unsqueeze(-1)
        self._times.scatter_add_(-1, time, ended.long().unsqueeze(-1))
        self.age.masked_fill_(ended, 0)
        return reset

    def renew(self) -> None:
        """Take the lengths that are too long from the history since the last call."""
        as_long = self._times.flip(-1).cumsum(-1).flip(-1)  # how many times were at least so long
        few = as_long <= self.rejected * as_long[..., :1]
        beyond = few.to(torch.int8).argmax(-1)
        known = (beyond > 0) & (beyond <= self.too_long)
        self.too_long = torch.where(known, beyond, 2 * self.too_long).clamp(min=1, max=self.most)
        self._times.zero_()


class SelfNormalisedResets:
    """Resets a unit once it has been silent for longer than its own history makes likely.

    It gets fresh incoming weights and outgoing weights of zero; its moments are forgotten. A unit fires where its
    activation is above zero, so one whose activation never is zero is never reset.

    Args:
        sites: where the units lie.
        slices: the tensors around them.
        rejected: see `SilentTimes`.
        every_steps: thresholds are recomputed every this many steps.
        most: see `SilentTimes`.
        seed: of fresh weights.

    Source: Farias & Jozefiak 2024, "Self-normalized resets for plasticity in continual learning".
    """

    def __init__(
        self,
        sites: Mapping[str, Site],
        slices: UnitSlices,
        *,
        rejected: float,
        every_steps: int = 500,
        most: int = 2000,
        seed: int = 0,
    ) -> None:
        self.silent = {
            name: SilentTimes(
                tuple(slices.weights[site.incoming[0]].shape[:-1]),
                rejected=rejected,
                first=every_steps,
                most=most,
            )
            for name, site in sites.items()
        }
        self._sites, self._slices, self._every = sites, slices, every_steps
        self._generator = torch.Generator().manual_seed(seed)
        self._steps = 0

    @torch.no_grad()
    def follow(self, fired: Mapping[str, Tensor]) -> int:
        """The weights were updated in a step in which these units (…, H) of each site fired; how many were reset."""
        self._steps += 1
        num_reset = 0
        for name, silent in self.silent.items():
            reset = silent.observe(fired[name])
            if bool(reset.any()):
                site = self._sites[name]
                self._slices.renew(site, reset, self._slices.drawn(site, self._generator))
                num_reset += int(reset.sum())
            if self._steps % self._every == 0:
                silent.renew()
        return num_reset


class SpectralRegularisation:
    """Adds to the gradient that of λ Σ (σᵏ − 1)², where σ is the largest singular value of each matrix.

    σ follows by one power iteration a step. A vector, which is a bias, is drawn towards length 0: λ ‖b‖²ᵏ.

    Args:
        strength: λ.
        power: k.
        seed: of the first singular vectors.

    Source: Lewandowski et al. 2024, "Learning continually by spectral regularization".
    """

    def __init__(self, *, strength: float, power: int = 2, seed: int = 0) -> None:
        self.strength, self.power = strength, power
        self._generator = torch.Generator().manual_seed(seed)
        self._right: dict[str, Tensor] = {}

    def attach(self, parameters: Mapping[str, Tensor]) -> None:
        """From now on every gradient of these parameters holds that of the penalty, too."""
        for name, parameter in parameters.items():
            parameter.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient, name=name, parameter=parameter: (
                    gradient + self.gradient(name, parameter.detach())
                )
            )

    @torch.no_grad()
    def gradient(self, name: str, weight: Tensor) -> Tensor:
        """Of the penalty on one weight, by its present singular vectors, which are brought up to date."""
        k = self.power
        if name.endswith("bias"):
            length: Tensor = torch.linalg.vector_norm(weight, dim=-1, keepdim=True)
            return 2.0 * k * self.strength * length ** (2 * k - 2) * weight
        right = self._right.get(name)
        if right is None:
            shape = (*weight.shape[:-2], weight.shape[-1], 1)
            right = torch.randn(shape, generator=self._generator).to(weight)
        left = _unit(weight @ right)
        pulled = weight.transpose(-1, -2) @ left
        sigma: Tensor = torch.linalg.vector_norm(pulled, dim=-2, keepdim=True)
        right = self._right[name] = _unit(pulled)
        slope = 2.0 * self.strength * (sigma**k - 1.0) * k * sigma ** (k - 1)
        return (slope * left) @ right.transpose(-1, -2)


def _unit(vector: Tensor) -> Tensor:
    """A column of length 1."""
    length: Tensor = torch.linalg.vector_norm(vector, dim=-2, keepdim=True)
    return vector / length.clamp(min=TINY)


class ResettingMLP(OnlineMLP):
    """An online net with self-normalised resets; nothing else renews its units."""

    def __init__(self, config: MLPConfig, *, rejected: float, every_steps: int, **how: Any) -> None:
        super().__init__(replace(config, plasticity=NEVER_DUE), **how)
        self.resets = SelfNormalisedResets(
            self._sites(), self._unit_slices(), rejected=rejected, every_steps=every_steps, most=every_steps
        )

    def update(self, trace: Trace) -> list[Renewal]:
        """Step along the gradient, then reset what has been silent for too long."""
        renewed = super().update(trace)
        fired = [(activity > 0).any(-2) for activity in trace.hidden]
        self.resets.follow(dict(zip(self.resets.silent, fired, strict=True)))
        return renewed


class SpectralMLP(OnlineMLP):
    """An online net with spectral regularisation of its matrices and biases; no unit is renewed."""

    def __init__(self, config: MLPConfig, *, strength: float, **how: Any) -> None:
        super().__init__(replace(config, plasticity=NEITHER), **how)
        self.spectral = SpectralRegularisation(strength=strength)
        gradients = self.named(self.gradient)
        self._learned = [(name, weight, gradients[name]) for name, weight in self.named(self.flat).items()]

    def update(self, trace: Trace) -> list[Renewal]:
        """Step along the gradient of loss and penalty."""
        for name, weight, gradient in self._learned:
            gradient.add_(self.spectral.gradient(name, weight))
        return super().update(trace)
