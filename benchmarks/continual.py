"""What the continual-learning benchmarks share: streams of digits in tasks, learners, scores.

The learners do not know tasks: they see small batches, and sleep by the count of examples. Only the
scoring knows where a task ends: then every task so far is tested.

- accuracy: mean over all tasks' tests at the end of the stream;
- forgetting: mean over all tasks but the last of (best accuracy at any task's end − accuracy at the end).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from benchmarks.data.digits import NUM_CLASSES, Digits, load, split
from benchmarks.result import Spread
from brain.models.classifier.online_learner import OnlineLearner, Weights
from brain.models.classifier.online_mlp import OnlineMLP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from brain.models.classifier.config import LearnerConfig, MLPConfig


BATCH_SIZE = 10  # live examples


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is learned in one pass, and what it is tested on."""

    train: Digits
    test: Digits


Tasks = Callable[[int], list[Task]]
"""The tasks of a seed, in order."""


class Learner(Protocol):
    """What the scoring needs."""

    @property
    def num_updates(self) -> int:
        """Updates so far."""

    def see(self, images: Tensor, labels: Tensor) -> None:
        """Learn a small batch, once."""

    def settle(self) -> None:
        """The stream has ended; a last sleep, if this learner sleeps."""

    def classify(self, images: Tensor) -> Tensor:
        """Labels (n,) of images (n, 64)."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one learner on one seed, in percent; `before` the last sleep, and after it."""

    before: float
    accuracy: float
    forgetting: float
    forgetting_before: float
    updates_per_sample: float


class Online:
    """Our learner, asleep every `sleep_every_samples` examples and once more when the stream has ended; 0 for never.

    It answers by its fast weights, or by an average of them.
    """

    def __init__(
        self, config: LearnerConfig, *, seed: int, sleep_every_samples: int = 0, weights: Weights = "fast"
    ) -> None:
        self.learner = OnlineLearner(config, seed=seed)
        self._weights = weights
        self._every, self._awake = sleep_every_samples, 0

    @property
    def num_updates(self) -> int:
        """Updates so far, those of sleep included."""
        return self.learner.num_updates

    def see(self, images: Tensor, labels: Tensor) -> None:
        """Learn; sleep when it is time."""
        self.learner.learn(images, labels)
        self._awake += len(images)
        if self._every and self._awake >= self._every:
            self._awake = 0
            self.learner.sleep()

    def settle(self) -> None:
        """Sleep once more."""
        if self._every:
            self.learner.sleep()

    def classify(self, images: Tensor) -> Tensor:
        """By the weights chosen."""
        return self.learner.predict(images, weights=self._weights)


class Retrained:
    """A net retrained from scratch, whenever it is asked, on what is kept: `capacity` examples, balanced.

    GDumb (Prabhu et al. 2020); with room for everything it is joint training, the bound from above.
    """

    def __init__(self, config: LearnerConfig, *, seed: int, steps: int) -> None:
        self._keeper = OnlineLearner(config, seed=seed)
        self._config, self._seed, self._steps = config.mlp, seed, steps
        self.num_updates = 0

    def see(self, images: Tensor, labels: Tensor) -> None:
        """Keep, do not learn."""
        self._keeper.memory.add(images, labels, torch.zeros(len(images), NUM_CLASSES))
        self._net: OnlineMLP | None = None

    def settle(self) -> None:
        """Nothing to do."""

    def classify(self, images: Tensor) -> Tensor:
        """Retrain if something came, then ask."""
        if self._net is None:
            self._net = retrained(self._config, self._keeper, seed=self._seed, steps=self._steps)
            self.num_updates += self._steps
        return self._net.forward(images.unsqueeze(0)).outputs[0].argmax(1)


def retrained(config: MLPConfig, keeper: OnlineLearner, *, seed: int, steps: int) -> OnlineMLP:
    """A fresh net, trained on batches of 32 from the keeper's memory."""
    net = OnlineMLP(config, seed=seed)
    for _ in range(steps):
        slots = keeper.memory.sample_balanced(32)
        trace = net.forward(keeper.memory.examples[slots].unsqueeze(0))
        delta = trace.outputs.softmax(2)
        delta[0, torch.arange(32), keeper.memory.targets[slots]] -= 1.0
        net.backward(trace, delta.div_(32))
        net.update(trace)
    return net


