"""When a vital sign is alarming: each rule judges the evidence; none of them remembers its verdicts.

A verdict is True (alarming), False (well) or None (undecided: not available, too few values).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from brain.vitals.trend import mann_kendall, page_hinkley, theil_sen, theil_sen_interval

if TYPE_CHECKING:
    from brain.ports import Reading

Severity = Literal["info", "warning", "error"]
Series = Sequence[tuple[float, float]]  # (time in seconds, value), oldest first

WINDOW_SECONDS = 3600.0
_HOUR = 3600.0
_MIN_POINTS = 20
_MAX_POINTS = 360  # pairwise slopes grow with the square


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a rule may look at: the newest reading of each vital sign, and an hour of unsmoothed values."""

    readings: Mapping[str, Reading]
    series: Mapping[str, Series]
    active: bool  # the alarm is up already: then it clears at a wider bound than it was raised at

    def value(self, name: str) -> float | None:
        """The newest value of a reading, None when it is not available."""
        reading = self.readings.get(name)
        return None if reading is None else reading.value

    def detail(self, name: str, part: str) -> float | None:
        """A companion of a reading."""
        reading = self.readings.get(name)
        return None if reading is None else reading.detail.get(part)

    def hour(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Times in hours and values over at least five sixths of the window; None before."""
        points = self.series.get(name, ())
        if len(points) < _MIN_POINTS or points[-1][0] - points[0][0] < WINDOW_SECONDS * 5 / 6:
            return None
        thinned = points[:: -(-len(points) // _MAX_POINTS)]
        times, values = np.array(thinned).T
        return (times - times[0]) / _HOUR, values


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One alarm: what it judges, its words, and how many verdicts in a row raise or clear it.

    `part` names the companion of the sign that it judges, where that is not the sign's own value.
    """

    kind: str
    severity: Severity
    sign: str
    cause: str
    remedy: str
    judge: Callable[[Evidence], bool | None]
    part: str | None = None
    raise_after: int = 3
    clear_after: int = 3


def phi_falls(evidence: Evidence) -> bool | None:
    """Falling by rank test, slope and size at once; on per-tick values, which are not smoothed."""
    hour = evidence.hour("phi")
    if hour is None:
        return None
    times, values = hour
    test, slope = mann_kendall(values), theil_sen(values, times)
    if evidence.active:
        return slope < -0.02 and test.correlated_p < 0.05
    residual = values - slope * times
    deviation = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    fall = -slope * float(times[-1] - times[0])
    return test.s < 0 and test.correlated_p < 0.01 and slope < -0.05 and fall > 3 * deviation


def agency_is_low(evidence: Evidence) -> bool | None:
    """Below 0.3, clear at 0.35; silent where the brain cannot act, warms up or agency is not available."""
    agency = evidence.value("agency")
    if agency is None or not evidence.detail("agency", "acts"):
        return None
    return agency < (0.35 if evidence.active else 0.3)


def error_rises(evidence: Evidence) -> bool | None:
    """Page–Hinkley over an hour of prequential loss, and still 5 % up; alone this is not forgetting."""
    points = evidence.series.get("prequential_loss", ())
    if len(points) < _MIN_POINTS:
        return None
    values = np.array(points)[:, 1]
    # First differences measure the noise without counting the rise itself as noise.
    deviation = 1.4826 * float(np.median(np.abs(np.diff(values)))) / np.sqrt(2) + 1e-9
    index = page_hinkley(values, delta=0.5 * deviation, threshold=15 * deviation)
    if index < 1:
        return False
    level = float(values[: max(1, index - 5)].mean())
    return float(np.median(values[-5:])) > (1.02 if evidence.active else 1.05) * level


def forgets(evidence: Evidence) -> bool | None:
    """The frozen probe on old data is 10 % worse than its smoothed best."""
    rise = evidence.value("forgetting")
    return None if rise is None else rise >= (0.07 if evidence.active else 0.10)


def confidence_misleads(evidence: Evidence) -> bool | None:
    """Surer when wrong, beyond its error."""
    reading = evidence.readings.get("confidence")
    if reading is None or reading.value is None or reading.uncertainty is None:
        return None
    return reading.value + 1.96 * reading.uncertainty < (0.52 if evidence.active else 0.5)


def confidence_is_uncalibrated(evidence: Evidence) -> bool | None:
    """Debiased calibration error above 0.1."""
    error = evidence.detail("confidence", "ece")
    return None if error is None else error > (0.08 if evidence.active else 0.1)


def modules_collapse(evidence: Evidence) -> bool | None:
    """Every module does the same, or nothing moves at all."""
    signs = ("phi", "integration", "self_prediction_error")
    if any(evidence.detail(sign, "collapsed") for sign in signs):
        return True
    dependence = evidence.value("integration")
    return None if dependence is None else dependence > (0.88 if evidence.active else 0.9)


def modules_fall_apart(evidence: Evidence) -> bool | None:
    """Modules share next to nothing."""
    dependence = evidence.value("integration")
    return None if dependence is None else dependence < (0.22 if evidence.active else 0.2)


def states_are_broken(evidence: Evidence) -> bool | None:
    """More than 1 % of the states are NaN or infinite."""
    shares = [evidence.detail(name, "dropped_share") for name in evidence.readings]
    known = [share for share in shares if share is not None]
    return max(known) > 0.01 if known else None


def units_are_dead(evidence: Evidence) -> bool | None:
    """Less than nine tenths of the units vary."""
    shares = [evidence.detail(name, "coverage") for name in ("phi", "self_prediction_error")]
    known = [share for share in shares if share is not None]
    return min(known) < (0.92 if evidence.active else 0.9) if known else None


def may_stop(evidence: Evidence) -> bool | None:
    """All stop rules hold for an hour: Φ and self-prediction error level, agency high, no growth."""
    phi, error, agency = (evidence.hour(name) for name in ("phi", "self_prediction_error", "agency"))
    if phi is None or error is None or agency is None:
        return None
    neurons = evidence.series.get("num_neurons", ())
    grew = len({value for _, value in neurons}) > 1
    return _is_flat(*phi) and _is_flat(*error) and float(np.quantile(agency[1], 0.1)) > 0.7 and not grew


def _is_flat(times: np.ndarray, values: np.ndarray) -> bool:
    """The slope's 95 % interval lies within ±0.02 an hour: equivalence, not mere lack of significance."""
    low, high = theil_sen_interval(values, times)
    return low > -0.02 and high < 0.02


RULES: tuple[Rule, ...] = (
    Rule(
        kind="phi_falling",
        severity="warning",
        sign="phi",
        cause="Loss of integration: Φ has been falling for an hour",
        remedy="Check the connections",
        judge=phi_falls,
    ),
    Rule(
        kind="agency_low",
        severity="warning",
        sign="agency",
        cause="No sense of control: the brain can tell less than 0.3 of its own acts",
        remedy="Let it read on, add sources that differ, or raise the learning rate",
        judge=agency_is_low,
    ),
    Rule(
        kind="error_rising",
        severity="warning",
        sign="prequential_loss",
        cause="The error on new experience is rising; the frozen probe shows whether old knowledge suffers",
        remedy="Lower the learning rate, raise replay",
        judge=error_rises,
    ),
    Rule(
        kind="forgetting",
        severity="error",
        sign="forgetting",
        cause="Catastrophic forgetting: the frozen probe on old data is 10 % worse than its best",
        remedy="Lower the learning rate, raise replay",
        judge=forgets,
    ),
    Rule(
        kind="confidence_misleading",
        severity="warning",
        sign="confidence",
        cause="The brain is surer when it is wrong than when it is right",
        remedy="Do not trust its confidence; lower the learning rate and let it settle",
        judge=confidence_misleads,
    ),
    Rule(
        kind="confidence_uncalibrated",
        severity="warning",
        sign="confidence",
        cause="Stated confidence and real accuracy differ by more than 0.1",
        remedy="Read confidence as a ranking, not as a probability; lower the learning rate if it lasts",
        judge=confidence_is_uncalibrated,
        part="ece",
    ),
    Rule(
        kind="collapse",
        severity="error",
        sign="integration",
        cause="Collapse: the modules all do the same, or nothing moves",
        remedy="Lower the learning rate; resume an earlier checkpoint if it lasts",
        judge=modules_collapse,
    ),
    Rule(
        kind="fragmentation",
        severity="warning",
        sign="integration",
        cause="Fragmentation: the modules share next to nothing",
        remedy="Check the connections",
        judge=modules_fall_apart,
    ),
    Rule(
        kind="states_not_finite",
        severity="error",
        sign="phi",
        cause="More than 1 % of the internal states are NaN or infinite",
        remedy="Lower the learning rate; resume an earlier checkpoint if it lasts",
        judge=states_are_broken,
        raise_after=1,
    ),
    Rule(
        kind="units_constant",
        severity="warning",
        sign="phi",
        cause="More than a tenth of the units never change",
        remedy="Lower the learning rate, or let growth recycle dormant units",
        judge=units_are_dead,
    ),
    Rule(
        kind="stop_hint",
        severity="info",
        sign="phi",
        cause="For an hour Φ was level, agency above 0.7, self-prediction error flat, and nothing grew",
        remedy="This is a good moment to stop",
        judge=may_stop,
    ),
)
