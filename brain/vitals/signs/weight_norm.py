"""Weight norm of a live brain: root mean square of the matrices of its growth sites."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from brain.plasticity.health import weight_norm
from brain.ports import Growable
from brain.vitals.live import Clock, LiveSign, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading
    from brain.vitals.config import WeightNormConfig
    from brain.vitals.modules import ModuleWatch


class WeightNormSign(LiveSign):
    """√(mean w²) over all matrices of the hidden units; exact, so its standard error is 0. It may exceed 1."""

    name = "weight_norm"
    version = "1"

    def __init__(
        self,
        config: WeightNormConfig,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - this sign looks at weights, not modules
        seed: int = 0,  # noqa: ARG002 - nothing is drawn
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config = config

    def observe(self, moment: Moment) -> None:
        """Nothing to gather: the weights are there when they are asked for."""

    def _estimate(self, moment: Moment) -> Reading:
        if not isinstance(moment.brain, Growable):
            raise UnsupportedError("this brain has no growth sites")
        weights = moment.brain.state().model
        matrices = {
            site: [w for name, w in weights.items() if name.startswith(f"{site}.") and w.dim() > 1]
            for site in moment.brain.sites()
        }
        every = [matrix for own in matrices.values() for matrix in own]
        if not every:
            raise UnsupportedError("this brain has no growth sites")
        norm = weight_norm(every)
        return self._reading(
            norm,
            value=norm,
            uncertainty=0.0,
            samples=sum(matrix.numel() for matrix in every),
            detail={f"site.{site}": weight_norm(own) for site, own in matrices.items()},
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Nothing: the weights are all there is."""
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to take back."""
