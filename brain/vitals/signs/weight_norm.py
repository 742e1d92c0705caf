"""Weight norm of a live brain: root mean square of the matrices of its growth sites."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from brain.capabilities import Growable
from brain.plasticity.health import weight_norm
from brain.vitals.live_sign import Clock, LiveSign, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.ports import Moment, Reading
    from brain.vitals.config import WeightNormConfig
    from brain.vitals.module_watch import ModuleWatch


class WeightNormSign(LiveSign):
    """√(mean w²) over all matrices of the hidden units; exact, so its standard error is 0. It may exceed 1."""

    name = "weight_norm"
    version = "2"  # 1 also took a mixer's convolutions, and no matrix that reads the units from elsewhere

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
        by_site = {
            name: {
                part: weights[part] for part in (*site.incoming, *site.outgoing) if weights[part].dim() > 1
            }
            for name, site in moment.brain.sites().items()
        }
        every = {part: matrix for own in by_site.values() for part, matrix in own.items()}
        if not every:
            raise UnsupportedError("this brain has no growth sites")
        norm = weight_norm(every.values())
        return self._reading(
            norm,
            value=norm,
            uncertainty=0.0,
            samples=sum(matrix.numel() for matrix in every.values()),
            detail={f"site.{site}": weight_norm(own.values()) for site, own in by_site.items() if own},
        )

    def state_tensors(self) -> Mapping[str, Tensor]:
        """Nothing: the weights are all there is."""
        return {}

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Nothing to take back."""
