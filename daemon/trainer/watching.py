"""The vital signs over a learning brain: gathered at every step, measured when their budget allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading
    from brain.vitals.config import VitalsConfig


class Watch:
    """All vital signs of one run."""

    def __init__(self, config: VitalsConfig, *, seed: int) -> None:
        self._config = config
        self._seed = seed

    def look(self, moment: Moment, session_seconds: float) -> list[Reading]:
        return []

    def state_tensors(self) -> dict[str, Tensor]:
        return {}

    def governor_state(self) -> dict[str, Any]:
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor], governor: Mapping[str, Any]) -> None:
        pass
