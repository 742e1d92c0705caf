"""Five sources in turn, one pass each: what is left of the first when the last has been read.

English, Python, JSON, logs and Russian from the data beside the checkout where it lies; what is missing there
is taken from the standard library or generated. Ours replays 20 % and sleeps; the bounds are the same brain
without either, in turn (naive) and with all sources mixed from the beginning (joint). All read the same bytes
once. Beside them stands joint with replay and sleep, which no learner in turn should reach.
"""

from __future__ import annotations

import ast
import json
import random
import statistics
import sysconfig
import tempfile
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.lone_loop import lone_loop
from benchmarks.result import Result, judged
from brain.memory.forgetting import Track
from daemon.config.loading import resolve_config
from daemon.protocol import RunState
from daemon.trainer.batching import num_lanes
from daemon.trainer.loop import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.trainer.loop import Loop

TEXTS = Path(__file__).parents[2] / "shared" / "data" / "text"
FORGETTING_MAX_BPC = 0.02
JOINT_RATIO_MAX = 1.03
LOOKS = 20  # at the held-out sets, over a run
SMOOTHING = 0.5
ROWS, ROW_BYTES = 16, 64
REPLAY = 0.2
ARMS = {  # whether it replays and sleeps, and how it reads
    "ours": (True, "sequential"),
    "naive": (False, "sequential"),
    "joint": (False, "round_robin"),
    "joint, replaying and sleeping": (True, "round_robin"),
}
JUDGED = ("ours", "joint")  # the targets are set by these
SLEEPS = 10  # of a run
SLEEP_SHARE = 0.05  # of the steps awake


@dataclass
class Arm:
    """What one arm ended with."""

    bpc: dict[str, float] = field(default_factory=dict)  # held-out, at the end
    tracks: dict[str, Track] = field(default_factory=dict)
    slept: int = 0
    undone: int = 0


def run(*, long: bool) -> list[Result]:
    """Mean over five seeds; bounds that no target is set by have one. The long form reads more, with all."""
    seeds = range(100, 105)
    num_bytes = 1_000_000 if long else 400_000
    arms: dict[str, list[Arm]] = {name: [] for name in ARMS}
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="synapsed-five-") as folder:
            sources = write_sources(Path(folder), num_bytes)
            for name, found in arms.items():
                if name not in JUDGED and seed > seeds[0] and not long:
                    continue
                found.append(learn(name, sources, Path(folder) / f"home {name}", num_bytes, seed))
    lost = {name: statistics.fmean(map(mean_forgetting, found)) for name, found in arms.items()}
    level = {name: statistics.fmean(map(mean_bpc, found)) for name, found in arms.items()}
    of_joint = {name: over_joint(found, arms["joint"]) for name, found in arms.items()}
    details = {
        "bytes_of_a_source": num_bytes,
        "seeds": {name: list(seeds)[: len(found)] for name, found in arms.items()},
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
            measures="mean over sources of smoothed held-out loss now − its best, after five sources in turn",
            ours=lost["ours"],
            unit="BPC",
            at_most=FORGETTING_MAX_BPC,
            peers={name: lost[name] for name in ARMS if name != "ours"},
            long=long,
            details=details,
        ),
        judged(
            "five_sources.of_joint",
            measures="mean held-out BPC over sources at the end, in that of reading all of them mixed",
            ours=statistics.fmean(of_joint["ours"]),
            unit="× joint",
            at_most=JOINT_RATIO_MAX,
            peers={name: statistics.fmean(of_joint[name]) for name in ARMS if name != "ours"},
            long=long,
            details={"bpc": level, "by_seed": of_joint["ours"]},
        ),
    ]


