"""Examples a CPU second that an online learner with replay takes in: digits, net 64-256-10, 200 kept.

Ours learns batches of 10 live and 10 remembered examples, one update a batch, with averages, balanced memory
and all. Beside it learns a plain PyTorch loop: the same sizes, batches and updates with `torch.nn`, autograd and
`torch.optim.Adam`, and a reservoir of as many examples drawn from at random. Both learn in turn in one process, and the
target is on the median of the paired ratios. Avalanche's Naive strategy with its ReplayPlugin and the same sizes
stands beside in the environment of `benchmarks.peers.environment`; it is left out where that is not there.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmarks.data.digits import load
from benchmarks.peers.environment import HINT, PYTHON
from benchmarks.result import Result, Spread, judged
from brain.models.classifier.config import LearnerConfig, MemoryConfig, MLPConfig
from brain.models.classifier.online_learner import OnlineLearner
from brain.plasticity.config import PlasticityConfig

if TYPE_CHECKING:
    from collections.abc import Callable

RATIO_MIN = 1.0
CAPACITY = 200
BATCH_SIZE = 10
REPEATS = 5
PLAIN = "plain PyTorch loop"

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "benchmarks" / "peers" / "avalanche_replay.py"

MLP = MLPConfig(sizes=(64, 256, 10), plasticity=PlasticityConfig(replacement_rate=0.0))
FORMS = {
    "ours": LearnerConfig(mlp=MLP, memory=MemoryConfig(capacity=CAPACITY, rows=10)),
    "with consistency": LearnerConfig(
        mlp=MLP, memory=MemoryConfig(capacity=CAPACITY, rows=10, consistency_weight=0.3)
    ),
    "with recycling": LearnerConfig(
        mlp=MLPConfig(sizes=(64, 256, 10), plasticity=PlasticityConfig(replacement_rate=1e-4, l2_init=1e-2)),
        memory=MemoryConfig(capacity=CAPACITY, rows=10),
    ),
    "batches of one": LearnerConfig(mlp=MLP, memory=MemoryConfig(capacity=CAPACITY, rows=1)),
}


def run(*, long: bool) -> list[Result]:
    """The median of five passes, 5 times longer with `--long`."""
    torch.set_num_threads(1)
    passes = 5 if long else 1
    paces: dict[str, list[float]] = {name: [] for name in (*FORMS, PLAIN)}
    for _ in range(REPEATS):
        for name, config in FORMS.items():
            learn = OnlineLearner(config).learn
            paces[name].append(pace(learn, passes=passes, batch_size=1 if "one" in name else BATCH_SIZE))
            if name == "ours":
                paces[PLAIN].append(pace(PlainLoop().learn, passes=passes, batch_size=BATCH_SIZE))
    found, skipped = _avalanche()
    details = {name: statistics.median(of) for name, of in paces.items() if name not in {"ours", PLAIN}}
    ratios = [ours / plain for ours, plain in zip(paces["ours"], paces[PLAIN], strict=True)]
    return [
        judged(
            "online_replay_learner",
            measures="examples a CPU second, learned online with replay, in those of a plain PyTorch loop, digits MLP; "
            "median of paired ratios",
            ours=statistics.median(ratios),
            unit="× plain loop",
            at_least=RATIO_MIN,
            peers={PLAIN: 1.0, **{name: of / statistics.median(paces[PLAIN]) for name, of in found.items()}},
            long=long,
            details={
                **details,
                "all": paces["ours"],
                PLAIN: paces[PLAIN],
                "ratios": ratios,
                "skipped": skipped,
                "batch": BATCH_SIZE,
                "note": f"Examples a CPU second, median: ours {statistics.median(paces['ours']):,.0f}, plain loop "
                f"{statistics.median(paces[PLAIN]):,.0f}.",
            },
            spread=Spread.over("pairs", ratios),
        )
    ]


class PlainLoop:
    """A net, Adam and a reservoir, as one would write them with PyTorch alone."""

    def __init__(self) -> None:
        inputs, hidden, outputs = MLP.sizes
        self.net = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
        self.adam = torch.optim.Adam(self.net.parameters(), lr=MLP.learning_rate)
        self.images, self.labels = torch.zeros(CAPACITY, inputs), torch.zeros(CAPACITY, dtype=torch.int64)
        self.num_seen = 0

    def learn(self, images: Tensor, labels: Tensor) -> None:
        """One update on the batch and as many remembered examples."""
        kept = min(self.num_seen, CAPACITY)
        both, targets = images, labels
        if kept:
            drawn = torch.randint(kept, (len(images),))
            both, targets = torch.cat([images, self.images[drawn]]), torch.cat([labels, self.labels[drawn]])
        self.adam.zero_grad()
        nn.functional.cross_entropy(self.net(both), targets).backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        for image, label in zip(images, labels, strict=True):
            self._offer(image, label)

    def _offer(self, image: Tensor, label: Tensor) -> None:
        self.num_seen += 1
        slot = self.num_seen - 1 if self.num_seen <= CAPACITY else int(torch.randint(self.num_seen, (1,)))
        if slot < CAPACITY:
            self.images[slot], self.labels[slot] = image, label


def pace(learn: Callable[[Tensor, Tensor], object], *, passes: int, batch_size: int) -> float:
    """Examples a CPU second through all digits, after a short warm-up."""
    digits = load()
    batches = list(
        zip(torch.split(digits.images, batch_size), torch.split(digits.labels, batch_size), strict=True)
    )
    for images, labels in batches[:50]:
        learn(images, labels)
    began = time.process_time()
    for _ in range(passes):
        for images, labels in batches:
            learn(images, labels)
    return passes * len(digits) / (time.process_time() - began)


def _avalanche() -> tuple[dict[str, float], dict[str, str]]:
    done = subprocess.run([PYTHON, str(PROGRAM)], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        error = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        return {}, {"Avalanche": f"{error}; {HINT}"}
    return {
        "Avalanche": float(json.loads(done.stdout.strip().splitlines()[-1])["samples_per_cpu_second"])
    }, {}
