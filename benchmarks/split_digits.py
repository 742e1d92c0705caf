"""Five tasks of two digits each, learned online in one pass, tasks not known; 200 kept, or all.

Net 64-256-10, batches of 10 live examples, every example seen live once. Accuracy and forgetting as in
`benchmarks.continual`. Ours sleeps every 200 examples, by count, and once more at the end; figures before
that last sleep stand beside. Settings were chosen on seeds from 1000 on; reported are 0, 1, 2 … .

Peers with the same net and batches: naive, plain experience replay, DER++ and ER-ACE (of the same code with
the settings of their papers), GDumb (retrained from scratch on what is kept). In one more row the same peers make as
many updates as ours, on as many replayed rows; their activation is ours in every row. Avalanche 0.6.0's best in
earlier measurements was GDumb with 93.2, its best online strategy 82.3.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.continual import (
    BATCH_SIZE,
    Learner,
    Online,
    Retrained,
    Score,
    Tasks,
    compare,
    mean_of,
    split_tasks,
    spread_of,
    summary,
)
from benchmarks.result import Result, judged
from brain.models.classifier.config import ConsolidationConfig, LearnerConfig, MemoryConfig, MLPConfig
from brain.plasticity.config import PlasticityConfig
from brain.sleep.config import SleepConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from brain.models.classifier.online_learner import Weights

NUM_TRAIN = 1437
SLEEP_EVERY_SAMPLES = 200
RETRAIN_STEPS = 1000
ACCURACY_MIN, FORGETTING_MAX, ACCURACY_ALL_MIN = 94.5, 3.0, 97.0

MLP = MLPConfig(sizes=(64, 256, 10), plasticity=PlasticityConfig(replacement_rate=0.0))
OURS = LearnerConfig(
    mlp=MLP,
    memory=MemoryConfig(capacity=200, rows=20, updates=10, logit_weight=0.05, consistency_weight=0.3),
    sleep=SleepConfig(steps=100),
    consolidation=ConsolidationConfig(rows=64, distillation=0.0, logit_weight=0.05),
)
OURS_ALL = replace(
    OURS,
    memory=replace(OURS.memory, capacity=NUM_TRAIN, rows=60, logit_weight=0.0),
    sleep=SleepConfig(steps=200),
    consolidation=replace(OURS.consolidation, rows=128, logit_weight=0.0),
)
PLAIN = MemoryConfig(capacity=200, rows=10, updates=1, logit_weight=0.0, separate_classes=False)


def online(
    config: LearnerConfig, *, sleep_every_samples: int = 0, weights: Weights = "fast"
) -> Callable[[int], Learner]:
    """Make our learner of a seed."""
    return lambda seed: Online(config, seed=seed, sleep_every_samples=sleep_every_samples, weights=weights)


def peers(capacity: int) -> dict[str, Callable[[int], Learner]]:
    """Others with the same net and room for `capacity` examples."""
    kept = {
        "naive": replace(PLAIN, capacity=0),
        "ER": PLAIN,
        "DER++": replace(PLAIN, logit_weight=0.5),
        "ER-ACE": replace(PLAIN, separate_classes=True),
        "ER, 5 updates": replace(PLAIN, updates=5, rows=20),
    }
    made = {
        name: online(replace(OURS, memory=memory if name == "naive" else replace(memory, capacity=capacity)))
        for name, memory in kept.items()
    }
    keeper = replace(OURS, memory=replace(PLAIN, capacity=capacity))
    return {**made, "GDumb": lambda seed: Retrained(keeper, seed=seed, steps=RETRAIN_STEPS)}


def matched(
    config: LearnerConfig, own: Sequence[Score], *, leave_out: tuple[str, ...] = ()
) -> dict[str, Callable[[int], Learner]]:
    """The peers with at least as many updates as ours made, sleep included, and as many replayed rows in each."""
    updates = math.ceil(mean_of(own, "updates_per_sample") * BATCH_SIZE)
    memory = replace(PLAIN, capacity=config.memory.capacity, rows=config.memory.rows, updates=updates)
    kept = {
        "naive": replace(memory, capacity=0),
        "ER": memory,
        "DER++": replace(memory, logit_weight=0.5),
        "ER-ACE": replace(memory, separate_classes=True),
    }
    steps = max(RETRAIN_STEPS, math.ceil(updates * NUM_TRAIN / BATCH_SIZE))
    keeper = replace(config, memory=replace(PLAIN, capacity=config.memory.capacity))
    made = {name: online(replace(config, memory=of)) for name, of in kept.items() if name not in leave_out}
    return {
        **{f"{name}, {updates} updates": make for name, make in made.items()},
        f"GDumb, {steps:,} updates": lambda seed: Retrained(keeper, seed=seed, steps=steps),
    }


def judge_matched(
    name: str, what: str, config: LearnerConfig, own: Sequence[Score], tasks: Tasks, *, long: bool,
    leave_out: tuple[str, ...] = (),
) -> Result:  # fmt: skip
    """Accuracy of ours, already scored, beside peers with as many updates on the same seeds."""
    seeds = range(len(own))
    makers = matched(config, own, leave_out=leave_out)
    scores = compare(makers, tasks, seeds=seeds)
    return judged(
        name,
        measures=f"{what}; peers with our number of updates and our activation",
        ours=mean_of(own, "accuracy"),
        unit="%",
        at_least=1.0,
        of="ratio",
        peers={peer: mean_of(of, "accuracy") for peer, of in scores.items()},
        long=long,
        details={"seeds": len(seeds), "all": summary(scores)},
        spread=spread_of(own, scores),
    )


def run(*, long: bool) -> list[Result]:
    """5 seeds, 20 with `--long`."""
    torch.set_num_threads(1)
    seeds = range(20 if long else 5)
    results = []
    for name, config, room in (("kept_200", OURS, 200), ("kept_all", OURS_ALL, NUM_TRAIN)):
        ours = online(config, sleep_every_samples=SLEEP_EVERY_SAMPLES)
        scores = compare({"ours": ours, **peers(room)}, split_tasks, seeds=seeds)
        details = {"seeds": len(seeds), "kept": room, "all": summary(scores)}
        own = scores["ours"]
        others = {peer: of for peer, of in scores.items() if peer != "ours"}
        what = f"accuracy after five tasks of two digits, online, {room} examples kept"
        results.append(
            judged(
                f"split_digits.{name}",
                measures=what,
                ours=mean_of(own, "accuracy"),
                unit="%",
                at_least=ACCURACY_MIN if room == 200 else ACCURACY_ALL_MIN,
                peers={peer: mean_of(of, "accuracy") for peer, of in others.items()},
                long=long,
                details=details,
                spread=spread_of(own, others),
            )
        )
        results.append(
            judge_matched(f"split_digits.{name}_matched", what, config, own, split_tasks, long=long)
        )
        if room == 200:
            results.append(
                judged(
                    f"split_digits.{name}_forgetting",
                    measures="fall of the first four tasks from their best",
                    ours=mean_of(own, "forgetting"),
                    unit="points",
                    at_most=FORGETTING_MAX,
                    peers={peer: mean_of(of, "forgetting") for peer, of in others.items()},
                    long=long,
                    details={"before the last sleep": mean_of(own, "forgetting_before")},
                    spread=spread_of(own, others, "forgetting"),
                )
            )
    return results
