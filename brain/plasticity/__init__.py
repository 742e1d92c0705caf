"""Staying able to learn: units that serve nothing are renewed, weights are drawn back to where they began."""

from brain.plasticity.config import PlasticityConfig
from brain.plasticity.continual_backprop import ContinualBackprop, Renewal
from brain.plasticity.health import dormant_share, effective_rank, weight_norm
from brain.plasticity.site import UnitSite, UnitWeight

__all__ = [
    "ContinualBackprop",
    "PlasticityConfig",
    "Renewal",
    "UnitSite",
    "UnitWeight",
    "dormant_share",
    "effective_rank",
    "weight_norm",
]
