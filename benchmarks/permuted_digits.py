"""Online permuted digits: all 1,797 in one pass, then again with their pixels in another order, 400 times.

Source: the online permuted MNIST of Dohare et al. 2024, on the digits brought along. Net 64-100-100-10, one
example at a time, one update each, no replay. Accuracy is prequential: each example is guessed before it is
learned. Plain backpropagation learns each order worse than the one before; the last tenth of the tasks is
judged. In one more row the peers have our activation, at the rates chosen for them with ReLU: it decides nothing.
Settings were chosen on seeds from 1000 on.
"""

from __future__ import annotations

import statistics
from dataclasses import replace

import torch

from benchmarks.data.digits import load
from benchmarks.result import Result, Spread, count_of, judged
from brain.models.classifier.config import MLPConfig
from brain.models.classifier.online_mlp import OnlineMLP
from brain.plasticity.config import PlasticityConfig

SIZES = (64, 100, 100, 10)
ACCURACY_MIN = 86.5
NO_RECYCLING = PlasticityConfig(replacement_rate=0.0)

PLAIN = MLPConfig(sizes=SIZES, learning_rate=1e-3, plasticity=NO_RECYCLING)
OURS = MLPConfig(
    sizes=SIZES,
    activation="tanh",
    learning_rate=1e-3,
    plasticity=PlasticityConfig(replacement_rate=1e-5, maturity_steps=1000, l2_init=0.3),
)
LEARNERS = {
    "ours": OURS,
    "backpropagation, Adam": PLAIN,
    "backpropagation, descent": replace(PLAIN, optimizer="sgd", learning_rate=0.01),
    "continual backprop, descent": replace(
        PLAIN, optimizer="sgd", learning_rate=0.01, plasticity=PlasticityConfig(replacement_rate=1e-5)
    ),
}
MATCHED = {
    f"{name}, tanh": replace(LEARNERS[name], activation="tanh")
    for name in ("backpropagation, Adam", "continual backprop, descent")
}


@torch.inference_mode()
def follow(config: MLPConfig, *, tasks: int, seed: int) -> list[float]:
    """Percent guessed right in each task."""
    digits, draw, net = load(), torch.Generator().manual_seed(seed), OnlineMLP(config, seed=seed)
    accuracy = []
    for _ in range(tasks):
        task = digits.shuffled(draw).permuted(torch.randperm(SIZES[0], generator=draw))
        images, labels, right = task.images * 2.0 - 0.5, task.labels.tolist(), 0
        for index, label in enumerate(labels):
            trace = net.forward(images[None, index : index + 1])
            delta = trace.outputs.softmax(2)
            right += int(delta.argmax()) == label
            delta[0, 0, label] -= 1.0
            net.backward(trace, delta)
            net.update(trace)
        accuracy.append(100.0 * right / len(labels))
    return accuracy


def run(*, long: bool) -> list[Result]:
    """400 tasks, one seed; 10 seeds with `--long`."""
    torch.set_num_threads(1)
    tasks, seeds = 400, range(10 if long else 1)
    found = {
        name: [follow(config, tasks=tasks, seed=seed) for seed in seeds]
        for name, config in {**LEARNERS, **MATCHED}.items()
    }
    ends = {name: [statistics.mean(one[-tasks // 10 :]) for one in of] for name, of in found.items()}
    begins = {name: [statistics.mean(one[: tasks // 10]) for one in of] for name, of in found.items()}
    means = {name: statistics.mean(end) for name, end in ends.items()}
    what = f"prequential accuracy in the last tenth of {tasks} orders of pixels, {count_of(seeds)}"
    spread = Spread.over("seeds", ends["ours"], {name: of for name, of in ends.items() if name != "ours"})
    return [
        judged(
            "permuted_digits",
            measures=what,
            ours=means["ours"],
            unit="%",
            at_least=ACCURACY_MIN,
            peers={name: means[name] for name in LEARNERS if name != "ours"},
            long=long,
            details={
                "tasks": tasks,
                "last tenth, by seed": ends,
                "first tenth, by seed": begins,
                "curves": {name: curve(of) for name, of in found.items()},
            },
            spread=spread,
        ),
        judged(
            "permuted_digits.matched",
            measures=f"{what}; peers with our activation, at their rates for ReLU",
            ours=means["ours"],
            unit="%",
            at_least=1.0,
            of="ratio",
            peers={name: means[name] for name in MATCHED},
            long=long,
            spread=spread,
        ),
    ]


def curve(accuracies: list[list[float]], parts: int = 40) -> list[float]:
    """Mean over seeds of each fortieth of the tasks."""
    means = [statistics.mean(of_task) for of_task in zip(*accuracies, strict=True)]
    size = len(means) // parts
    return [statistics.mean(means[first : first + size]) for first in range(0, len(means), size)]
