"""Which checkpoints are kept: a pure decision over what is there. Imports no torch."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from daemon.checkpoint.manifest import Manifest
    from daemon.config.tree import CheckpointConfig

HOUR_SECONDS = 3600
DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """A checkpoint as it lies in its folder.

    Attributes:
        name: of the directory; also its id.
        path: of the directory.
        manifest: its content, sound by its own checksum.
        size_bytes: of all its files.
        pinned: kept until unpinned, whatever the rules say.
        verified: whether every file's SHA-256 was right when last read in full; None when not read yet.
    """

    name: str
    path: Path
    manifest: Manifest
    size_bytes: int
    pinned: bool = False
    verified: bool | None = None

    @property
    def age_key(self) -> tuple[int, float, str]:
        """Orders the checkpoints of one run from old to new, whatever the clock did."""
        return (self.manifest.sequence, self.manifest.created, self.name)

    @property
    def bpc(self) -> float:
        """Bits per byte when it was saved; infinite when not measured, so it is never the best."""
        value = self.manifest.bpc
        return math.inf if value is None else value


def newest_first(infos: Iterable[CheckpointInfo]) -> list[CheckpointInfo]:
    """The checkpoints of one run, newest first."""
    return sorted(infos, key=lambda info: info.age_key, reverse=True)


def by_run(infos: Iterable[CheckpointInfo]) -> dict[str, list[CheckpointInfo]]:
    """Checkpoints of each run, newest first."""
    runs: dict[str, list[CheckpointInfo]] = {}
    for info in infos:
        runs.setdefault(info.manifest.run_id, []).append(info)
    return {run: newest_first(own) for run, own in runs.items()}


def newest_of_all(infos: Iterable[CheckpointInfo]) -> list[CheckpointInfo]:
    """The checkpoints of all runs, newest first: by the clock, but each run's in its own order.

    A clock that was set back while a run saved does not turn its checkpoints round.
    """
    runs = by_run(infos).values()
    return list(heapq.merge(*runs, key=lambda info: (info.manifest.created, info.age_key), reverse=True))


def best_of(infos: Iterable[CheckpointInfo]) -> CheckpointInfo | None:
    """The checkpoint of lowest BPC, the newest of equals; None where none was measured or sound."""
    measured = [info for info in newest_first(infos) if info.bpc < math.inf and info.verified is not False]
    return min(measured, key=lambda info: info.bpc, default=None)


def decide_pruning(
    infos: Iterable[CheckpointInfo], policy: CheckpointConfig, now: float, *, held: Collection[str] = ()
) -> list[str]:
    """Names of the checkpoints that the rules of their run give up, oldest first within each run.

    Each run keeps its latest `keep_latest`, its best, the last before a growth, the last of each of the past
    `keep_hourly` hours and `keep_daily` days, whatever is pinned or held, and always a sound one.

    Args:
        infos: the checkpoints of one run, or of several with the same rules.
        policy: the rules.
        now: unix time in seconds.
        held: names of those that a run is about to resume.
    """
    doomed: list[str] = []
    for own in by_run(infos).values():
        ranks = _ranks(own, policy, now, held)
        doomed += [info.name for info in reversed(own) if info.name not in ranks]
    return doomed


def decide_cap(
    infos: Sequence[CheckpointInfo],
    max_bytes: float,
    now: float,
    *,
    policy_of: Callable[[str], CheckpointConfig],
    held: Collection[str] = (),
) -> list[str]:
    """Names of the checkpoints to delete so that those of all runs together fit, in that order.

    What matters least to its own run goes first, the oldest of equals; never a pinned or held one, never the
    newest sound one of a run.

    Args:
        infos: every checkpoint there is.
        max_bytes: what all of them may take.
        now: unix time in seconds.
        policy_of: the rules of a run.
        held: names of those that must stay for another reason.
    """
    ranks: dict[str, int] = {}
    for run, own in by_run(infos).items():
        ranks |= dict.fromkeys((info.name for info in own), _UNKEPT)
        ranks |= _ranks(own, policy_of(run), now, held)
    excess = sum(info.size_bytes for info in infos) - max_bytes
    doomed: list[str] = []
    oldest_first = newest_of_all(infos)[::-1]
    for info in sorted(oldest_first, key=lambda info: ranks[info.name]):
        if excess <= 0 or ranks[info.name] >= _UNTOUCHABLE:
            break
        doomed.append(info.name)
        excess -= info.size_bytes
    return doomed


# How dear a checkpoint is to the byte cap; the highest reason counts.
_UNKEPT, _PERIODIC, _LATEST, _GROWTH, _BEST, _UNTOUCHABLE = range(6)


def _ranks(
    own: list[CheckpointInfo], policy: CheckpointConfig, now: float, held: Collection[str]
) -> dict[str, int]:
    """How dear each checkpoint of one run (newest first) is; what no rule keeps is absent."""
    sound = [info for info in own if info.verified is not False]
    ranks: dict[str, int] = {}

    def keep(kept: Iterable[CheckpointInfo], rank: int) -> None:
        for info in kept:
            ranks[info.name] = max(rank, ranks.get(info.name, rank))

    keep(_last_of_each(sound, HOUR_SECONDS, policy.keep_hourly, now), _PERIODIC)
    keep(_last_of_each(sound, DAY_SECONDS, policy.keep_daily, now), _PERIODIC)
    keep(own[: policy.keep_latest], _LATEST)
    keep([info for info in sound if info.manifest.reason == "growth"][:1], _GROWTH)
    best = best_of(own)
    keep([best] if best else [], _BEST)
    keep([info for info in own if info.pinned or info.name in held], _UNTOUCHABLE)
    # Two guards: the newest one read in full and found right, and the newest one nothing bad is known of.
    keep([info for info in own if info.verified][:1], _UNTOUCHABLE)
    keep((sound or own)[:1], _UNTOUCHABLE)
    return ranks


def _last_of_each(
    own: list[CheckpointInfo], period_seconds: int, num_periods: int, now: float
) -> list[CheckpointInfo]:
    """The newest checkpoint of each of the past periods of the clock (UTC hours or days)."""

    def period(info: CheckpointInfo) -> int:
        return int(info.manifest.created // period_seconds)

    oldest = int(now // period_seconds) - num_periods
    recent = sorted((info for info in own if period(info) > oldest), key=period)
    return [newest_first(group)[0] for _, group in itertools.groupby(recent, key=period)]
