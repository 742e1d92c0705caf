"""Examples a CPU second that an online learner with replay takes in: digits, net 64-256-10, 200 kept.

Ours learns batches of 10 live and 10 remembered examples, one update a batch, with averages, balanced memory
and all. The peer is Avalanche's Naive strategy with its ReplayPlugin and the same sizes, in the environment
of `benchmarks.peers.environment`. Left out where it is not there.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from pathlib import Path

import torch

from benchmarks.data.digits import load
from benchmarks.peers.environment import HINT, PYTHON
from benchmarks.result import Result, judged
from brain.models.classifier.config import LearnerConfig, MemoryConfig, MLPConfig
from brain.models.classifier.online_learner import OnlineLearner
from brain.plasticity.config import PlasticityConfig

SAMPLES_MIN = 8000.0
BATCH_SIZE = 10
REPEATS = 5

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "benchmarks" / "peers" / "avalanche_replay.py"

MLP = MLPConfig(sizes=(64, 256, 10), plasticity=PlasticityConfig(replacement_rate=0.0))
FORMS = {
    "ours": LearnerConfig(mlp=MLP, memory=MemoryConfig(capacity=200, rows=10)),
    "with consistency": LearnerConfig(
        mlp=MLP, memory=MemoryConfig(capacity=200, rows=10, consistency_weight=0.3)
    ),
    "with recycling": LearnerConfig(
        mlp=MLPConfig(sizes=(64, 256, 10), plasticity=PlasticityConfig(replacement_rate=1e-4, l2_init=1e-2)),
        memory=MemoryConfig(capacity=200, rows=10),
    ),
    "batches of one": LearnerConfig(mlp=MLP, memory=MemoryConfig(capacity=200, rows=1)),
}


def run(*, long: bool) -> list[Result]:
    """The median of five passes, 5 times longer with `--long`."""
    torch.set_num_threads(1)
    paces = {
        name: [
            pace(config, passes=5 if long else 1, batch_size=1 if "one" in name else BATCH_SIZE)
            for _ in range(REPEATS)
        ]
        for name, config in FORMS.items()
    }
    found, skipped = _avalanche()
    details = {name: statistics.median(of) for name, of in paces.items() if name != "ours"}
    return [
        judged(
            "online_replay_learner",
            measures="examples a CPU second, learned online with replay, digits MLP",
            ours=statistics.median(paces["ours"]),
            unit="examples/s",
            at_least=SAMPLES_MIN,
            peers=found,
            long=long,
            details={**details, "all": paces["ours"], "skipped": skipped, "batch": BATCH_SIZE},
        )
    ]


def pace(config: LearnerConfig, *, passes: int, batch_size: int) -> float:
    """Examples a CPU second through all digits, after a short warm-up."""
    digits, learner = load(), OnlineLearner(config)
    batches = list(
        zip(torch.split(digits.images, batch_size), torch.split(digits.labels, batch_size), strict=True)
    )
    for images, labels in batches[:50]:
        learner.learn(images, labels)
    began = time.process_time()
    for _ in range(passes):
        for images, labels in batches:
            learner.learn(images, labels)
    return passes * len(digits) / (time.process_time() - began)


def _avalanche() -> tuple[dict[str, float], dict[str, str]]:
    done = subprocess.run([PYTHON, str(PROGRAM)], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        error = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        return {}, {"Avalanche": f"{error}; {HINT}"}
    return {
        "Avalanche": float(json.loads(done.stdout.strip().splitlines()[-1])["samples_per_cpu_second"])
    }, {}