def learn(name: str, sources: list[Path], folder: Path, num_bytes: int, seed: int) -> Arm:
    """One run over one pass of all sources, by the trainer's own loop."""
    remembers, mix = ARMS[name]
    fraction = REPLAY if remembers else 0.0
    awake = int(len(sources) * num_bytes / (num_lanes(ROWS, fraction) * ROW_BYTES))
    naps = SLEEPS if remembers else 0
    nap_steps = max(1, int(awake * SLEEP_SHARE / SLEEPS))
    steps = awake + naps * nap_steps
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
            "stream.rows": ROWS,
            "stream.segment_bytes": ROW_BYTES,
            "stream.held_out_share": 0.05,
            "replay.fraction": fraction,
            "replay.max_fraction": REPLAY,  # the target is set at 20 %
            "replay.capacity": 100_000,
            "sleep.every_steps": awake // SLEEPS if naps else 0,
            "sleep.rest_steps": 0,
            "sleep.steps": nap_steps,
            "forgetting.every_steps": max(1, awake // 200),
            "vitals.enabled": False,
            "evaluation.enabled": True,
            "evaluation.budget_share": 0.0,
            "limits.steps": steps,
            "checkpoint.every_seconds": 1e6,
        },
        environ={},
    )
    torch.set_num_threads(1)
    arm = Arm(tracks={path.stem: Track() for path in sources})
    every = max(1, steps // LOOKS)
    looked = 0

    def look(loop: Loop) -> Ending | None:
        nonlocal looked
        if loop.step // every > looked:
            looked = loop.step // every
            follow(arm, loop)
        if loop.step >= steps:
            follow(arm, loop)
            return Ending(state=RunState.FINISHED, reason="read")
        return None

    with lone_loop(folder, config) as (loop, silence):
        loop.run(look)
    arm.slept = silence.kinds.count("sleep_began")
    arm.undone = silence.kinds.count("sleep_rolled_back")
    return arm


def follow(arm: Arm, loop: Loop) -> None:
    """Score the whole held-out sets by the weights that speak; a source counts from when it was read."""
    found = loop.evaluate()
    heads = {head.name: head for head in loop.parts.stream.cursor().sources}
    for name, track in arm.tracks.items():
        label = next(key for key in heads if Path(key).stem == name)
        head = heads[label]
        track.fresh = head.document is not None or head.number > 1
        track.follow(found[label], SMOOTHING)
        arm.bpc[name] = found[label]


def mean_forgetting(arm: Arm) -> float:
    """F over all sources: smoothed loss now − best smoothed so far."""
    return statistics.fmean(track.forgetting or 0.0 for track in arm.tracks.values())


def raw_forgetting(arm: Arm) -> float:
    """The same with the last loss as it is, which smoothing cannot flatter."""
    return statistics.fmean(arm.bpc[name] - (track.best or 0.0) for name, track in arm.tracks.items())


def over_joint(arms: list[Arm], joint: list[Arm]) -> list[float]:
    """Mean held-out BPC of each seed over that of reading the same mixed."""
    return [mean_bpc(arm) / mean_bpc(bound) for arm, bound in zip(arms, joint, strict=False)]


def mean_bpc(arm: Arm) -> float:
    """Mean held-out BPC over sources."""
    return statistics.fmean(arm.bpc.values())


def by_source(arms: list[Arm]) -> Mapping[str, float]:
    """Held-out BPC at the end by source, mean over seeds."""
    return {name: round(statistics.fmean(arm.bpc[name] for arm in arms), 4) for name in arms[0].bpc}


# The sources.


def write_sources(folder: Path, num_bytes: int) -> list[Path]:
    """One file a source, in the order in which they are read."""
    texts = {
        "english": shared("tinyshakespeare.txt") or english(),
        "python": python(),
        "json": structures(),
        "logs": logs(),
        "russian": shared("ru_classics.txt") or names(),
    }
    paths = []
    for name, parts in texts.items():
        path = folder / f"{name}.txt"
        path.write_bytes(first(parts, num_bytes))
        paths.append(path)
    return paths


def first(parts: Iterator[str], num_bytes: int) -> bytes:
    """The first bytes of a text that comes in parts."""
    data = bytearray()
    for part in parts:
        data += part.encode()
        if len(data) >= num_bytes:
            break
    return bytes(data[:num_bytes].decode(errors="ignore").encode())


def shared(name: str) -> Iterator[str] | None:
    """A text of the data beside the checkout, if it lies there."""
    path = TEXTS / name
    return iter([path.read_text(encoding="utf-8")]) if path.exists() else None


def standard_library() -> list[Path]:
    """Its modules, in a fixed order."""
    folder = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in folder.glob("*.py") if path.stat().st_size > 4096)


def python() -> Iterator[str]:
    """The standard library's own source."""
    for path in standard_library():
        yield path.read_text(encoding="utf-8")


def english() -> Iterator[str]:
    """Its docstrings."""
    for path in standard_library():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
                text := ast.get_docstring(node)
            ):
                yield text + "\n\n"


def structures() -> Iterator[str]:
    """Its functions as JSON records."""
    for path in standard_library():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                record = {
                    "module": path.stem,
                    "name": node.name,
                    "line": node.lineno,
                    "arguments": [argument.arg for argument in node.args.args],
                    "documented": ast.get_docstring(node) is not None,
                    "statements": [type(statement).__name__ for statement in node.body],
                }
                yield json.dumps(record, indent=1) + "\n"


def logs() -> Iterator[str]:
    """Lines of a made-up server."""
    rng = random.Random(7)  # noqa: S311 - the same lines in every run
    seconds = 0.0
    while True:
        seconds += rng.expovariate(2.0)
        host, status = (
            rng.choice(("web-1", "web-2", "db", "cache")),
            rng.choice((200, 200, 200, 304, 404, 500)),
        )
        path = rng.choice(("/", "/login", "/api/v1/runs", f"/item/{rng.randrange(10_000)}"))
        hours, rest = divmod(int(seconds), 3600)
        yield (
            f"2026-02-{1 + hours // 24 % 28:02d}T{hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d} {host} "
            f"[{rng.choice(('INFO', 'INFO', 'WARN'))}] GET {path} {status} {rng.randrange(1, 900)}ms\n"
        )


def names() -> Iterator[str]:
    """Names of characters: another alphabet's stand-in where no Russian text lies."""
    for code in range(0x110000):
        if name := unicodedata.name(chr(code), ""):
            yield f"{chr(code)} {name}\n" if code < 0xD800 else f"{name}\n"
