"""All that survives a restart, named once, and the snapshot of it that becomes a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.checkpoint.snapshot import Snapshot, current_environment
from daemon.trainer.checkpoints.restoring import (
    HELD_OUT_PREFIX,
    PROBES_PREFIX,
    SLEEP_PREFIX,
    SLOTS_PREFIX,
    TRIAL_PREFIX,
    VITALS_PREFIX,
    random_states,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from brain.memory.replay import ReplayMemory
    from brain.ports import Brain
    from daemon.journal import Journal
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.effects.nonfinite import NonFiniteSteps
    from daemon.trainer.growth.growth_state import GrowthState
    from daemon.trainer.measures.frozen_probes import Probes
    from daemon.trainer.measures.held_out_loss import HeldOutEvaluation
    from daemon.trainer.measures.watching import Watch
    from daemon.trainer.state.journal_position import JournalPosition
    from daemon.trainer.state.lane_resets import LaneResets
    from daemon.trainer.state.progress import Limits, Progress
    from daemon.trainer.state.replay_share import ReplayShare
    from daemon.trainer.state.sleep_state import SleepState
    from daemon.trainer.state.source_names import SourceNames


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything of a run that is kept, each with the part that owns it.

    Weights, moments and carried state are the brain's, random states torch's; the slot table of the replay memory,
    held-out tables and probes are arrays; the rest is JSON: `loop` in `state.json`, put together from the parts.

    Attributes:
        settings: the resolved config, JSON-able.
    """

    settings: Mapping[str, Any]
    device: torch.device
    brain: Brain
    stream: ExperienceStream
    replay: ReplayMemory
    journal: Journal
    watch: Watch
    evaluation: HeldOutEvaluation
    probes: Probes
    progress: Progress
    limits: Limits
    position: JournalPosition
    nonfinite: NonFiniteSteps
    resets: LaneResets
    share: ReplayShare
    growth: GrowthState
    sleep: SleepState
    names: SourceNames

    def moment(self) -> tuple[int, int]:
        """What a checkpoint depends on: while nothing is learned and nobody intervenes it is the same."""
        return self.progress.step, self.position.journal_sequence

    def sync_replay(self) -> None:
        """Sync the replayed rows that a snapshot refers to."""
        self.replay.sync()

    def snapshot(self, reason: str) -> Snapshot:
        """All of it, by reference.

        Raises:
            OSError: the replay memory cannot be written.
        """
        brain, replay = self.brain.state(), self.replay.commit(sync=False)
        vitals = {f"{VITALS_PREFIX}{name}": tensor for name, tensor in self.watch.state_tensors().items()}
        asleep = {f"{SLEEP_PREFIX}{name}": tensor for name, tensor in self.sleep.tensors.items()}
        trial = {f"{TRIAL_PREFIX}{name}": tensor for name, tensor in self.growth.tensors().items()}
        slots = {f"{SLOTS_PREFIX}{name}": column for name, column in self.replay.slots().items()}
        held_out = {f"{HELD_OUT_PREFIX}{name}": one for name, one in self.evaluation.state_arrays().items()}
        probes = {f"{PROBES_PREFIX}{name}": array for name, array in self.probes.arrays().items()}
        losses = {"bpc": self.progress.smooth_bpc, "recent_bpc": self.progress.recent_bpc}
        return Snapshot(
            step=self.progress.step,
            samples=self.progress.samples,
            reason=reason,
            model=brain.model,
            learning={**brain.learning, **vitals, **asleep, **trial},
            random=random_states(self.device),
            arrays={**slots, **held_out, **probes},
            state={
                "loop": self._loop(),
                "brain": dict(brain.counters),
                "config": self.settings,
                "growth_history": self.growth.history,
            },
            spec=brain.spec,
            tied=brain.tied,
            replay=replay.to_json(),
            base=brain.base,
            tables=brain.tables,
            journal=self.journal.last_sequence,
            metrics={name: value for name, value in losses.items() if value is not None},
            environment=current_environment(str(self.device)),
        )

    def _loop(self) -> dict[str, Any]:
        """What the parts keep as JSON."""
        owners = (
            self.progress, self.limits, self.position, self.nonfinite, self.resets, self.share, self.growth, self.sleep,
            self.names,
        )  # fmt: skip
        found: dict[str, Any] = {
            "cursor": self.stream.cursor().to_json(),
            "governor": self.watch.governor_state(),
            "alarms": self.watch.alarms.state(),
            "probes": self.probes.state(),
        }
        for owner in owners:
            found |= owner.state()
        return found
