"""The newest activations of a brain's hidden units, as its step reports show them, and signs that look at them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

from brain.capabilities import Growable
from brain.plasticity.activations import EVIDENCE_PREFIX
from brain.vitals.live_sign import Clock, LiveSign, NotMeasurableError, UnsupportedError
from brain.vitals.module_watch import MAX_DROPPED_SHARE

if TYPE_CHECKING:
    from torch import Tensor

    from brain.ports import Moment
    from brain.vitals.module_watch import ModuleWatch

Config = TypeVar("Config")


class UnitActivations:
    """The newest activity of every site's units, (N, H); a look comes only every few steps."""

    def __init__(self) -> None:
        self._activations: dict[str, Tensor] = {}

    def follow(self, moment: Moment) -> None:
        """Keep what this step's report shows, if it shows units at all."""
        shown = {
            name.removeprefix(EVIDENCE_PREFIX): activations
            for name, activations in moment.report.evidence.items()
            if name.startswith(EVIDENCE_PREFIX)
        }
        if shown:
            self._activations = shown

    def of(self, moment: Moment) -> dict[str, Tensor]:
        """Activity by site, finite rows alone, as it came.

        Raises:
            NotMeasurableError: there is none yet, or too much of it is not finite.
        """
        if not self._activations:
            if not isinstance(moment.brain, Growable):
                raise UnsupportedError("this brain reports no activity of its hidden units")
            raise NotMeasurableError("no look at the units yet")
        return {name: _finite_rows(name, activations) for name, activations in self._activations.items()}


class UnitSign(LiveSign, Generic[Config]):
    """A vital sign of hidden units, from their activations in steps of learning."""

    def __init__(
        self,
        config: Config,
        *,
        watch: ModuleWatch | None = None,  # noqa: ARG002 - such a sign looks at units, not modules
        seed: int = 0,  # noqa: ARG002 - nothing is drawn
        clock: Clock = time.perf_counter,
    ) -> None:
        super().__init__(clock=clock)
        self.config = config
        self._units = UnitActivations()

    def observe(self, moment: Moment) -> None:
        """Keep the newest look at the units."""
        self._units.follow(moment)


def _finite_rows(site: str, activations: Tensor) -> Tensor:
    finite = torch.isfinite(activations).all(dim=1)
    dropped = 1.0 - float(finite.float().mean()) if len(activations) else 1.0
    if dropped > MAX_DROPPED_SHARE:
        raise NotMeasurableError(
            f"{dropped:.0%} of the activations of {site} are not finite", {"dropped_share": dropped}
        )
    return activations if dropped == 0.0 else activations[finite]
