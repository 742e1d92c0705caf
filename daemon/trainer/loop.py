"""The learning loop: take an experience, predict, score, remember, learn, watch, report, save, obey.

Everything that may influence weights follows from the step or from the journal; what follows from the clock
(saving, reporting, samples, measuring) draws from random generators of its own and never touches them.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brain.growth.plan import GrowthPlan
from brain.ports import Batch, Brain, Moment, StepReport
from daemon.errors import StreamError
from daemon.events import (
    DegradedChanged,
    EvaluationFinished,
    ExperiencePushed,
    LimitReached,
    StateChanged,
)
from daemon.interrupting import Interrupted
from daemon.protocol import Goodbye, RunState
from daemon.trainer.batching import assemble, reading_lanes
from daemon.trainer.frozen_probes import wearing
from daemon.trainer.idling import LOOK_SECONDS
from daemon.trainer.nonfinite import note_resets, with_due_resets
from daemon.trainer.pace import Pace
from daemon.trainer.rolling_back import recover, roll_back
from daemon.trainer.storage import PatientJournal

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import torch

    from brain.memory.replay import ReplayMemory, ReplayRows
    from daemon.config.tree import RunConfig
    from daemon.journal import Entry, Journal
    from daemon.streams.experience import Experience
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.frozen_probes import Probes
    from daemon.trainer.held_out_loss import HeldOutEvaluation
    from daemon.trainer.idling import Idling
    from daemon.trainer.neurogenesis import Growing
    from daemon.trainer.pipe import Pipe
    from daemon.trainer.reporting import Reporter
    from daemon.trainer.sampling import Voice
    from daemon.trainer.saving import LastSave, Saver
    from daemon.trainer.sleeping import Sleeping
    from daemon.trainer.state import LoopState
    from daemon.trainer.watching import Watch

METRICS_HISTORY_STEPS = 100
EXCERPT_CHARS = 60


@dataclass(kw_only=True)
class Parts:
    """What the loop works with, built by daemon.trainer.session."""

    config: RunConfig
    device: torch.device
    brain: Brain
    stream: ExperienceStream
    replay: ReplayMemory
    growing: Growing
    sleeping: Sleeping
    idling: Idling
    probes: Probes
    journal: Journal
    watch: Watch
    evaluation: HeldOutEvaluation
    saver: Saver
    voice: Voice
    reporter: Reporter
    pipe: Pipe
    state: LoopState
    pending: list[Entry]  # journaled before a crash, to take effect again at their steps


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why the loop ends, and what came of its last save where that was tried already."""

    state: RunState
    reason: str
    saved: LastSave | None = None


