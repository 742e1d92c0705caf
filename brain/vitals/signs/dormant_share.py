"""Dormant share of a live brain: units of all growth sites whose activity is next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from brain.plasticity.health import dormant_units
from brain.vitals.config import DormantShareConfig
from brain.vitals.live_sign import NotMeasurableError
from brain.vitals.unit_activations import UnitSign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading

BLOCKS = 8  # of positions, each left out once: how far the share depends on what was just read


class DormantShareSign(UnitSign[DormantShareConfig]):
    """Dormant units over all units (Sokar et al. 2023), from their activations in a step of learning.

    The standard error is the jackknife's over blocks of positions.
    """

    name = "dormant_share"

    def __init__(self, config: DormantShareConfig, **settings: Any) -> None:
        super().__init__(config, **settings)
        self.version = f"1 threshold={config.threshold:g}"

    def _estimate(self, moment: Moment) -> Reading:
        shares, left_out, width, samples = {}, torch.zeros(BLOCKS), 0, 0
        for site, activations in self._units.of(moment).items():
            if len(activations) < 2 * BLOCKS:
                raise NotMeasurableError(f"insufficient samples: {len(activations)} of {2 * BLOCKS}")
            blocks = torch.stack([block.float().abs().mean(0) for block in activations.tensor_split(BLOCKS)])
            without = (blocks.sum(0) - blocks) / (BLOCKS - 1)  # (BLOCKS, H)
            dormant = dormant_units(blocks.mean(0), threshold=self.config.threshold)
            shares[site] = int(dormant.sum()), len(dormant)
            left_out += dormant_units(without, threshold=self.config.threshold).float().sum(1).cpu()
            width += len(dormant)
            samples = len(activations)
        value = sum(dormant for dormant, _ in shares.values()) / width
        error = ((BLOCKS - 1) * (left_out / width).var(correction=0)).sqrt()
        return self._reading(
            value,
            uncertainty=float(error),
            samples=samples,
            detail={
                "units": float(width),
                **{f"site.{site}": count / units for site, (count, units) in shares.items()},
            },
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Nothing: a new life looks at the units in its first step."""
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to take back."""
