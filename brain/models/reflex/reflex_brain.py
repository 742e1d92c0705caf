"""The reflex as a brain: intents of texts, with a calibrated confidence.

Shapes: n texts, L labels known, O labels there is room for.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from brain.labelled.examples import Examples, Taught
from brain.labelled.labelled_brain import LabelledBrain
from brain.models.reflex.config import ReflexConfig
from brain.models.reflex.reflex_learner import ReflexLearner, with_other
from brain.models.reflex.temperature import Temperature, is_withheld

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from brain.models.reflex.reflex_learner import Texts

KIND = "reflex"


class Reflex(LabelledBrain[ReflexConfig]):
    """Predicts the intent of a text and learns from the true one: a `LabelledBrain` around a `ReflexLearner`.

    Labels yet to come count together as one with the logit 0, from which a new one begins. Logits are divided by a
    temperature that follows texts which are never learned; the fast weights and their stable average have one each.
    """

    kind = KIND
    settings = ReflexConfig

    def _begin(self, seed: int) -> None:
        self.learner = ReflexLearner(self.config, optimizer=self.optimizer, seed=seed, device=self.device)
        self.temperatures = {"fast": Temperature(), "stable": Temperature()}

    # Learning.

    @torch.no_grad()
    def _teach(self, live: Examples, replayed: Examples, *, rate: float, num_labels: int) -> Taught:
        learner, known = self.learner, len(self.labels)
        texts, targets = live.texts + replayed.texts, torch.cat([live.targets, replayed.targets])
        bag, read = learner.texts(texts)
        logits = learner.logits(read, known)
        outputs = self._filled(logits, "fast")
        withheld = self._withheld(texts)
        gradient = None
        if rate and not bool(withheld.all()):
            gradient = learner.gradient(
                learner.read(bag, drop=True).of(~withheld), self._target(targets[~withheld], num_labels)
            )
        norm = 0.0 if gradient is None else gradient.norm
        if not (math.isfinite(norm) and bool(logits.isfinite().all())):
            return Taught(outputs=outputs, grad_norm=norm, applied=False)
        if rate:
            live_ones = (
                withheld
                & (targets < known)
                & (torch.arange(len(texts), device=self.device) < len(live.texts))
            )
            self._calibrate(read.of(live_ones), logits[live_ones], targets[live_ones])
            learner.count(bag, len(live.texts))
        if gradient is not None:
            learner.update(gradient, rate=rate)
        return Taught(outputs=outputs, grad_norm=norm, applied=True)

    @torch.no_grad()
    def _teach_asleep(self, replayed: Examples, *, rate: float) -> Taught:
        learner, known = self.learner, len(self.labels)
        bag, read = learner.texts(replayed.texts)
        logits = learner.logits(read, known)
        outputs, learned = self._filled(logits, "fast"), ~self._withheld(replayed.texts)
        gradient = None
        if rate and bool(learned.any()):
            weight = self.optimizer.averaging.distillation_weight
            teacher = learner.logits(read.of(learned), known, weights="stable").softmax(1)
            target = (self._target(replayed.targets[learned], known) + weight * teacher) / (1.0 + weight)
            gradient = learner.gradient(learner.read(bag, drop=True).of(learned), target)
        norm = 0.0 if gradient is None else gradient.norm
        if not (math.isfinite(norm) and bool(logits.isfinite().all())):
            return Taught(outputs=outputs, grad_norm=norm, applied=False)
        if gradient is not None:
            learner.update(gradient, rate=rate, asleep=True)
        return Taught(outputs=outputs, grad_norm=norm, applied=True)

    def _withheld(self, texts: Sequence[bytes]) -> Tensor:
        """Which of the texts are for calibration, (n,) bool."""
        share = self.config.calibration_share
        return torch.tensor(
            [is_withheld(text, share) for text in texts], dtype=torch.bool, device=self.device
        )

    def _target(self, targets: Tensor, num_labels: int) -> Tensor:
        """A distribution over the labels (n, L) for each text."""
        smoothing = self.config.label_smoothing
        target = torch.full((len(targets), num_labels), smoothing / num_labels, device=self.device)
        return target.scatter_add_(1, targets[:, None], torch.full_like(target, 1.0 - smoothing))

    def _calibrate(self, read: Texts, logits: Tensor, targets: Tensor) -> None:
        """Let either temperature follow texts that are not learned."""
        if not len(targets):
            return
        self.temperatures["fast"].follow(with_other(logits), targets)
        if self.learner.stable:
            stable = self.learner.logits(read, len(self.labels), weights="stable")
            self.temperatures["stable"].follow(with_other(stable), targets)

    # Reading without learning.

    def logits(self, texts: Sequence[bytes]) -> Tensor:
        """Calibrated logits (n, O) of texts by the weights in use; changes nothing."""
        return self._outputs(texts)

    @torch.no_grad()
    def _outputs(self, texts: Sequence[bytes]) -> Tensor:
        known, which = len(self.labels), self._weights if self.learner.stable else "fast"
        _, read = self.learner.texts(texts)
        return self._filled(self.learner.logits(read, known, weights=which), which)

    def _filled(self, logits: Tensor, which: str) -> Tensor:
        """Calibrated logits (n, O): what is left for labels yet to come is shared among them."""
        known, room = logits.shape[1], self.config.max_labels
        outputs = torch.full((len(logits), room), -math.log(max(room - known, 1)), device=self.device)
        outputs[:, :known] = logits / self.temperatures[which].value
        return outputs

    def _chances(self, outputs: Tensor, num_labels: int) -> Tensor:
        """Probabilities (n, L) of the first `num_labels` labels; all labels to come are one rival to them."""
        return outputs.softmax(1)[:, :num_labels]

    def num_parameters(self) -> int:
        """Weights of the network, and how often each feature was read."""
        return sum(tensor.numel() for tensor in self.learner.model_tensors().values())

    def num_neurons(self) -> int:
        """Hidden units."""
        return self.config.hidden_size

    # What survives a restart.

    def _learner_state(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor], dict[str, Any]]:
        counters = {
            "learner": self.learner.counters(),
            "temperatures": {name: asdict(one) for name, one in self.temperatures.items()},
        }
        return self.learner.model_tensors(), self.learner.learning_tensors(), counters

    def _take_learner_state(self, counters: Mapping[str, Any], learning: Mapping[str, Tensor]) -> None:  # noqa: ARG002
        self.learner.take_counters(counters["learner"])
        self.temperatures = {name: Temperature(**one) for name, one in counters["temperatures"].items()}
