"""The classifier as a brain: an online learner of hashed texts.

Shapes: n documents, F buckets, O labels there is room for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from brain.labelled.examples import Examples, Taught
from brain.labelled.labelled_brain import LabelledBrain
from brain.models.classifier.config import ClassifierConfig, learner_config
from brain.models.classifier.features import features
from brain.models.classifier.online_learner import Examples as Vectors
from brain.models.classifier.online_learner import OnlineLearner
from brain.ports import CARRIED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from brain.models.classifier.learn_reports import LearnReport

KIND = "classifier"


class TextClassifier(LabelledBrain[ClassifierConfig]):
    """Predicts the label of a text and learns from the true one: a `LabelledBrain` around an `OnlineLearner`."""

    kind = KIND
    settings = ClassifierConfig

    def _begin(self, seed: int) -> None:
        self.learner = OnlineLearner(
            learner_config(self.config, self.optimizer), seed=seed, device=self.device
        )

    def _teach(self, live: Examples, replayed: Examples, *, rate: float, num_labels: int) -> Taught:  # noqa: ARG002
        new, old = self._vectors(live), self._vectors(replayed)
        if not rate:
            return self._read(torch.cat([new.examples, old.examples]))
        every = self.optimizer.averaging.consistency_every_steps
        averages = self.has_slow_weights and self.learner.num_updates > 0 and every > 0
        self.learner.mlp.rate.fill_(rate)
        report = self.learner.learn(
            new.examples,
            new.targets,
            replayed=old,
            consistent=averages and self.counters["step"] % every == 0,
        )
        return _taught(report)

    def _teach_asleep(self, replayed: Examples, *, rate: float) -> Taught:
        rows = self._vectors(replayed)
        self.learner.mlp.rate.fill_(rate)
        return _taught(self.learner.dream(rows, asleep=True)) if rate else self._read(rows.examples)

    def _read(self, examples: Tensor) -> Taught:
        """What learning would have seen, without any."""
        outputs = self.learner.outputs(examples)
        return Taught(outputs=outputs, grad_norm=0.0, applied=bool(outputs.isfinite().all()))

    def _outputs(self, texts: Sequence[bytes]) -> Tensor:
        return self.learner.outputs(self._features(texts), weights=self._weights)

    def _features(self, texts: Sequence[bytes]) -> Tensor:
        return torch.from_numpy(features(texts, self.config.num_buckets)).to(self.device)

    def _vectors(self, examples: Examples) -> Vectors:
        return Vectors(self._features(examples.texts), examples.targets)

    def num_parameters(self) -> int:
        """Weights of the network."""
        return self.learner.mlp.flat.numel()

    def num_neurons(self) -> int:
        """Hidden units."""
        return self.config.hidden_size

    # What survives a restart.

    def _learner_state(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor], dict[str, Any]]:
        inner = self.learner.state()
        counters = {"learner": {name: inner.counters[name] for name in _LEARNER_COUNTERS}}
        return inner.model, inner.learning, counters

    def _take_learner_state(self, counters: Mapping[str, Any], learning: Mapping[str, Tensor]) -> None:
        own = {name: tensor for name, tensor in learning.items() if not name.startswith(CARRIED)}
        self.learner.take_counters(counters["learner"], own)
        self.learner.seen.zero_()
        self.learner.seen[: len(self.labels)] = True


_LEARNER_COUNTERS = ("num_samples", "num_updates", "num_steps")


def _taught(report: LearnReport) -> Taught:
    return Taught(outputs=report.outputs, grad_norm=report.grad_norm, applied=report.applied)
