"""The classifier as a brain: an online learner of hashed texts.

Shapes: n documents, F buckets, O labels there is room for.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch

from brain.errors import SpecMismatchError
from brain.labelled.labelled_brain import Examples, LabelledBrain, Taught
from brain.models.classifier.config import ClassifierConfig, learner_config
from brain.models.classifier.features import features
from brain.models.classifier.online_learner import Examples as Vectors
from brain.models.classifier.online_learner import OnlineLearner
from brain.online.adopting import adopted
from brain.ports import CARRIED, BrainState
from brain.tensors import copy_named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from brain.models.classifier.learn_reports import LearnReport
    from brain.optim.config import OptimizerConfig

KIND = "classifier"


class TextClassifier(LabelledBrain):
    """Predicts the label of a text and learns from the true one: a `LabelledBrain` around an `OnlineLearner`."""

    def __init__(
        self,
        config: ClassifierConfig,
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> None:
        super().__init__(
            max_labels=config.max_labels,
            max_document_bytes=config.max_document_bytes,
            optimizer=optimizer,
            lanes=lanes,
            device=device,
        )
        self.config = config
        self.learner = OnlineLearner(learner_config(config, optimizer), seed=seed, device=device)

    @classmethod
    def build(
        cls,
        config: ClassifierConfig,
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> TextClassifier:
        """A new one that knows no label yet."""
        return cls(config, optimizer=optimizer, lanes=lanes, device=device, seed=seed)

    @classmethod
    def from_spec(
        cls,
        spec: Mapping[str, Any],
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> TextClassifier:
        """One of a stored spec, its tensors still to be loaded."""
        try:
            config = ClassifierConfig(**spec["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise SpecMismatchError(
                f"the stored architecture of a {KIND} brain cannot be read: {error}"
            ) from error
        return cls(config, optimizer=optimizer, lanes=lanes, device=device, seed=seed)

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

    def state(self) -> BrainState:
        """References to weights, moments and carried state, and the labels in the order of their outputs."""
        inner = self.learner.state()
        return BrainState(
            model=inner.model,
            learning={**inner.learning, **self.carry.tensors()},
            counters={
                **self.counters,
                "labels": list(self.labels),
                "learner": {name: inner.counters[name] for name in _LEARNER_COUNTERS},
            },
            spec={"kind": KIND, "config": asdict(self.config)},
        )

    def adopt(self, stored: BrainState) -> tuple[BrainState, tuple[str, ...]]:
        """A stored state of this config made to fit: what it lacks of learning starts over, and is named."""
        own = self.state()
        fitting, notices = adopted(stored, own)
        counters = {name: stored.counters.get(name, value) for name, value in own.counters.items()}
        return replace(fitting, counters=counters), notices

    def load(self, state: BrainState) -> None:
        """Take over a state of this config.

        Raises:
            SpecMismatchError: naming what does not fit; then nothing was changed.
        """
        own = self.state()
        if dict(state.spec) != own.spec:
            raise SpecMismatchError("the stored classifier has other settings; build it with the stored ones")
        copy_named([("model", state.model, own.model), ("learning", state.learning, own.learning)])
        counters = dict(state.counters)
        self.labels = [str(label) for label in counters.pop("labels")]
        inner = counters.pop("learner")
        known = {name for name in state.learning if not name.startswith(CARRIED)}
        self.learner.take_counters(inner, {name: state.learning[name] for name in known})
        self.learner.seen.zero_()
        self.learner.seen[: len(self.labels)] = True
        self.counters = {name: counters[name] for name in self.counters}


_LEARNER_COUNTERS = ("num_samples", "num_updates", "num_steps")


def _taught(report: LearnReport) -> Taught:
    return Taught(outputs=report.outputs, grad_norm=report.grad_norm, applied=report.applied)
