"""Ten tasks of all ten digits, each turned by an angle, or with its pixels in an order, of its own.

Net 64-256-10, batches of 10, one pass, 200 examples kept, tasks not known. Angles are uniform over the whole
circle (a 6 may look as a 9). Ours answers by the plastic average of its weights. In one more row the peers make as
many updates as ours. Accuracy and forgetting as in `benchmarks.continual`; settings were chosen on seeds from 1000
on. Avalanche 0.6.0's best in earlier measurements: 77.7 rotated, 79.2 permuted.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from benchmarks.continual import compare, mean_of, permuted_tasks, rotated_tasks, spread_of, summary
from benchmarks.result import Result, judged
from benchmarks.split_digits import OURS as SPLIT
from benchmarks.split_digits import judge_matched, online, peers
from brain.models.classifier.config import AverageConfig, MemoryConfig

ACCURACY_MIN, FORGETTING_MAX = 86.0, 5.0
SLEEP_EVERY_SAMPLES = 300
OURS = replace(
    SPLIT,
    memory=MemoryConfig(capacity=200, rows=20, updates=5, logit_weight=2.0, separate_classes=False),
    # Horizons of 100 and 1,000 batches at five updates each.
    averages=AverageConfig(plastic=0.998, stable=0.9998),
)


def run(*, long: bool) -> list[Result]:
    """5 seeds, 20 with `--long`."""
    torch.set_num_threads(1)
    seeds = range(20 if long else 5)
    results = []
    for name, tasks in (("rotated", rotated_tasks), ("permuted", permuted_tasks)):
        ours = online(OURS, sleep_every_samples=SLEEP_EVERY_SAMPLES, weights="plastic")
        chosen = {peer: make for peer, make in peers(200).items() if peer != "ER-ACE"}
        scores = compare({"ours": ours, **chosen}, tasks, seeds=seeds)
        own = scores.pop("ours")
        what = f"accuracy after ten {name} tasks, online, 200 examples kept"
        results += [
            judged(
                f"rotated_digits.{name}",
                measures=what,
                ours=mean_of(own, "accuracy"),
                unit="%",
                at_least=ACCURACY_MIN,
                peers={peer: mean_of(of, "accuracy") for peer, of in scores.items()},
                long=long,
                details={"seeds": len(seeds), "all": summary({"ours": own, **scores})},
                spread=spread_of(own, scores),
            ),
            judge_matched(
                f"rotated_digits.{name}_matched", what, OURS, own, tasks, long=long, leave_out=("ER-ACE",)
            ),
            judged(
                f"rotated_digits.{name}_forgetting",
                measures="fall of the first nine tasks from their best",
                ours=mean_of(own, "forgetting"),
                unit="points",
                at_most=FORGETTING_MAX,
                peers={peer: mean_of(of, "forgetting") for peer, of in scores.items()},
                long=long,
                details={"before the last sleep": mean_of(own, "forgetting_before")},
                spread=spread_of(own, scores, "forgetting"),
            ),
        ]
    return results