@torch.no_grad()
def score(
    make: Callable[[int], Learner], tasks: Sequence[Task], *, seed: int, batch_size: int = BATCH_SIZE
) -> Score:
    """One pass over the tasks in order."""
    learner, draw = make(seed), torch.Generator().manual_seed(seed)
    best = [0.0] * len(tasks)
    num_samples = 0

    def tested() -> list[float]:
        return [
            100.0 * float((learner.classify(task.test.images) == task.test.labels).float().mean())
            for task in tasks
        ]

    now = best
    for index, task in enumerate(tasks):
        train = task.train.shuffled(draw)
        num_samples += len(train)
        for begin in range(0, len(train), batch_size):
            live = slice(begin, begin + batch_size)
            learner.see(train.images[live], train.labels[live])
        now = tested()
        best = [max(pair) if at <= index else 0.0 for at, pair in enumerate(zip(best, now, strict=True))]
    before = now
    learner.settle()
    after = tested()
    return Score(
        before=statistics.mean(before),
        accuracy=statistics.mean(after),
        forgetting=_forgotten(best, after),
        forgetting_before=_forgotten(best, before),
        updates_per_sample=learner.num_updates / num_samples,
    )


def _forgotten(best: Sequence[float], now: Sequence[float]) -> float:
    """Mean fall over all tasks but the last; a task that got better has fallen by less than zero."""
    return statistics.mean(peak - last for peak, last in zip(best[:-1], now[:-1], strict=True))


def compare(
    makers: Mapping[str, Callable[[int], Learner]], tasks: Tasks, *, seeds: Sequence[int]
) -> dict[str, list[Score]]:
    """Each learner on each seed: the same tasks, the same order."""
    return {name: [score(make, tasks(seed), seed=seed) for seed in seeds] for name, make in makers.items()}


def mean_of(scores: Sequence[Score], part: str) -> float:
    """Mean of one part over seeds."""
    return statistics.mean(float(getattr(one, part)) for one in scores)


def summary(scores: Mapping[str, Sequence[Score]]) -> dict[str, dict[str, str]]:
    """Every part of every learner as `mean ± standard deviation` over seeds."""
    parts = ("before", "accuracy", "forgetting_before", "forgetting", "updates_per_sample")
    return {
        name: {
            part: f"{mean_of(of, part):.2f} ± {statistics.pstdev([getattr(one, part) for one in of]):.2f}"
            for part in parts
        }
        for name, of in scores.items()
    }


def spread_of(own: Sequence[Score], peers: Mapping[str, Sequence[Score]], part: str = "accuracy") -> Spread:
    """Over seeds."""
    others = {name: [float(getattr(one, part)) for one in of] for name, of in peers.items()}
    return Spread.over("seeds", [float(getattr(one, part)) for one in own], others)


def split_tasks(seed: int) -> list[Task]:
    """Five tasks of two classes each, in an order of the seed; 80 % to learn, 20 % to test, stratified."""
    draw = torch.Generator().manual_seed(seed)
    train, test = split(load(), draw)
    order = torch.randperm(NUM_CLASSES, generator=draw).tolist()
    pairs = [order[begin : begin + 2] for begin in range(0, NUM_CLASSES, 2)]
    return [Task(train=train.of_classes(pair), test=test.of_classes(pair)) for pair in pairs]


def permuted_tasks(seed: int, *, num_tasks: int = 10) -> list[Task]:
    """All ten classes in each task, its pixels in an order of its own."""
    draw = torch.Generator().manual_seed(seed)
    train, test = split(load(), draw)
    orders = [torch.randperm(train.images.shape[1], generator=draw) for _ in range(num_tasks)]
    return [Task(train=train.permuted(order), test=test.permuted(order)) for order in orders]


def rotated_tasks(seed: int, *, num_tasks: int = 10) -> list[Task]:
    """All ten classes in each task, turned by an angle of its own, uniform over −180° … 180°."""
    draw = torch.Generator().manual_seed(seed)
    train, test = split(load(), draw)
    angles = (torch.rand(num_tasks, generator=draw) * 360.0 - 180.0).tolist()
    return [Task(train=train.rotated(angle), test=test.rotated(angle)) for angle in angles]
