"""Agency over a brain's own next bytes, beside what an untrained twin and shuffled choices give."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import torch

from brain.vitals.action_information import closed_loop_agency
from brain.vitals.closed_loop import probe_contexts
from brain.vitals.live_controls import LiveControls
from brain.vitals.twins import BROKEN, UNTRAINED, twin_of
from brain.vitals.window import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.capabilities import Steerable
    from brain.ports import Brain
    from brain.vitals.action_information import Agency
    from brain.vitals.config import AgencyConfig

_COLUMNS = ("actions", "continuations")
_CONTROLS = "words."


class OwnWords:
    """Over the newest probed contexts.

    An untrained twin probes contexts of its own, a few in every `control_every_ticks`-th tick, and all that are missing
    as soon as a value would otherwise be shown without this control. In the shuffled control each continuation is put
    behind another byte than the one that it followed, so that recognition is at chance.

    Args:
        config: of agency.
        seed: of the twin's weights and of shuffling.
    """

    def __init__(self, config: AgencyConfig, *, seed: int) -> None:
        self.config, self._seed = config, seed
        self._probed = Window(config.contexts, _COLUMNS)
        self._of_twin = Window(config.contexts, _COLUMNS)
        self._controls = LiveControls((UNTRAINED,), every_ticks=config.control_every_ticks)
        # The twin's turns start over with a session, so it must not draw from what a restart continues.
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def num_contexts(self) -> int:
        """How many count."""
        return len(self._probed)

    @property
    def num_wanted(self) -> int:
        """How many a value needs."""
        return self.config.contexts // 2

    def probe(self, brain: Steerable, rows: Tensor, *, generator: torch.Generator) -> None:
        """Let the brain continue a few contexts, uint8 (C, T)."""
        self._add(self._probed, brain, rows, generator)

    def measure_control(self, brain: Brain, rows: Tensor, *, step: int) -> None:
        """Once a tick: let the twin continue the same contexts, if it is its turn or a value would stand without it."""
        missing = self.num_contexts >= self.num_wanted > len(self._of_twin)
        turn = self._controls.due() or (UNTRAINED if self.config.control_every_ticks and missing else None)
        if turn is None:
            return
        with suppress(*BROKEN):
            twin: Steerable = twin_of(brain, turn, seed=self._seed)  # type: ignore[assignment]  # as the brain is
            self._add(self._of_twin, twin, rows, self._generator)
        found = self.of_twin()
        self._controls.note(
            turn,
            None if found is None else clipped(found),
            None if found is None else found.standard_error,
            step=step,
        )

    def estimate(self) -> Agency | None:
        """Of the brain; None when its next byte carries next to nothing."""
        return closed_loop_agency(*self._probed.arrays())

    def of_twin(self) -> Agency | None:
        """Of its untrained twin; None before enough contexts were probed."""
        if len(self._of_twin) < self.num_wanted:
            return None
        return closed_loop_agency(*self._of_twin.arrays())

    def shuffled(self) -> Agency | None:
        """Of the brain, each continuation behind another of the bytes that were tried."""
        actions, continuations = self._probed.arrays()
        if len(actions) < self.num_wanted:
            return None
        draw, count = np.random.default_rng(self._seed), actions.shape[1]
        turns = draw.integers(1, max(count, 2), size=len(actions))
        order = (np.arange(count)[None, :] + turns[:, None]) % count
        return closed_loop_agency(actions, np.take_along_axis(continuations, order[:, :, None, None], axis=1))

    def controls(self) -> dict[str, float]:
        """Both controls as a detail names them: `control.untrained` with error and step, `control.shuffled`."""
        found = self._controls.detail()
        if (shuffled := self.shuffled()) is not None:
            found["control.shuffled"] = clipped(shuffled)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """All that survives a restart."""
        found = {f"{_CONTROLS}{name}": tensor for name, tensor in self._controls.tensors().items()}
        return found | self._probed.tensors("probed") | self._of_twin.tensors("probed_twin")

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave; what was not kept begins empty."""
        self._probed.load(tensors, "probed")
        self._of_twin.load(tensors, "probed_twin")
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(_CONTROLS)}
        self._controls.load({name.removeprefix(_CONTROLS): tensor for name, tensor in own.items()})

    def _add(self, window: Window, brain: Steerable, rows: Tensor, generator: torch.Generator) -> None:
        probed = probe_contexts(
            brain,
            rows,
            num_actions=self.config.actions,
            num_next=self.config.next_bytes,
            generator=generator,
        )
        window.add(probed.actions, probed.continuations)


def clipped(found: Agency) -> float:
    """As a share of the most that it could be."""
    return min(1.0, max(0.0, found.eta))