class Loop:
    """One life of a run's learning."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.run_state = RunState.STARTING
        self.session_seconds = 0.0
        self._pace = Pace(parts.state.step)
        self._context = b""
        self._limit_told = False
        self._replayed: ReplayRows | None = None
        self.journal = PatientJournal(parts.journal, lambda reason: self.set_degraded("journal", reason))

    @property
    def step(self) -> int:
        """Finished steps."""
        return self.parts.state.step

    @property
    def replay_fraction(self) -> float:
        """Share of rows that replay in this step."""
        fraction = self.parts.state.replay_fraction
        return self.parts.config.replay.fraction if fraction is None else fraction

    def run(self, obey: Callable[[Loop], Ending | None]) -> Goodbye:
        """Learn until told to end, by a person, a limit or the loss of the supervisor."""
        self.enter(self.state_of_going_on())
        self.parts.growing.begin(self)
        self.apply_journal()
        while (ending := obey(self)) is None and (ending := self.limit_reached()) is None:
            if self.run_state is RunState.PAUSED:
                continue  # at its limit, and not saved yet
            if self.parts.sleeping.asleep(self):
                with suppress(Interrupted):  # then it is told to end
                    self.parts.sleeping.dream(self)
            else:
                self.learn()
            self.parts.saver.tick(self)
            self.apply_journal()  # before new orders: old entries of a step take effect before new ones
        return self.close(ending)

    def learn(self) -> None:
        """One step awake."""
        started = time.perf_counter()
        if (experience := self.read()) is None:
            return
        batch = self.assemble(experience)
        # ------------------------------------------------------------------
        report = self.parts.brain.learn(batch)
        # ------------------------------------------------------------------
        self.remember(experience, report)
        self.count(len(experience.length), report, time.perf_counter() - started)
        recover(self, report)
        self.measure(batch, report)
        self.parts.sleeping.tick(self)
        if not self.parts.sleeping.asleep(self):
            # Last: the save before a growth holds all of the step.
            self.parts.growing.tick(self, batch, report)

    def cursor_record(self) -> dict[str, Any]:
        """Position of the stream, JSON-able."""
        return self.parts.stream.cursor().to_json()

    def read(self) -> Experience | None:
        """The next segment of every lane that reads.

        None when there is nothing to read: of followed sources for now; else all is gone and the run stands still.
        """
        config = self.parts.config
        lanes = reading_lanes(self.step, config.stream.rows, self.replay_fraction, config.replay.fraction)
        try:
            experience, _ = self.parts.stream.next(lanes)
        except StreamError as error:
            if self.parts.stream.degraded is not None:  # what there is waits for the disk
                self.alive()
                self.parts.pipe.wait_for_news(LOOK_SECONDS)
                return None
            if not self.session_seconds:
                raise  # there was nothing from the start: that is a mistake, not a loss
            self.stand_still(str(error))
            return None
        if not len(experience.length):
            self.parts.idling.rest(self)
            return None
        self.parts.idling.end(self)
        self._context = experience.bytes[0, : experience.length[0]].tobytes()
        return experience

    def assemble(self, experience: Experience) -> Batch:
        """Live rows as one batch with replayed ones, which take the places of lanes with nothing to read, too."""
        replay = self.parts.replay
        experience = with_due_resets(experience, self.parts.state.due_resets)
        places = self.parts.config.stream.rows - len(experience.length)
        count = min(places, len(replay)) if self.replay_fraction else 0
        self._replayed = replay.sample(count) if count else None
        return assemble(experience, self._replayed, self.parts.device)

    def remember(self, experience: Experience, report: StepReport) -> None:
        """Tell stream and replay memory how well each row was predicted, and offer the live rows to it."""
        note_resets(self.parts.state, experience, applied=report.applied)
        if self._replayed is not None and report.applied:  # before anything is added
            self.parts.replay.update(self._replayed.index, report.row_loss[len(experience.length) :].numpy())
        self.parts.probes.learned_from(experience.source.tolist())
        losses = report.row_loss[: len(experience.length)].numpy()
        rows = zip(experience.source.tolist(), losses.tolist(), experience.lane.tolist(), strict=True)
        for source, loss, lane in rows:
            self.parts.stream.learned(source, loss, lane=lane)
        if self.parts.config.replay.fraction > 0:
            self.parts.replay.add(
                experience.bytes, experience.length, experience.source, experience.offset, losses, self.step
            )

    def count(self, num_samples: int, report: StepReport, seconds: float) -> None:
        """The step is finished: totals, and its row of hot metrics."""
        state = self.parts.state
        state.step += 1
        state.samples += num_samples
        state.training_seconds += seconds
        self.session_seconds += seconds
        self._pace.num_bytes += report.num_bytes
        bpc = report.loss / math.log(2)
        replay_bpc = math.nan if report.replay_loss is None else report.replay_loss / math.log(2)
        self.parts.reporter.row(
            step=state.step,
            time=time.time(),
            bpc=bpc,
            replay_bpc=replay_bpc,
            grad_norm=report.grad_norm,
            learning_rate=report.learning_rate,
            step_seconds=seconds,
        )
        state.follow_loss(bpc)
        if state.step % METRICS_HISTORY_STEPS == 0:
            state.remember_metrics({"step": state.step, "bpc": bpc, "seconds": state.training_seconds})
        self.alive()

    def measure(self, batch: Batch, report: StepReport) -> None:
        """Vital signs, held-out loss, what the brain says and the pace, each within its own budget."""
        parts, step = self.parts, self.step
        seconds, choices = parts.state.training_seconds, parts.stream.choices()
        moment = Moment(
            step=step,
            brain=parts.brain,
            batch=batch,
            report=report,
            choices=choices,
            training_seconds=seconds,
        )
        if tick := parts.watch.look(moment):
            for reading in tick.readings:
                parts.reporter.reading(reading, step)
            for event in tick.events:
                parts.reporter.event(event)
            for name, value in parts.watch.points().items():
                parts.reporter.point(name, step, value)
        if parts.evaluation.due(step, self.session_seconds):
            with self.speaking():
                loss = parts.evaluation.score_slice(parts.brain, step)
            parts.evaluation.report([] if loss is None else [loss], parts.reporter, step)
        if parts.voice.due():
            with self.speaking():
                parts.reporter.sample(parts.voice.sample(parts.brain, self._context))
        self._pace.report(self.parts.reporter, self.step, report.metrics)

    def speaking(self) -> AbstractContextManager[None]:
        """The weights that speak and are evaluated: fast or stable, whichever does better on the probes."""
        return wearing(self.parts.brain, self.parts.probes.better())

    def evaluate(self) -> dict[str, float]:
        """Score the whole held-out set on demand; BPC by source, and `total`.

        Raises:
            Interrupted: the run is to end; what was scored stays scored.
        """
        with self.speaking():
            losses = self.parts.evaluation.score_all(self.parts.brain, self.step, self.progressed)
        total = self.parts.evaluation.report(losses, self.parts.reporter, self.step)
        by_source = {loss.source: loss.bpc for loss in losses}
        if total is None:
            return {}
        num_bytes = sum(loss.num_bytes for loss in losses)
        self.parts.reporter.event(
            EvaluationFinished(step=self.step, bpc=total, by_source=by_source, num_bytes=num_bytes)
        )
        return {**by_source, "total": total}

    def feed(self, text: str, origin: str) -> Entry:
        """Journal text from outside, then let it take effect before the next step."""
        self.parts.stream.require_room(len(text.encode()), origin=origin)
        entry = self.parts.journal.append("feed", self.step, {"text": text, "origin": origin})
        self.apply(entry)
        return entry

    def apply_journal(self) -> None:
        """Let journaled entries of a life before a crash take effect at their steps again."""
        pending = self.parts.pending
        while pending and pending[0].step <= self.step:
            self.apply(pending.pop(0))

    def apply(self, entry: Entry) -> None:
        """Let one journaled entry take effect."""
        match entry.kind:
            case "feed":
                data = entry.payload["text"].encode()
                if self.parts.stream.push(data, sequence=entry.sequence, origin=entry.payload["origin"]):
                    self.parts.reporter.event(
                        ExperiencePushed(
                            step=self.step,
                            num_bytes=len(data),
                            origin=entry.payload["origin"],
                            excerpt=entry.payload["text"][:EXCERPT_CHARS],
                        )
                    )
            case "sleep":
                self.parts.sleeping.apply(self, entry.payload)
            case "grow":
                self.parts.growing.apply(self, GrowthPlan.from_json(entry.payload))
            case "roll_back":
                roll_back(self, entry.payload["checkpoint"])
            case "void":
                pass
            case _:
                raise AssertionError(f"no journal entry is of kind {entry.kind!r}")
        self.parts.state.journal_sequence = entry.sequence

    def limit_reached(self) -> Ending | None:
        """Whether the run ends by itself now: it is at its limit, and saved; until it can be, it stands still."""
        reached = self.parts.state.limit_reached(self.parts.stream.passes_finished)
        if reached is None:
            return None
        reason = f"limit reached: {reached}"
        if not self._limit_told:
            self._limit_told = True
            self.parts.reporter.event(LimitReached(step=self.step, limit=reached))
        last = self.parts.saver.save_final(self)
        if last.error is None:
            return Ending(state=RunState.FINISHED, reason=reason, saved=last)
        self.parts.saver.stand_still(self, f"{reason}, but not saved: {last.error}")
        return None

    def pause(self, reason: str) -> None:
        """Save and stand still until told to go on."""
        self.parts.saver.save(self, "pause")
        self.enter(RunState.PAUSED, reason)

    def stand_still(self, reason: str) -> None:
        """Pause because something is wrong; a save is tried, but its failure must not keep the run going."""
        self.parts.saver.try_save(self, "pause")
        self.enter(RunState.PAUSED, reason)

    def state_of_going_on(self) -> RunState:
        """What the run is when it is not paused."""
        if self.parts.sleeping.asleep(self):
            return RunState.SLEEPING
        return RunState.WAITING if self.parts.idling.waiting else RunState.RUNNING

    def enter(self, state: RunState, reason: str = "") -> None:
        """Change the run's state, as an event."""
        before, self.run_state = self.run_state, state
        self._pace.begin(self.step)
        self.parts.reporter.event(
            StateChanged(step=self.step, before=before.value, after=state.value, reason=reason)
        )
        self.alive()

    def set_degraded(self, cause: str, reason: str | None) -> None:
        """Raise or clear one cause of the `degraded` flag, as an event when that changes anything."""
        if self.parts.reporter.set_degraded(cause, reason):
            self.parts.reporter.event(
                DegradedChanged(step=self.step, degraded=reason is not None, reason=reason or cause)
            )

    def alive(self) -> None:
        """Show a sign of life, with the totals."""
        state = self.parts.state
        self.parts.reporter.alive(
            self.run_state, step=state.step, samples=state.samples, training_seconds=state.training_seconds
        )

    def progressed(self) -> None:
        """Show a sign of life in the midst of long work, which ends here when the run is to end.

        Raises:
            Interrupted: it is.
        """
        self.alive()
        if self.parts.pipe.ending:
            raise Interrupted

    def close(self, ending: Ending) -> Goodbye:
        """Save for the last time and say goodbye."""
        if self.run_state is not RunState.STOPPING:
            self.enter(RunState.STOPPING, ending.reason)
        checkpoint, error = ending.saved or self.parts.saver.save_final(self)
        self.parts.saver.close()
        self.enter(ending.state, ending.reason)
        state = self.parts.state
        return Goodbye(
            state=ending.state.value,
            step=state.step,
            samples=state.samples,
            training_seconds=state.training_seconds,
            checkpoint=checkpoint,
            error=error,
        )
