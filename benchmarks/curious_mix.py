"""Held-out loss when lanes choose by learning progress, beside round robin and chance, at equal bytes.

`chance` is the mix curious with every choice random: it separates what choosing by progress brings from what
reading eight segments of a source side by side brings.
"""

from __future__ import annotations

import math
import statistics
import sysconfig
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unittest import mock

import numpy as np
import torch

from benchmarks.result import Result, Spread, count_of, judged
from benchmarks.texts import SHARED
from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from daemon.config.tree import StreamConfig
from daemon.streams.mixes import curious
from daemon.streams.stream import ExperienceStream
from daemon.trainer.steps.batching import assemble

if TYPE_CHECKING:
    from brain.ports import Brain

Way = Literal["curious", "round_robin", "chance"]

ROWS = 16
STEPS, STEPS_LONG = 500, 6000
SEEDS, SEEDS_LONG = (0, 1), (0, 1, 2, 3, 4)
SOURCE_BYTES = 400_000
HELD_OUT_SHARE = 0.05
HELD_OUT_BLOCKS = 8  # of each source
SETTINGS = {
    "hidden_size": 64,
    "layers": ["mingru", "mingru"],
    "mlp_ratio": 2,
    "bigram_size": 16,
    "self_model_size": 16,
    "precision": "fp32",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Held-out BPC by source and the share of rows read of each."""

    bpc: dict[str, float]
    share: dict[str, float]

    @property
    def mean(self) -> float:
        """Mean held-out BPC over the sources."""
        return statistics.fmean(self.bpc.values())


def run(*, long: bool) -> list[Result]:
    """Two figures, both means over seeds: sources of differing difficulty, and segments of a single source.

    The first set holds text and code beside noise and one line over and over, on which bytes are wasted. In
    the second there is little to choose; there it must cost nothing.
    """
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="synapsed-curious-") as name:
        several = write_sources(Path(name))
        library = write_library(Path(name) / "library")
        return [
            compare(
                "curious_mix",
                several,
                "mean held-out BPC over sources of differing difficulty",
                at_most=1.0,
                long=long,
            ),
            compare(
                "curious_mix.single", (library,), "held-out BPC of a single source", at_most=1.01, long=long
            ),
        ]


def compare(name: str, data: tuple[str, ...], what: str, *, at_most: float, long: bool) -> Result:
    """All three ways from the same first weights, for each seed."""
    seeds, steps = (SEEDS_LONG, STEPS_LONG) if long else (SEEDS, STEPS)
    ours = [learn("curious", data, steps=steps, seed=seed) for seed in seeds]
    peers: dict[Way, list[Outcome]] = {
        way: [learn(way, data, steps=steps, seed=seed) for seed in seeds] for way in ("round_robin", "chance")
    }
    differences: dict[str, list[float]] = {
        way: [a.mean - b.mean for a, b in zip(ours, found, strict=True)] for way, found in peers.items()
    }
    means: dict[str, float] = {
        way: statistics.fmean(outcome.mean for outcome in found) for way, found in peers.items()
    }
    best = min(means, key=lambda way: means[way])
    return judged(
        name,
        measures=f"{what} after {steps * ROWS * 64 / 1e6:.1f} MB, curious beside round robin and chance, "
        f"{count_of(seeds)}",
        ours=statistics.fmean(outcome.mean for outcome in ours),
        peers=means,
        unit="bits per byte",
        at_most=at_most,
        of="ratio",
        long=long,
        details={
            "difference_by_seed": differences,
            "sources": {way: averaged(found) for way, found in {"curious": ours, **peers}.items()},
            "steps": steps,
            "seeds": len(seeds),
        },
        spread=spread_of(differences[best], means[best]),
    )


def spread_of(differences: list[float], peer: float) -> Spread:
    """Of the ratio to a peer that learned from the same first weights on every seed."""
    return Spread(
        what=f"the standard deviation of the difference to the best peer over {len(differences)} seeds, in its mean",
        ratio=statistics.pstdev(differences) / peer if len(differences) > 1 else None,
    )


def averaged(outcomes: list[Outcome]) -> dict[str, dict[str, float]]:
    """BPC and share of each source, over seeds."""
    return {
        source: {
            "bpc": statistics.fmean(outcome.bpc[source] for outcome in outcomes),
            "share": statistics.fmean(outcome.share[source] for outcome in outcomes),
        }
        for source in outcomes[0].bpc
    }


def learn(way: Way, data: tuple[str, ...], *, steps: int, seed: int) -> Outcome:
    """A small brain that reads `steps` batches of live rows, then is scored on what was held out."""
    device = torch.device("cpu")
    mix: Literal["curious", "round_robin"] = "round_robin" if way == "round_robin" else "curious"
    epsilon = 1.0 if way == "chance" else curious.EPSILON
    brain = build_brain(
        "synapse", SETTINGS, optimizer=OptimizerConfig(), lanes=ROWS, device=device, seed=seed
    )
    with (
        tempfile.TemporaryDirectory(prefix="synapsed-curious-") as cache,
        mock.patch.object(curious, "EPSILON", epsilon),
    ):
        stream = ExperienceStream.open(
            StreamConfig(data=data, mix=mix, held_out_share=HELD_OUT_SHARE),
            lanes=ROWS,
            seed=seed,
            cache=Path(cache) / "cache",
            emit=lambda _: None,
        )
        read: Counter[int] = Counter()
        for _ in range(steps):
            experience, _ = stream.next(range(ROWS))
            report = brain.learn(assemble(experience, None, device))
            rows = zip(
                experience.source.tolist(), report.row_loss.tolist(), experience.lane.tolist(), strict=True
            )
            for source, loss, lane in rows:
                stream.learned(source, loss, lane=lane)
            read.update(experience.source.tolist())
            stream.choices()
        names = [info.name for info in stream.sources[:-1]]
        return Outcome(
            bpc={name: held_out_bpc(brain, stream, source) for source, name in enumerate(names)},
            share={name: read[source] / read.total() for source, name in enumerate(names)},
        )


def held_out_bpc(brain: Brain, stream: ExperienceStream, source: int) -> float:
    """Bits per byte of blocks spread evenly over a source's held-out set, each read from a reset state."""
    held_out = stream.held_out(source)
    chosen = np.unique(np.linspace(0, len(held_out) - 1, HELD_OUT_BLOCKS).astype(int))
    nats, num_bytes = 0.0, 0
    for index in chosen.tolist():
        block = np.frombuffer(held_out.read(index)[0], np.uint8).copy()
        rows = torch.from_numpy(block)[None, :]
        nats += float(brain.score(rows, torch.ones_like(rows, dtype=torch.bool)).sum())
        num_bytes += len(block)
    return nats / num_bytes / math.log(2)


def write_sources(folder: Path) -> tuple[str, ...]:
    """Files of equal size: texts, code, a table, noise of 64 symbols, one line over and over.

    The texts are those beside the checkout where there are any, else the library's manual.
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    rng = np.random.default_rng(0)
    alphabet = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
    numbers = np.cumsum(rng.normal(size=SOURCE_BYTES // 8))
    contents = {
        "code": b"".join(path.read_bytes() for path in sorted(library.glob("*.py"))),
        "table": "".join(
            f"{i},{x:.2f},{'up' if x > 0 else 'down'}\n" for i, x in enumerate(numbers)
        ).encode(),
        "noise": rng.choice(alphabet, SOURCE_BYTES).tobytes(),
        "constant": b"all work and no play makes jack a dull boy\n" * (SOURCE_BYTES // 40),
    }
    texts = sorted(path for path in (SHARED / "text").glob("*.*") if not path.name.endswith(".SOURCE.txt"))
    for path in texts or [library / "pydoc_data" / "topics.py"]:
        contents[path.stem] = path.read_bytes()
    for name, content in contents.items():
        (folder / name).write_bytes(content[:SOURCE_BYTES])
    return tuple(str(folder / name) for name in contents)


def write_library(folder: Path) -> str:
    """One source of many documents: the modules of the standard library and of some of its packages."""
    folder.mkdir()
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted([*library.glob("*.py"), *library.glob("*/*.py")])[:400]:
        if path.stat().st_size:
            (folder / "-".join(path.relative_to(library).parts)).write_bytes(path.read_bytes())
    return str(folder)
