"""Effective rank of a live brain's hidden units, a site or so a tick."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from brain.plasticity.health import effective_rank
from brain.vitals.config import EffectiveRankConfig
from brain.vitals.live_sign import NotMeasurableError, WarmingUpError
from brain.vitals.unit_activations import UnitSign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The last look at a site: its rank over its width, the one before (nan without), and when."""

    share: float
    before: float
    width: int
    positions: int
    tick: int


class EffectiveRankSign(UnitSign[EffectiveRankConfig]):
    """exp(entropy of the normalised singular values) / width, weighted by width over the sites.

    Source: Roy & Vetterli 2007. With fewer positions than units the share is of the positions. The standard
    error follows from how much each site moved between its last two looks.
    """

    name = "effective_rank"
    version = "1"

    def __init__(self, config: EffectiveRankConfig, **settings: Any) -> None:
        super().__init__(config, **settings)
        self._found: dict[str, _Found] = {}
        self._ticks = 0

    def _estimate(self, moment: Moment) -> Reading:
        activations = self._units.of(moment)
        self._found = {site: found for site, found in self._found.items() if site in activations}
        self._ticks += 1
        for site in self._longest_ago(list(activations)):
            self._found[site] = self._look(site, activations[site])
        if len(self._found) < len(activations):
            raise WarmingUpError(f"warming up, {len(self._found)} of {len(activations)} sites were looked at")
        width = sum(found.width for found in self._found.values())
        moved = sum(
            (found.width / width) ** 2 * (found.share - found.before) ** 2 / 2.0
            for found in self._found.values()
        )
        return self._reading(
            sum(found.width * found.share for found in self._found.values()) / width,
            uncertainty=math.sqrt(moved),
            samples=min(found.positions for found in self._found.values()),
            detail={
                "units": float(width),
                **{f"site.{site}": found.share for site, found in self._found.items()},
            },
        )

    def _longest_ago(self, sites: list[str]) -> list[str]:
        """Sites whose turn it is: those never looked at first."""
        turn = {site: self._found[site].tick if site in self._found else -1 for site in sites}
        return sorted(sites, key=lambda site: turn[site])[: max(1, self.config.sites_per_tick)]

    def _look(self, site: str, activations: Tensor) -> _Found:
        if len(activations) < 2:
            raise NotMeasurableError(f"insufficient samples: {len(activations)} of 2")
        share = effective_rank(activations.cpu()) / min(activations.shape)
        last = self._found.get(site)
        before = last.share if last is not None and last.width == activations.shape[1] else math.nan
        return _Found(
            share=share,
            before=before,
            width=activations.shape[1],
            positions=len(activations),
            tick=self._ticks,
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """What was found last at each site."""
        return {
            f"site.{site}": torch.tensor(
                [found.share, found.before, found.width, found.positions, found.tick], dtype=torch.float64
            )
            for site, found in self._found.items()
        }

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self._found = {}
        for name, tensor in tensors.items():
            share, before, width, positions, tick = tensor.tolist()
            self._found[name.removeprefix("site.")] = _Found(
                share=share, before=before, width=int(width), positions=int(positions), tick=int(tick)
            )
        self._ticks = max((found.tick for found in self._found.values()), default=0)
