"""Learning a slowly changing function forever: 20 bits in, a net too small for its target, one pass.

Source: Dohare, Sutton & Mahmood 2021, "Continual backprop: stochastic gradient descent with persistent
randomness", the bit-flipping problem. Of 20 bits the first 15 stand still, but for one, chosen again, that
flips every 10,000 examples; the other 5 are drawn for each example. The target is a net of 100 threshold
units with weights of ±1. The learner has 5 hidden units, so it must keep tracking. Error is squared, before
learning.

All learners of all runs read the same examples, side by side, and make one update an example. In one more row the
peers have our activation. Rates were chosen on other seeds than these, those of self-normalised resets and spectral
regularisation by `python -m benchmarks.tuned_plasticity`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmarks.peers.plasticity import ResettingMLP, SpectralMLP
from benchmarks.result import Result, Spread, judged
from brain.models.classifier.config import MLPConfig
from brain.models.classifier.online_mlp import OnlineMLP
from brain.plasticity.config import PlasticityConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

BITS, SLOW_BITS, UNITS = 20, 15, 100
FLIP_EVERY_STEPS = 10_000
THRESHOLD = 0.7  # share of a unit's inputs that must agree with its weights
CHUNK_STEPS = 1000
ERROR_MAX = 0.46

NO_RECYCLING = PlasticityConfig(replacement_rate=0.0)
PLAIN = MLPConfig(sizes=(BITS, 5, 1), learning_rate=0.01, plasticity=NO_RECYCLING)
TANH = replace(PLAIN, activation="tanh")


@dataclass
class BitFlipping:
    """R targets, each with its slow bits; `chunks` yields bits (R, C, 20) and targets (R, C, 1)."""

    runs: int
    seed: int

    def chunks(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The stream, a thousand examples at a time."""
        draw = torch.Generator().manual_seed(self.seed)

        def signs(*shape: int) -> Tensor:
            return torch.randint(0, 2, shape, generator=draw).float() * 2.0 - 1.0

        into, out = signs(self.runs, BITS + 1, UNITS), signs(self.runs, UNITS, 1)
        floor = (BITS + 1) * THRESHOLD - (into < 0).sum(1, keepdim=True)
        slow = torch.randint(0, 2, (self.runs, SLOW_BITS), generator=draw).float()
        each = torch.arange(self.runs)
        for begin in range(0, steps, CHUNK_STEPS):
            if begin and begin % FLIP_EVERY_STEPS == 0:
                flipped = torch.randint(0, SLOW_BITS, (self.runs,), generator=draw)
                slow[each, flipped] = 1.0 - slow[each, flipped]
            fast = torch.randint(0, 2, (self.runs, CHUNK_STEPS, BITS - SLOW_BITS), generator=draw).float()
            bits = torch.cat([slow[:, None].expand(-1, CHUNK_STEPS, -1), fast], dim=2)
            fired = (torch.baddbmm(into[:, -1:], bits, into[:, :-1]) > floor).float()
            yield bits, fired @ out


Make = Callable[..., OnlineMLP]
"""Makes a net from `population`, `seed` and `rate_scale`."""


@torch.inference_mode()
def follow(
    learners: Mapping[str, MLPConfig | Make],
    *,
    runs: int,
    steps: int,
    seed: int,
    rate_scale: Tensor | None = None,
) -> dict[str, Tensor]:
    """Mean squared error of each learner, (R, chunks of 1,000 examples)."""
    nets = {
        name: (partial(OnlineMLP, own) if isinstance(own, MLPConfig) else own)(
            population=runs, seed=seed, rate_scale=rate_scale
        )
        for name, own in learners.items()
    }
    errors: dict[str, list[Tensor]] = {name: [] for name in learners}
    for bits, targets in BitFlipping(runs, seed).chunks(steps):
        for name, net in nets.items():
            errors[name].append(chunk_error(net, bits, targets))
    return {name: torch.stack(series, dim=1) for name, series in errors.items()}


def chunk_error(net: OnlineMLP, bits: Tensor, targets: Tensor) -> Tensor:
    """Learn a chunk example by example; mean squared error before learning, (R,)."""
    centred, total = bits - 0.5, torch.zeros(len(bits), 1, 1)
    for step in range(bits.shape[1]):
        trace = net.forward(centred[:, step : step + 1])
        delta = trace.outputs - targets[:, step : step + 1]
        total.addcmul_(delta, delta)
        net.backward(trace, delta)
        net.update(trace)
    return total[:, 0, 0] / bits.shape[1]


