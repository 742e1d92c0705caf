"""The parts of one trainer by name, for whoever puts them together, measures or tests them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brain.memory.replay import ReplayMemory
    from brain.ports import Brain
    from daemon.journal import Journal
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.checkpoints.saving import Saver
    from daemon.trainer.contents import Contents
    from daemon.trainer.effects.effects import Effects
    from daemon.trainer.erasing.from_run import Erasing
    from daemon.trainer.growth.growth_by_hand import GrowthByHand
    from daemon.trainer.growth.neurogenesis import Growing
    from daemon.trainer.life.ending import Endings
    from daemon.trainer.life.pausing import Pauses
    from daemon.trainer.life.standing import Standing
    from daemon.trainer.loop import Loop, Waking
    from daemon.trainer.measures.frozen_probes import Probes
    from daemon.trainer.measures.held_out_loss import HeldOutEvaluation
    from daemon.trainer.measures.measuring import Measuring
    from daemon.trainer.measures.watching import Watch
    from daemon.trainer.orders.safe_point import Control
    from daemon.trainer.sleep.dreaming import Dreaming
    from daemon.trainer.sleep.sleeping import Sleeping
    from daemon.trainer.state.progress import Progress


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
