"""What a benchmark gives back: ours beside its peers, the target, and whether it holds."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import psutil


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far a figure may lie from where it would be measured again; the page shows it as ±.

    Attributes:
        what: it is, such as `standard deviation over 5 seeds`.
        ours: of our figure, in its unit.
        peers: of theirs.
        ratio: of the ratio to the best peer, where that is what is known.
    """

    what: str
    ours: float | None = None
    peers: Mapping[str, float] = field(default_factory=dict)
    ratio: float | None = None

    @classmethod
    def over(
        cls, what: str, ours: Sequence[float], peers: Mapping[str, Sequence[float]] | None = None
    ) -> Spread:
        """The standard deviation over seeds, runs or pairs; nothing of a single one.

        >>> Spread.over("pairs", [1.0, 3.0]).ours, Spread.over("seeds", [1.0]).ours
        (1.0, None)
        """
        deviation = {
            name: statistics.pstdev(of) for name, of in {"ours": ours, **(peers or {})}.items() if len(of) > 1
        }
        return cls(
            what=f"the standard deviation over {len(ours)} {what}",
            ours=deviation.pop("ours", None),
            peers=deviation,
        )


@dataclass(frozen=True, kw_only=True)
class Result:
    """One figure, measured beside its peers in the same run. Build it with `judged`.

    Attributes:
        name: of the figure; the benchmark's own name, or that with a dotted suffix.
        measures: what is measured, in words.
        ours: our figure.
        peers: the same of others, by name.
        unit: of ours and peers.
        ratio: ours over the best peer's; None without peers.
        target: what must be reached, such as `≤ 0.15 s`.
        holds: whether it is.
        command: what gives this figure again.
        machine: where it was measured.
        details: further JSON values: spread, sizes, settings.
    """

    name: str
    measures: str
    ours: float
    peers: Mapping[str, float]
    unit: str
    ratio: float | None
    target: str
    holds: bool
    command: str
    machine: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values; a figure that is not finite becomes null."""
        return {name: _finite(value) for name, value in dataclasses.asdict(self).items()}


def judged(
    name: str,
    *,
    measures: str,
    ours: float,
    unit: str,
    at_most: float | None = None,
    at_least: float | None = None,
    of: Literal["ours", "ratio"] = "ours",
    peers: Mapping[str, float] | None = None,
    long: bool = False,
    details: Mapping[str, Any] | None = None,
    spread: Spread | None = None,
) -> Result:
    """Judge a figure against its target; exactly one of `at_most` and `at_least` gives the direction.

    Args:
        name: the module's name, with a dotted suffix where it gives several figures.
        measures: what is measured, in words.
        ours: our figure.
        unit: of ours and peers.
        at_most: the target, where less is better.
        at_least: the target, where more is better.
        of: what the target is set on: our figure, or its ratio to the best peer.
        peers: the same of others, by name.
        long: whether this is the long form.
        details: further JSON values.
        spread: of ours and peers.

    Raises:
        ValueError: not exactly one target, or a target on a ratio without peers.

    >>> judged("x", measures="time", ours=2.0, unit="s", at_most=1.5, peers={"a": 4.0, "b": 5.0}).ratio
    0.5
    """
    if (at_most is None) == (at_least is None):
        raise ValueError(f"benchmark {name} needs exactly one of at_most and at_least")
    peers = dict(peers or {})
    best = (min if at_least is None else max)(peers.values(), default=math.nan)
    ratio = ours / best if best else math.nan
    if of == "ratio" and math.isnan(ratio):
        raise ValueError(f"benchmark {name} sets its target on a ratio, but has no peer to compare with")
    figure = ratio if of == "ratio" else ours
    bound, sign = (at_most, "≤") if at_most is not None else (at_least, "≥")
    assert bound is not None
    return Result(
        name=name,
        measures=measures,
        ours=ours,
        peers=peers,
        unit=unit,
        ratio=None if math.isnan(ratio) else ratio,
        target=f"{sign} {bound:g}" + (" × best peer" if of == "ratio" else f" {unit}"),
        holds=figure <= bound if at_most is not None else figure >= bound,
        command=f"python -m benchmarks {name.partition('.')[0]}" + (" --long" if long else ""),
        machine=describe_machine(),
        details={**(details or {}), **({} if spread is None else {"spread": dataclasses.asdict(spread)})},
    )


def count_of(seeds: Sequence[int]) -> str:
    """How many seeds, in words of a row.

    >>> count_of(range(1)), count_of(range(5))
    ('one seed', '5 seeds')
    """
    return "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"


def describe_machine() -> str:
    """Processor, cores, memory, system, Python and torch, in a line."""
    gib = psutil.virtual_memory().total / 1024**3
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, {gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, torch {metadata.version('torch')}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