OURS = MLPConfig(
    sizes=(BITS, 5, 1),
    activation="tanh",
    learning_rate=0.01,
    plasticity=PlasticityConfig(replacement_rate=1e-4, maturity_steps=100, l2_init=1e-3),
)


def self_normalised_resets(config: MLPConfig, *, rejected: float) -> Make:
    """A unit's history is that of the examples since the slow bits flipped last but one."""
    return partial(ResettingMLP, config, rejected=rejected, every_steps=FLIP_EVERY_STEPS)


def spectral_regularisation(config: MLPConfig, *, strength: float) -> Make:
    """Of both matrices and both biases."""
    return partial(SpectralMLP, config, strength=strength)


CONTINUAL = PlasticityConfig(replacement_rate=1e-4, maturity_steps=100)
LEARNERS: dict[str, MLPConfig | Make] = {
    "ours": OURS,
    "linear": replace(PLAIN, sizes=(BITS, 1)),
    "backpropagation, ReLU": PLAIN,
    "backpropagation, tanh": replace(PLAIN, activation="tanh"),
    "continual backprop, ReLU": replace(PLAIN, plasticity=CONTINUAL),
    "continual backprop + L2-Init, ReLU": replace(PLAIN, plasticity=replace(CONTINUAL, l2_init=1e-2)),
    "continual backprop, tanh": replace(PLAIN, activation="tanh", plasticity=CONTINUAL),
    "continual backprop + L2-Init, tanh": replace(
        PLAIN, activation="tanh", plasticity=replace(CONTINUAL, l2_init=1e-2)
    ),
    "self-normalised resets, ReLU": self_normalised_resets(PLAIN, rejected=0.0003),
    "self-normalised resets, tanh": self_normalised_resets(TANH, rejected=0.0003),
    "spectral regularisation, ReLU": spectral_regularisation(PLAIN, strength=1e-3),
    "spectral regularisation, tanh": spectral_regularisation(TANH, strength=1e-5),
}


def run(*, long: bool) -> list[Result]:
    """The last tenth of the stream; `--long` takes 30 runs of 1 M examples, and 5 of ours through 10 M."""
    runs, steps = (30, 1_000_000) if long else (10, 200_000)
    errors = follow(LEARNERS, runs=runs, steps=steps, seed=0)
    tenth = steps // CHUNK_STEPS // 10
    last = {name: series[:, -tenth:].mean(1) for name, series in errors.items()}
    details = {
        "runs": runs,
        "examples": steps,
        "standard deviation over runs": {name: float(of_run.std()) for name, of_run in last.items()},
        "mean of the stream": {name: float(series.mean()) for name, series in errors.items()},
        "curves": {name: _means(series, 20) for name, series in errors.items()},
    }
    means = {name: float(of_run.mean()) for name, of_run in last.items()}
    ours = means.pop("ours")
    spread = Spread(
        what=f"the standard deviation over {runs} runs",
        ours=float(last["ours"].std()),
        peers={name: float(last[name].std()) for name in means},
    )
    what = "squared error over the last tenth of a slowly changing function's examples"
    results = [
        judged(
            "slowly_changing_regression",
            measures=what,
            ours=ours,
            unit="squared error",
            at_most=ERROR_MAX,
            peers={
                name: mean
                for name, mean in means.items()
                if "ReLU" in name or name in {"linear", "backpropagation, tanh"}
            },
            long=long,
            details=details,
            spread=spread,
        ),
        judged(
            "slowly_changing_regression.matched",
            measures=f"{what}; peers with our activation",
            ours=ours,
            unit="squared error",
            at_most=1.0,
            of="ratio",
            peers={name: mean for name, mean in means.items() if "tanh" in name},
            long=long,
            spread=spread,
        ),
    ]
    return [*results, _flatness()] if long else results


def _flatness() -> Result:
    """Ours through 10 M examples: the worst tenth after the first, over the mean of the others."""
    series = follow({"ours": OURS}, runs=5, steps=10_000_000, seed=100)["ours"]
    tenths = _means(series, 10)
    of_run = torch.stack([part.mean(1) for part in series.tensor_split(10, dim=1)])
    return judged(
        "slowly_changing_regression.flat",
        measures="squared error over the last million of 10 M examples, over that of the second",
        ours=tenths[-1] / tenths[1],
        unit="×",
        at_most=1.1,
        long=True,
        details={
            "curves": {"ours": tenths},
            "runs": 5,
            "worst": max(tenths[1:]),
            "median": statistics.median(tenths),
        },
        spread=Spread.over("runs", (of_run[-1] / of_run[1]).tolist()),
    )


def _means(series: Tensor, parts: int) -> list[float]:
    return [float(part.mean()) for part in series.tensor_split(parts, dim=1)]
