"""The parts of one trainer by name, for whoever puts them together, measures or tests them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brain.memory.replay import ReplayMemory
    from brain.ports import Brain
    from daemon.journal import Journal
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.contents import Contents
    from daemon.trainer.dreaming import Dreaming
    from daemon.trainer.effects import Effects
    from daemon.trainer.ending import Endings
    from daemon.trainer.erasing_orders import Erasing
    from daemon.trainer.frozen_probes import Probes
    from daemon.trainer.growth_by_hand import GrowthByHand
    from daemon.trainer.held_out_loss import HeldOutEvaluation
    from daemon.trainer.loop import Loop, Waking
    from daemon.trainer.measuring import Measuring
    from daemon.trainer.neurogenesis import Growing
    from daemon.trainer.pausing import Pauses
    from daemon.trainer.progress import Progress
    from daemon.trainer.safe_point import Control
    from daemon.trainer.saving import Saver
    from daemon.trainer.sleeping import Sleeping
    from daemon.trainer.standing import Standing
    from daemon.trainer.watching import Watch


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a session is made of. No part is ever handed this: each has its own few of the others."""

    contents: Contents
    loop: Loop
    control: Control
    waking: Waking
    dreaming: Dreaming
    sleeping: Sleeping
    growing: Growing
    growth_by_hand: GrowthByHand
    effects: Effects
    measuring: Measuring
    standing: Standing
    pauses: Pauses
    endings: Endings
    saver: Saver
    erasing: Erasing

    @property
    def brain(self) -> Brain:
        """What learns."""
        return self.contents.brain

    @property
    def stream(self) -> ExperienceStream:
        """What it reads."""
        return self.contents.stream

    @property
    def replay(self) -> ReplayMemory:
        """What it remembers."""
        return self.contents.replay

    @property
    def journal(self) -> Journal:
        """What came from outside."""
        return self.contents.journal

    @property
    def watch(self) -> Watch:
        """Its vital signs."""
        return self.contents.watch

    @property
    def evaluation(self) -> HeldOutEvaluation:
        """Its held-out loss."""
        return self.contents.evaluation

    @property
    def probes(self) -> Probes:
        """Its frozen probes."""
        return self.contents.probes

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        return self.contents.progress
