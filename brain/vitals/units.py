"""What the hidden units of a brain said last, as its step reports show it to vital signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.plasticity.activations import EVIDENCE_PREFIX
from brain.ports import Growable
from brain.vitals.live import NotMeasurableError
from brain.vitals.modules import MAX_DROPPED_SHARE

if TYPE_CHECKING:
    from torch import Tensor

    from brain.ports import Moment


class HeardUnits:
    """The newest activity of every site's units, (N, H); a look comes only every few steps."""

    def __init__(self) -> None:
        self._said: dict[str, Tensor] = {}

    def hear(self, moment: Moment) -> None:
        """Keep what this step's report shows, if it shows units at all."""
        shown = {
            name.removeprefix(EVIDENCE_PREFIX): said
            for name, said in moment.report.evidence.items()
            if name.startswith(EVIDENCE_PREFIX)
        }
        if shown:
            self._said = shown

    def of(self, moment: Moment) -> dict[str, Tensor]:
        """Activity by site, finite rows alone, as it came.

        Raises:
            NotMeasurableError: there is none yet, or too much of it is not finite.
        """
        if not self._said:
            grows = isinstance(moment.brain, Growable)
            raise NotMeasurableError(
                "no look at the units yet" if grows else "this brain shows no hidden units"
            )
        return {name: _finite_rows(name, said) for name, said in self._said.items()}


def _finite_rows(site: str, said: Tensor) -> Tensor:
    finite = torch.isfinite(said).all(dim=1)
    dropped = 1.0 - float(finite.float().mean()) if len(said) else 1.0
    if dropped > MAX_DROPPED_SHARE:
        raise NotMeasurableError(
            f"{dropped:.0%} of what {site} said is not finite", {"dropped_share": dropped}
        )
    return said if dropped == 0.0 else said[finite]
