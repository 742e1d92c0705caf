"""What a step awake learns from: live text mixed with replayed rows; the live rows are remembered afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.errors import StreamError
from daemon.trainer.steps.batching import assemble, num_replayed, reading_lanes
from daemon.trainer.steps.idling import LOOK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch

    from brain.memory.config import ReplayConfig
    from brain.memory.replay import ReplayMemory
    from brain.memory.replay_records import ReplayRows
    from brain.ports import Batch, StepReport
    from daemon.streams.experience import Experience
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.ports import Clock, Life, News, StandStill
    from daemon.trainer.state.lane_resets import LaneResets
    from daemon.trainer.state.replay_share import ReplayShare
    from daemon.trainer.steps.idling import Idling


class Intake:
    """Takes experience, and remembers it.

    Args:
        rows: of a batch.
        config: of replay.
        device: to learn on.
        stream: of live text.
        replay: memory of it.
        share: of rows that replay.
        resets: that lanes are due.
        learned_from: takes the source of each live row that was learned from.
        idling: while there is nothing to read.
        pauses: when all text is gone.
        clock: of the run.
        life: its signs of life.
        news: is waited for.

    Attributes:
        newest: what the first lane just read.
    """

    def __init__(
        self,
        rows: int,
        config: ReplayConfig,
        device: torch.device,
        *,
        stream: ExperienceStream,
        replay: ReplayMemory,
        share: ReplayShare,
        resets: LaneResets,
        learned_from: Callable[[Iterable[int]], object],
        idling: Idling,
        pauses: StandStill,
        clock: Clock,
        life: Life,
        news: News,
    ) -> None:
        self.newest = b""
        self._rows = rows
        self._config = config
        self._device = device
        self._stream = stream
        self._replay = replay
        self._share = share
        self._resets = resets
        self._learned_from = learned_from
        self._idling = idling
        self._pauses = pauses
        self._clock = clock
        self._life = life
        self._news = news
        self._replayed: ReplayRows | None = None

    def let_go(self) -> None:
        """Forget what was read last."""
        self.newest, self._replayed = b"", None

    def read(self) -> Experience | None:
        """The next segment of every lane that reads.

        None when there is nothing to read: of followed sources for now; else all is gone and the run stands still.
        """
        lowest = self._config.fraction
        lanes = reading_lanes(self._clock.step, self._rows, self._share.now(self._config), lowest)
        try:
            experience, _ = self._stream.next(lanes)
        except StreamError as error:
            if self._stream.degraded is not None:  # what there is waits for the disk
                self._life.alive()
                self._news.wait_for_news(LOOK_SECONDS)
                return None
            if not self._clock.session_seconds:
                raise  # there was nothing from the start: that is a mistake, not a loss
            self._pauses.stand_still(str(error))
            return None
        if not len(experience.length):
            self._idling.rest()
            return None
        self._idling.end()
        self.newest = experience.bytes[0, : experience.length[0]].tobytes()
        return experience

    def batch(self, experience: Experience) -> Batch:
        """One batch of live and replayed rows; replay also fills the places of lanes with nothing to read."""
        experience = self._resets.added_to(experience)
        share = self._share.now(self._config)
        due = num_replayed(self._clock.step, self._rows, share)
        places = max(due, self._rows - len(experience.length))
        count = min(places, len(self._replay)) if share else 0
        self._replayed = self._replay.sample(count) if count else None
        return assemble(experience, self._replayed, self._device, step=self._clock.step)

    def remember(self, experience: Experience, report: StepReport) -> None:
        """Pass each row's loss to stream and replay memory, and offer the live rows to the memory."""
        self._resets.note(experience, applied=report.applied)
        if self._replayed is not None and report.applied:  # before anything is added
            self._replay.update(self._replayed.index, report.row_loss[len(experience.length) :].numpy())
        self._learned_from(experience.source.tolist())
        losses = report.row_loss[: len(experience.length)].numpy()
        rows = zip(experience.source.tolist(), losses.tolist(), experience.lane.tolist(), strict=True)
        for source, loss, lane in rows:
            self._stream.learned(source, loss, lane=lane)
        if self._config.fraction > 0:
            self._replay.add(
                experience.bytes,
                experience.length,
                experience.source,
                experience.offset,
                losses,
                self._clock.step,
            )
