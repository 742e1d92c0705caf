"""Five sources in turn, one pass each: what is left of the earlier ones when the last has been read.

English, Python, JSON, logs and Russian from the data beside the checkout where it lies; what is missing there
is taken from the standard library or generated. Ours reads each byte once, replays 20 % and sleeps. The same brain
gives both bounds: in turn without replay or sleep (naive, the lower bound), and with all sources mixed from the
beginning (joint, the upper bound). Joint makes as many updates of as many rows as ours, so where ours replays and
sleeps, joint reads on in a second pass. Naive makes one pass, as there is nothing else for it to learn from.

Forgetting is the mean over the sources before the last: the last cannot have been forgotten yet.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.lone_loop import lone_loop
from benchmarks.result import Result, Spread, judged
from benchmarks.texts import five_sources
from brain.memory.forgetting import Track
from daemon.config.loading import resolve_config
from daemon.config.tree import StreamConfig
from daemon.streams.stream import ExperienceStream
from daemon.trainer.life.ending import Ending
from daemon.trainer.steps.batching import num_lanes, reading_lanes
from daemon.trainer_protocol import RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.trainer.parts import Parts

FORGETTING_MAX_BPC = 0.02
JOINT_RATIO_MAX = 1.03
LOOKS = 20  # at the held-out sets, over a run
SMOOTHING = 0.5
ROWS, ROW_BYTES = 16, 64
HELD_OUT_SHARE = 0.05
REPLAY = 0.2
ARMS = {  # how it reads, and whether it replays and sleeps
    "ours": ("sequential", True),
    "naive": ("sequential", False),
    "joint": ("round_robin", False),
}
BOUNDS = {"naive (lower bound)": "naive", "joint (upper bound)": "joint"}
SEEDS = range(100, 105)
SLEEPS = 10  # of a run
SLEEP_SHARE = 0.05  # of the steps awake


@dataclass
class Arm:
    """What one arm ended with."""

    updates: int = 0
    bpc: dict[str, float] = field(default_factory=dict)  # held-out, at the end; in the order of reading
    tracks: dict[str, Track] = field(default_factory=dict)
    slept: int = 0
    undone: int = 0


def run(*, long: bool) -> list[Result]:
    """Mean over five seeds; the long form reads more."""
    num_bytes = 1_000_000 if long else 400_000
    arms: dict[str, list[Arm]] = {name: [] for name in ARMS}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory(prefix="synapsed-five-") as folder:
            sources = write_sources(Path(folder), num_bytes)
            for name, arm in learn_all(sources, Path(folder), seed).items():
                arms[name].append(arm)
        print(
            f"seed {seed}: " + ", ".join(f"{name} {mean_bpc(found[-1]):.3f}" for name, found in arms.items())
        )
    return judge(arms, num_bytes, long=long)


def judge(arms: Mapping[str, list[Arm]], num_bytes: int, *, long: bool) -> list[Result]:
    """Forgetting and the loss at the end, each between its bounds."""
    lost = {name: statistics.fmean(map(mean_forgetting, found)) for name, found in arms.items()}
    of_joint = {name: over_joint(found, arms["joint"]) for name, found in arms.items()}
    details: dict[str, Any] = {
        "bytes_of_a_source": num_bytes,
        "seeds": list(SEEDS),
        "updates": {name: found[0].updates for name, found in arms.items()},
        "forgetting_by_seed": list(map(mean_forgetting, arms["ours"])),
        "held_out_bpc": {name: by_source(found) for name, found in arms.items()},
        "raw_forgetting": {
            name: statistics.fmean(map(raw_forgetting, found)) for name, found in arms.items()
        },
        "sleeps": sum(arm.slept for arm in arms["ours"]),
        "sleeps_undone": sum(arm.undone for arm in arms["ours"]),
    }
    return [
        judged(
            "five_sources.forgetting",
            measures="smoothed held-out loss now − its best, mean over the sources before the last",
            ours=lost["ours"],
            unit="BPC",
            at_most=FORGETTING_MAX_BPC,
            peers={bound: lost[name] for bound, name in BOUNDS.items()},
            long=long,
            details=details,
            spread=Spread.over("seeds", details["forgetting_by_seed"]),
        ),
        judged(
            "five_sources.of_joint",
            measures="mean held-out BPC over sources at the end, in that of as many updates on all of them mixed",
            ours=statistics.fmean(of_joint["ours"]),
            unit="× joint",
            at_most=JOINT_RATIO_MAX,
            peers={bound: statistics.fmean(of_joint[name]) for bound, name in BOUNDS.items()},
            long=long,
            details={
                "bpc": {name: statistics.fmean(map(mean_bpc, found)) for name, found in arms.items()},
                "by_seed": of_joint["ours"],
            },
            spread=Spread.over("seeds", of_joint["ours"]),
        ),
    ]


def learn_all(sources: list[Path], folder: Path, seed: int) -> dict[str, Arm]:
    """Every arm on the same files."""
    live_rows = num_lanes(ROWS, REPLAY)
    awake = steps_of_a_pass(sources, folder, ROWS, REPLAY)
    nap = max(1, int(awake * SLEEP_SHARE / SLEEPS))
    steps = awake + SLEEPS * nap
    in_turn = steps_of_a_pass(sources, folder, live_rows, 0.0)
    return {
        "ours": learn("ours", sources, folder, Plan(rows=ROWS, steps=steps, awake=awake, nap=nap), seed),
        "naive": learn("naive", sources, folder, Plan(rows=live_rows, steps=in_turn, awake=in_turn), seed),
        "joint": learn("joint", sources, folder, Plan(rows=ROWS, steps=steps, awake=steps), seed),
    }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Rows of an update; how many updates in all, awake, and in each nap."""

    rows: int
    steps: int
    awake: int
    nap: int = 0


