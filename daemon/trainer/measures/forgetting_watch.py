"""Forgetting, measured while awake: a slice of the frozen probes at a time; it steers the share of replay."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from brain.memory.replay_fraction import next_fraction

if TYPE_CHECKING:
    from brain.memory.config import ReplayConfig
    from brain.ports import Brain
    from daemon.streams.stream import ExperienceStream
    from daemon.trainer.measures.alarm_events import AlarmJudge
    from daemon.trainer.measures.frozen_probes import Probes
    from daemon.trainer.ports import Clock, Report
    from daemon.trainer.state.replay_share import ReplayShare


class ForgettingWatch:
    """Measures, reports and steers.

    Args:
        probes: of the run.
        brain: that is measured.
        stream: whose sources may get text enough for a probe.
        alarms: follow the probes.
        share: of replay; what follows from forgetting.
        replay: settings of that share.
        clock: of the run.
        report: takes the points.
    """

    def __init__(
        self,
        probes: Probes,
        *,
        brain: Brain,
        stream: ExperienceStream,
        alarms: AlarmJudge,
        share: ReplayShare,
        replay: ReplayConfig,
        clock: Clock,
        report: Report,
    ) -> None:
        self._probes = probes
        self._brain = brain
        self._stream = stream
        self._alarms = alarms
        self._share = share
        self._replay = replay
        self._clock = clock
        self._report = report

    def tick(self) -> float | None:
        """After a step awake: score a slice if due; returns mean forgetting once all slices are scored."""
        if not self._probes.due(self._clock.step):
            return None
        self._probes.meet(self._stream)
        through = self._probes.score_slice(self._brain)
        self._alarms.observe_probes(self._probes.tracks.values())
        self.report(through)
        return self.steer() if through and len(through) == len(self._probes.probes) else None

    def steer(self) -> float | None:
        """All probes were scored: move the share of replay by mean forgetting; None while nothing is known."""
        mean = self._probes.forgetting().mean
        if math.isnan(mean):
            return None
        threshold, now = self._probes.config.threshold, self._share.now(self._replay)
        self._share.replay_fraction = next_fraction(now, mean, threshold, self._replay)
        return mean

    def report_all(self) -> None:
        """The forgetting of every source, as points."""
        self.report(list(self._probes.probes))

    def report(self, sources: list[str]) -> None:
        """The forgetting of these sources and, unless there are none, of all, as points."""
        step, point = self._clock.step, self._report.point
        for row in self._probes.rows_of(sources):
            for metric, name in (
                ("probe_bpc", "bpc"),
                ("probe_smooth", "smooth"),
                ("forgetting", "forgetting"),
            ):
                if row[name] is not None:
                    point(f"{metric}/{row['source']}", step, row[name])
        if not sources:
            return
        total = self._probes.forgetting()
        for metric, value in (
            ("forgetting", total.mean),
            ("forgetting_worst", total.worst),
            ("backward_transfer", total.backward_transfer),
            ("stability_gap", total.stability_gap),
        ):
            if not math.isnan(value):
                point(metric, step, value)
        point("replay_fraction", step, self._share.now(self._replay))
        if self._clock.session_seconds > 0:
            share = self._probes.spent_seconds / self._clock.session_seconds
            point("forgetting_cost_share", step, share)
