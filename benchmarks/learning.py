"""How well the default brain predicts after 2,000 steps of the default stream, and at what pace.

Beside the prequential BPC of the last 200 steps stand compressors that read the same bytes whole.
"""

from __future__ import annotations

import bz2
import lzma
import math
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result, judged

STEPS = 2_000
LAST = 200
BPC_AT_MOST = 3.2
STEP_SECONDS_AT_MOST = 0.180  # 10,000 steps in 30 minutes


def run(*, long: bool) -> list[Result]:
    """One run from a newborn brain; `long` goes on to 10,000 steps."""
    import torch  # noqa: PLC0415 - loaded in the benchmark's own process

    from brain.build import build_brain  # noqa: PLC0415
    from daemon.config.loading import resolve_config  # noqa: PLC0415
    from daemon.streams.stream import ExperienceStream  # noqa: PLC0415
    from daemon.trainer.batching import assemble  # noqa: PLC0415

    config = resolve_config(preset="default", environ={})
    settings = dict(config.brain)
    device = torch.device("cpu")
    lanes = list(range(config.stream.rows))
    brain = build_brain(
        settings.pop("kind"), settings, optimizer=config.optimizer, lanes=len(lanes), device=device, seed=0
    )
    losses, seconds, read = [], [], bytearray()
    with tempfile.TemporaryDirectory(prefix="synapsed-learning-") as folder:
        stream = ExperienceStream.open(
            config.stream, lanes=len(lanes), seed=0, cache=Path(folder) / "cache", emit=lambda _: None
        )
        for _ in range(10_000 if long else STEPS):
            experience, _cursor = stream.next(lanes)
            began = time.perf_counter()
            report = brain.learn(assemble(experience, None, device))
            seconds.append(time.perf_counter() - began)
            losses.append(report.loss / math.log(2))
            read += experience.bytes.tobytes()
    peers = {
        "xz of the same bytes": 8 * len(lzma.compress(read)) / len(read),
        "bzip2 of the same bytes": 8 * len(bz2.compress(read)) / len(read),
    }
    return [
        judged(
            "learning.bpc",
            measures=f"prequential BPC, mean of the last {LAST} of {len(losses)} steps, default preset",
            ours=statistics.fmean(losses[-LAST:]),
            peers=peers,
            unit="bits per byte",
            at_most=BPC_AT_MOST,
            long=long,
            details={"first": losses[0], "whole_run": statistics.fmean(losses), "bytes_read": len(read)},
        ),
        judged(
            "learning.pace",
            measures="seconds a step of the default preset, learning alone",
            ours=statistics.median(seconds),
            unit="s",
            at_most=STEP_SECONDS_AT_MOST,
            long=long,
            details={"mean": statistics.fmean(seconds)},
        ),
    ]
