"""Growing from 5 hidden units to 50 on the slowly changing function, beside nets that had 50 from the start.

The stream is that of `benchmarks.slowly_changing_regression`. Ours begins with 5 hidden units and gains a tenth
(at least one) whenever more than 85 % of its units, averaged over the runs, are in use, but for a cool-down
and until it has 50. All runs grow at the same time. Judged is the last tenth of the examples; in one more row beside
peers with our activation.
Rates were chosen on other seeds than these.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.result import Result, Spread, judged
from benchmarks.slowly_changing_regression import (
    BITS,
    CHUNK_STEPS,
    CONTINUAL,
    OURS,
    PLAIN,
    BitFlipping,
    chunk_error,
    follow,
)
from brain.models.classifier.online_mlp import OnlineMLP
from brain.models.classifier.widening import widened

if TYPE_CHECKING:
    from torch import Tensor

    from brain.models.classifier.config import MLPConfig

FEW, MANY = 5, 50
ABOVE, FRACTION, USED_SHARE = 0.85, 0.1, 0.1
COOLDOWN_CHUNKS = 4
ERROR_MAX = 0.085

GROWING = replace(OURS, sizes=(BITS, FEW, 1))
WIDE = (BITS, MANY, 1)
FIXED = {
    "50 from the start, ours": replace(OURS, sizes=WIDE),
    "50 from the start, backpropagation": replace(PLAIN, sizes=WIDE),
    "50 from the start, continual backprop": replace(PLAIN, sizes=WIDE, plasticity=CONTINUAL),
    "5 forever, ours": OURS,
    "50 from the start, backpropagation, tanh": replace(PLAIN, sizes=WIDE, activation="tanh"),
    "50 from the start, continual backprop, tanh": replace(
        PLAIN, sizes=WIDE, activation="tanh", plasticity=CONTINUAL
    ),
}


def run(*, long: bool) -> list[Result]:
    """10 runs of 200,000 examples; 30 runs of a million with `--long`."""
    torch.set_num_threads(1)
    runs, steps = (30, 1_000_000) if long else (10, 200_000)
    grown, units = grow(GROWING, runs=runs, steps=steps, seed=0)
    errors = {"ours": grown, **follow(FIXED, runs=runs, steps=steps, seed=0)}
    tenth = steps // CHUNK_STEPS // 10
    means = {name: float(series[:, -tenth:].mean()) for name, series in errors.items()}
    curves = {
        name: [float(part.mean()) for part in series.tensor_split(20, dim=1)]
        for name, series in errors.items()
    }
    ours = means.pop("ours")
    deviation = {name: float(series[:, -tenth:].mean(1).std()) for name, series in errors.items()}
    spread = Spread(
        what=f"the standard deviation over {runs} runs", ours=deviation.pop("ours"), peers=deviation
    )
    what = "squared error over the last tenth of the examples, growing from 5 units to 50"
    return [
        judged(
            "growing_regression",
            measures=what,
            ours=ours,
            unit="squared error",
            at_most=ERROR_MAX,
            peers={name: mean for name, mean in means.items() if "tanh" not in name},
            long=long,
            details={
                "runs": runs,
                "examples": steps,
                "standard deviation over runs": float(grown[:, -tenth:].mean(1).std()),
                "units after each thousand": units,
                "curves": curves,
            },
            spread=spread,
        ),
        judged(
            "growing_regression.matched",
            measures=f"{what}; peers with 50 from the start and our activation",
            ours=ours,
            unit="squared error",
            at_most=1.0,
            of="ratio",
            peers={
                name: mean
                for name, mean in means.items()
                if "tanh" in name or name == "50 from the start, ours"
            },
            long=long,
            spread=spread,
        ),
    ]


@torch.inference_mode()
def grow(config: MLPConfig, *, runs: int, steps: int, seed: int) -> tuple[Tensor, list[int]]:
    """Error (R, chunks of 1,000 examples) of a net that grows, and its hidden units after each chunk."""
    net = OnlineMLP(config, population=runs, seed=seed)
    errors, units, rested = [], [], 0
    for bits, targets in BitFlipping(runs, seed).chunks(steps):
        errors.append(chunk_error(net, bits, targets))
        rested += 1
        now = net.config.sizes[1]
        if now < MANY and rested >= COOLDOWN_CHUNKS and in_use(net) > ABOVE:
            net = widened(net, 0, min(math.ceil(now * FRACTION), MANY - now), seed=seed + len(errors))
            rested = 0
        units.append(net.config.sizes[1])
    return torch.stack(errors, dim=1), units


def in_use(net: OnlineMLP) -> float:
    """Share of units that contribute a tenth of what the mean unit does, over all runs."""
    utility = net.recycling.utility("hidden.0")
    return float((utility >= USED_SHARE * utility.mean(-1, keepdim=True)).float().mean())
