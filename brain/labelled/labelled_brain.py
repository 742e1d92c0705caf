"""The brain around a learner of labelled texts: rows of bytes in, documents to the learner, labels out.

Shapes: B rows of a batch, T bytes of a row, n documents, O outputs, one for each label there is room for.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor

from brain.errors import SpecMismatchError
from brain.labelled.documents import SEPARATOR, Carry, Document, labelled
from brain.labelled.examples import Examples, Step, Taught, nats_of, per_byte
from brain.online.adopting import adopted
from brain.ports import Batch, BrainState, StepReport
from brain.tensors import copy_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from brain.memory.selection import Selection
    from brain.optim.config import OptimizerConfig

MOST_NAMED = 20  # labels beyond the room for them
ACCURACY_HORIZON = 1000  # examples that the running accuracy looks back on
Which = Literal["fast", "stable"]


class LabelledConfig(Protocol):
    """What the settings of every brain that learns labels hold."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def max_labels(self) -> int:
        """How many labels there is room for."""

    @property
    def max_document_bytes(self) -> int:
        """Of a longer record the first and the last bytes are read."""


Config = TypeVar("Config", bound=LabelledConfig)


class LabelledBrain(ABC, Generic[Config]):
    """Predicts the label of a text and learns from the true one: `Brain` and `Sleeper`, all but the learner.

    A document is `text + 0x1F + label`; without a label it teaches nothing. Losses are those of the label given
    the text, in nats per byte of the whole document, of the documents that ended in a row; nan where none did.

    Args:
        config: settings of this kind of brain.
        optimizer: how it learns.
        lanes: how many streams it reads.
        device: where its tensors live.
        seed: of first weights.
    """

    kind: ClassVar[str]
    settings: ClassVar[type[Any]]

    def __init__(
        self,
        config: Config,
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> None:
        self.config, self.optimizer, self.device = config, optimizer, device
        self.max_labels = config.max_labels
        self.carry = Carry(lanes, config.max_document_bytes)
        self.labels: list[str] = []
        self.labels_beyond: list[str] = []
        self.counters: dict[str, Any] = {
            "step": 0,
            "skipped": 0,
            "rate_scale": 1.0,
            "examples": 0,
            "unlabelled": 0,
            "beyond_labels": 0,
            "accuracy": 0.0,
        }
        self._weights: Which = "fast"
        self._begin(seed)

    @classmethod
    def build(
        cls,
        config: Config,
        *,
        optimizer: OptimizerConfig,
        lanes: int,
        device: torch.device,
        seed: int,
    ) -> Self:
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
    ) -> Self:
        """One of a stored spec, its tensors still to be loaded."""
        try:
            config = cls.settings(**spec["config"])
        except (KeyError, TypeError, ValueError) as error:
            raise SpecMismatchError(
                f"the stored architecture of a {cls.kind} brain cannot be read: {error}"
            ) from error
        return cls(config, optimizer=optimizer, lanes=lanes, device=device, seed=seed)

    # What a learner does.

    @abstractmethod
    def _begin(self, seed: int) -> None:
        """Make the learner that the settings ask for."""

    @abstractmethod
    def _teach(self, live: Examples, replayed: Examples, *, rate: float, num_labels: int) -> Taught:
        """Learn examples of `num_labels` labels; at a rate of 0 only look at them."""

    @abstractmethod
    def _teach_asleep(self, replayed: Examples, *, rate: float) -> Taught:
        """Learn remembered examples alone, held to what the stable average knows; at a rate of 0 only look."""

    @abstractmethod
    def _outputs(self, texts: Sequence[bytes]) -> Tensor:
        """Logits (n, O) by the weights in use; changes nothing."""

    # Learning.

    def learn(self, batch: Batch) -> StepReport:
        """Score the documents that end in the batch, then learn from them; see `StepReport.applied`."""
        reading, rate = self.carry.read(batch), self._rate()
        labels = self._labels_with(reading.documents) if rate else self.labels
        has_output = set(labels)
        known = [one for one in reading.documents if one.label in has_output]
        step = Step(
            live=[one for one in known if one.live],
            replayed=[one for one in known if not one.live],
            labels=labels,
            rate=rate,
        )
        if known:
            live, replayed = (self._examples(some, labels) for some in (step.live, step.replayed))
            step = replace(step, taught=self._teach(live, replayed, rate=rate, num_labels=len(labels)))
        if step.applied:
            self.carry.keep(reading)
            self._count(reading.documents, step)
        self.counters["step" if step.applied else "skipped"] += 1
        return self._report(batch, step)

    def dream(self, batch: Batch, *, rate_factor: float) -> StepReport:
        """One step of sleep: replayed documents with a known label, held to the stable average."""
        replayed = [one for one in self.carry.read(batch).documents if one.label in self.labels]
        step = Step(live=[], replayed=replayed, labels=self.labels, rate=self._rate() * rate_factor)
        if replayed:
            examples = self._examples(replayed, self.labels)
            step = replace(step, taught=self._teach_asleep(examples, rate=step.rate))
        self.counters["step" if step.applied else "skipped"] += 1
        return self._report(batch, step)

    def _rate(self) -> float:
        """Linear warm-up to a constant rate that never ends."""
        warmth = min(1.0, (self.counters["step"] + 1) / max(self.optimizer.warmup_steps, 1))
        return float(self.optimizer.learning_rate * warmth * self.counters["rate_scale"])

    def _labels_with(self, documents: Sequence[Document]) -> list[str]:
        """The labels known, and behind them those that live documents bring, as far as there is room."""
        labels, known = list(self.labels), set(self.labels)
        for one in documents:
            if one.live and one.label is not None and one.label not in known:
                if len(labels) < self.max_labels:
                    labels.append(one.label)
                    known.add(one.label)
                elif one.label not in self.labels_beyond and len(self.labels_beyond) < MOST_NAMED:
                    self.labels_beyond.append(one.label)
        return labels

    def _count(self, documents: Sequence[Document], step: Step) -> None:
        """What a step that was applied leaves behind, beside weights."""
        counters, new = self.counters, [one for one in documents if one.live]
        unlabelled = sum(one.label is None for one in new)
        counters["unlabelled"] += unlabelled
        counters["beyond_labels"] += len(new) - unlabelled - len(step.live)
        if step.live and step.taught is not None:
            best = self._best(step.taught.outputs[: len(step.live)], self.labels)
            for correct in (best == self._targets(step.live, step.labels)).tolist():
                counters["examples"] += 1
                share = 1.0 / min(counters["examples"], ACCURACY_HORIZON)
                counters["accuracy"] += (float(correct) - counters["accuracy"]) * share
        self.labels = step.labels

    def _report(self, batch: Batch, step: Step) -> StepReport:
        known, num_live = [*step.live, *step.replayed], len(step.live)
        nats = torch.zeros(0, dtype=torch.float64)
        evidence: dict[str, Tensor] = {}
        if step.taught is not None:
            targets = self._targets(known, step.labels)
            nats = nats_of(step.taught.outputs, targets)
            chances = self._chances(step.taught.outputs[:num_live], len(step.labels))
            chance, best = chances.max(dim=1)
            evidence = {"confidence": chance, "correct": best == targets[:num_live]}
        row_nats, row_bytes = torch.zeros(2, len(batch.lane), dtype=torch.float64)
        rows = torch.tensor([one.row for one in known], dtype=torch.int64)
        row_nats.index_add_(0, rows, nats)
        row_bytes.index_add_(0, rows, torch.tensor([one.num_bytes for one in known], dtype=torch.float64))
        is_live = batch.lane.cpu() >= 0
        return StepReport(
            loss=per_byte(nats[:num_live], step.live),
            replay_loss=None if bool(is_live.all()) else per_byte(nats[num_live:], step.replayed),
            num_bytes=sum(one.num_bytes for one in step.live),
            row_loss=(row_nats / row_bytes.where(row_bytes > 0, torch.nan)).float(),
            grad_norm=0.0 if step.taught is None else step.taught.grad_norm,
            learning_rate=step.rate,
            applied=step.applied,
            metrics={
                "accuracy": self.counters["accuracy"] if self.counters["examples"] else math.nan,
                "examples": float(self.counters["examples"]),
                "labels": float(len(self.labels)),
                "unlabelled": float(self.counters["unlabelled"]),
                "beyond_labels": float(self.counters["beyond_labels"]),
            },
            evidence=evidence,
        )

    @property
    def has_slow_weights(self) -> bool:
        """False when averaging is switched off."""
        return self.optimizer.averaging.every_steps > 0

    @contextmanager
    def stable_weights(self) -> Iterator[None]:
        """Score and generate with the stable average meanwhile; learning must wait."""
        self._weights = "stable"
        try:
            yield
        finally:
            self._weights = "fast"

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the rate from the next step on; 0 stops learning permanently, renewal of units too."""
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(f"a learning rate is scaled by a finite factor of at least 0, not {factor}")
        self.counters["rate_scale"] *= factor

    # Reading without learning.

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        """Nats of each row's label given its text (B,), float64 on the CPU; nan for a row without a label.

        A label that is not known yet costs what the next new one would.
        """
        nats = torch.full((len(rows),), torch.nan, dtype=torch.float64)
        if examples := labelled(rows, mask):
            outputs = self._outputs([one.text for one in examples])
            nats[[one.row for one in examples]] = nats_of(outputs, self._targets(examples, self.labels))
        return nats

    def correct(self, rows: Tensor, mask: Tensor) -> Tensor:
        """1 for each row whose label is the most probable one (B,), float64 on the CPU; nan for a row without a label.

        A label that is not known yet is never predicted.
        """
        right = torch.full((len(rows),), torch.nan, dtype=torch.float64)
        if examples := labelled(rows, mask):
            best = self._best(self._outputs([one.text for one in examples]), self.labels).tolist()
            for one, index in zip(examples, best, strict=True):
                right[one.row] = float(index >= 0 and self.labels[index] == one.label)
        return right

    def generate(
        self,
        prompt: bytes,
        *,
        max_bytes: int,
        temperature: float,
        top_p: float,
        generator: torch.Generator,
        top_k: int = 0,
    ) -> Iterator[bytes]:
        """The most probable label of `prompt`, whole, whatever temperature and `max_bytes`: an answer, no sample.

        What stands behind a separator is no part of the text. Before any label is known nothing comes.
        """
        if temperature < 0 or not 0 < top_p <= 1 or max_bytes < 0 or top_k < 0:
            raise ValueError("generate needs temperature, top_k and max_bytes >= 0, and 0 < top_p <= 1")
        del generator
        answer = self.answer(prompt)[0].encode() if self.labels and max_bytes else b""
        return iter([answer] if answer else [])

    def confidence(self, prompt: bytes) -> float | None:
        """Probability of the label that `generate` answers; None before any label is known."""
        return self.answer(prompt)[1] if self.labels else None

    def answer(self, prompt: bytes) -> tuple[str, float]:
        """The most probable label known, and how probable it is among those known; some label must be."""
        outputs = self._outputs([prompt.partition(SEPARATOR)[0]])
        chance, best = self._chances(outputs, len(self.labels))[0].max(dim=0)
        return self.labels[int(best)], float(chance)

    def _chances(self, outputs: Tensor, num_labels: int) -> Tensor:
        """Probabilities (n, L) of the first `num_labels` labels; those to come have no say in it."""
        return outputs[:, :num_labels].softmax(1)

    def _best(self, outputs: Tensor, labels: Sequence[str]) -> Tensor:
        """The most probable of these labels for each of n rows of outputs, (n,); -1 where there is none."""
        if not labels:
            return torch.full((len(outputs),), -1, device=outputs.device)
        return outputs[:, : len(labels)].argmax(dim=1)

    def _examples(self, documents: Sequence[Document], labels: Sequence[str]) -> Examples:
        return Examples([one.text for one in documents], self._targets(documents, labels))

    def _targets(self, documents: Sequence[Document], labels: Sequence[str]) -> Tensor:
        """Outputs of the documents' labels, (n,); the next free one, or the last, for one that is not known."""
        index = {label: number for number, label in enumerate(labels)}
        free = min(len(labels), self.max_labels - 1)
        targets = [free if one.label is None else index.get(one.label, free) for one in documents]
        return torch.tensor(targets, dtype=torch.int64, device=self.device)

    # What survives a restart.

    def state(self) -> BrainState:
        """References to weights, moments and carried state, and the labels in the order of their outputs."""
        model, learning, counters = self._learner_state()
        return BrainState(
            model=model,
            learning={**learning, **self.carry.tensors()},
            counters={**self.counters, "labels": list(self.labels), **counters},
            spec={"kind": self.kind, "config": asdict(self.config)},
        )

    @abstractmethod
    def _learner_state(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor], dict[str, Any]]:
        """The learner's weights, what else it learns with, and what of it is no tensor."""

    @abstractmethod
    def _take_learner_state(self, counters: Mapping[str, Any], learning: Mapping[str, Tensor]) -> None:
        """Take over what of a learner's state is no tensor; weights, moments and labels are there already."""

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
            raise SpecMismatchError(
                f"the stored {self.kind} has other settings; build it with the stored ones"
            )
        copy_named([("model", state.model, own.model), ("learning", state.learning, own.learning)])
        self.labels = [str(label) for label in state.counters["labels"]]
        self.counters = {name: state.counters[name] for name in self.counters}
        self._take_learner_state(state.counters, state.learning)

    def forget(self, selection: Selection, *, dry_run: bool = False) -> None:  # noqa: ARG002 - all goes
        """Forget on purpose what each lane carries; weights and labels stay."""
        if not dry_run:
            self.carry.clear()
