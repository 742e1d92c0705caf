"""Weights of sources by their names, checked before anything starts and again where they are used."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from brain.nearest_name import did_you_mean
from daemon.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def check_weights(weights: Mapping[str, float], names: Sequence[str]) -> None:
    """Refuse weights that cannot be drawn by; a source without one weighs 1.

    Raises:
        ConfigError: no source is called so (with the nearest), a weight is no weight, or all are 0.
    """
    for name, weight in weights.items():
        path = f"stream.weights.{name}"
        if name not in names:
            hint = did_you_mean(name, names, otherwise=f"known: {', '.join(names)}")
            raise ConfigError(f"{path}: no source is called that{hint}", path=path)
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(f"{path} is {weight}; a weight is a number of at least 0", path=path)
    if not any(weights.get(name, 1.0) for name in names):
        raise ConfigError(
            "stream.weights are all 0; give at least one source a weight above 0", path="stream.weights"
        )
