"""How the peers of plasticity were tuned: `python -m benchmarks.tuned_plasticity regression|lasting [SEED…]`.

Every value of each peer's own setting, on seeds that are not measured on: `regression` as in
`benchmarks.slowly_changing_regression`; `lasting` as in `benchmarks.lasting_plasticity`, but a
shorter life. The figures are the benchmarks' own.
"""

from __future__ import annotations

import statistics
import sys

from benchmarks.lasting_plasticity import (
    Arm,
    Length,
    live,
    read_text,
    self_normalised_resets,
    spectral_regularisation,
)
from benchmarks.slowly_changing_regression import CHUNK_STEPS, PLAIN, TANH, follow
from benchmarks.slowly_changing_regression import self_normalised_resets as resetting_net
from benchmarks.slowly_changing_regression import spectral_regularisation as spectral_net

LENGTH = Length(phases=8, phase_steps=400, judged_phases=3, new_brains=2, seeds=())
REJECTED = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
RATES = (1e-5, 1e-4, 1e-3)
RUNS, EXAMPLES = 10, 200_000


def tune_lasting(seed: int) -> None:
    """Ratio of steps to a new brain's loss, and health, by setting."""
    arms = {
        **{
            f"continual backprop, {rate:g}": Arm(plasticity={"l2_init": 0.0, "replacement_rate": rate})
            for rate in RATES
        },
        **{f"self-normalised resets, {share:g}": self_normalised_resets(share) for share in REJECTED},
        **{
            f"spectral regularisation, {strength:g}": spectral_regularisation(strength)
            for strength in STRENGTHS
        },
    }
    new_steps, lives = live(read_text(), LENGTH, seed, arms)
    for name, life in lives.items():
        ratio = statistics.fmean(life.steps) / statistics.fmean(new_steps)
        print(f"seed {seed}: {name}: {ratio:.3f} {life.health}", flush=True)


def tune_regression(seed: int) -> None:
    """Squared error over the last tenth of the examples, by setting and activation."""
    learners = {}
    for config in (PLAIN, TANH):
        for share in REJECTED:
            learners[f"self-normalised resets, {config.activation}, {share:g}"] = resetting_net(
                config, rejected=share
            )
        for strength in STRENGTHS:
            learners[f"spectral regularisation, {config.activation}, {strength:g}"] = spectral_net(
                config, strength=strength
            )
    errors = follow(learners, runs=RUNS, steps=EXAMPLES, seed=seed)
    for name, series in errors.items():
        print(
            f"seed {seed}: {name}: {float(series[:, -EXAMPLES // CHUNK_STEPS // 10 :].mean()):.4f}",
            flush=True,
        )


if __name__ == "__main__":
    tune = {"regression": tune_regression, "lasting": tune_lasting}[sys.argv[1]]
    for own_seed in [int(seed) for seed in sys.argv[2:]] or [1000]:
        tune(own_seed)