def steps_of_a_pass(sources: list[Path], folder: Path, rows: int, fraction: float) -> int:
    """Steps awake before anything is read a second time, found by reading without a brain."""
    config = StreamConfig(
        data=tuple(map(str, sources)),
        mix="sequential",
        rows=rows,
        segment_bytes=ROW_BYTES,
        held_out_share=HELD_OUT_SHARE,
    )
    stream = ExperienceStream.open(
        config, lanes=num_lanes(rows, fraction), seed=0, cache=folder / "cache", emit=lambda _: None
    )
    steps, seen = 0, set[tuple[int, int]]()
    while True:
        experience, _ = stream.next(reading_lanes(steps, rows, fraction))
        read = set(zip(experience.source.tolist(), experience.offset.tolist(), strict=True))
        if read & seen:
            return steps
        seen |= read
        steps += 1


def learn(name: str, sources: list[Path], folder: Path, plan: Plan, seed: int) -> Arm:
    """One run by the trainer's own loop."""
    mix, remembers = ARMS[name]
    fraction = REPLAY if remembers else 0.0
    config = resolve_config(
        preset="tiny",
        overrides={
            "seed": seed,
            "threads": 1,
            "brain.hidden_size": 64,
            "brain.num_heads": 1,
            "brain.bigram_size": 16,
            "stream.data": [str(path) for path in sources],
            "stream.mix": mix,
            "stream.rows": plan.rows,
            "stream.segment_bytes": ROW_BYTES,
            "stream.held_out_share": HELD_OUT_SHARE,
            "replay.fraction": fraction,
            "replay.max_fraction": REPLAY,  # the target is set at 20 %
            "replay.capacity": 100_000,
            "sleep.every_steps": plan.awake // SLEEPS if plan.nap else 0,
            "sleep.rest_steps": 0,
            "sleep.steps": max(1, plan.nap),
            "forgetting.every_steps": max(1, plan.awake // 200),
            "vitals.enabled": False,
            "evaluation.enabled": True,
            "evaluation.budget_share": 0.0,
            "limits.steps": plan.steps,
            "checkpoint.every_seconds": 1e6,
        },
        environ={},
    )
    torch.set_num_threads(1)
    arm = Arm(tracks={path.stem: Track() for path in sources})
    every = max(1, plan.steps // LOOKS)
    looked = 0

    def look() -> Ending | None:
        nonlocal looked
        step = parts.progress.step
        over = step >= plan.steps
        if over or step // every > looked:
            looked = step // every
            follow(arm, parts)
        if over:
            arm.updates = step
            return Ending(state=RunState.FINISHED, reason="read")
        return None

    with lone_loop(folder / f"home {name}", config) as (parts, pipe):
        parts.loop.run(look)
    arm.slept = pipe.kinds.count("sleep_began")
    arm.undone = pipe.kinds.count("sleep_rolled_back")
    return arm


def follow(arm: Arm, parts: Parts) -> None:
    """Score the whole held-out sets by the weights that answer; a source counts from when it was read."""
    found = parts.measuring.evaluate()["bpc"]
    heads = {head.name: head for head in parts.stream.cursor().sources}
    for name, track in arm.tracks.items():
        label = next(key for key in heads if Path(key).stem == name)
        head = heads[label]
        track.fresh = head.document is not None or head.number > 1
        track.follow(found[label], SMOOTHING)
        arm.bpc[name] = found[label]


def mean_forgetting(arm: Arm) -> float:
    """F over the sources before the last: smoothed loss now − best smoothed so far."""
    return statistics.fmean(track.forgetting or 0.0 for track in list(arm.tracks.values())[:-1])


def raw_forgetting(arm: Arm) -> float:
    """The same with the last loss as it is, which smoothing cannot flatter."""
    earlier = list(arm.tracks.items())[:-1]
    return statistics.fmean(arm.bpc[name] - (track.best or 0.0) for name, track in earlier)


def over_joint(arms: list[Arm], joint: list[Arm]) -> list[float]:
    """Mean held-out BPC of each seed over that of reading the same mixed."""
    return [mean_bpc(arm) / mean_bpc(bound) for arm, bound in zip(arms, joint, strict=True)]


def mean_bpc(arm: Arm) -> float:
    """Mean held-out BPC over sources."""
    return statistics.fmean(arm.bpc.values())


def by_source(arms: list[Arm]) -> Mapping[str, float]:
    """Held-out BPC at the end by source, mean over seeds."""
    return {name: round(statistics.fmean(arm.bpc[name] for arm in arms), 4) for name in arms[0].bpc}


def write_sources(folder: Path, num_bytes: int) -> list[Path]:
    """One file a source, in the order in which they are read."""
    paths = []
    for name, text in five_sources(num_bytes).items():
        path = folder / f"{name}.txt"
        path.write_bytes(text)
        paths.append(path)
    return paths
