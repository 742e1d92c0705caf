"""Settings of the classifier and of the online learner in it; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from brain.plasticity.config import PlasticityConfig
from brain.ranges import SIZE, Range
from brain.registry import brains
from brain.sleep.config import SleepConfig

if TYPE_CHECKING:
    from brain.optim.config import OptimizerConfig

MAX_BUCKETS = 1 << 22


@brains.register("classifier", builds="brain.models.classifier.classifier_brain:TextClassifier")
@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Learns the labels of texts (a source of kind table); a new label gets an output when it first appears.

    It learns by Adam at `optimizer.learning_rate`, whatever `optimizer.kind`, and averages its weights in every
    `optimizer.averaging.every_steps` steps. Its weights belong to words that may be rare, so they are not drawn
    back to where they began (`optimizer.plasticity.l2_init`).

    Attributes:
        hidden_size: units between words and labels.
        num_buckets: buckets that n-grams and words are hashed into.
        max_labels: how many labels it can learn; further ones are counted but not learned.
        max_document_bytes: bytes read of a record; of a longer one, its first and its last bytes.
    """

    needs_labels: ClassVar[bool] = True
    answers: ClassVar[bool] = True
    can_grow: ClassVar[bool] = False
    observable: ClassVar[bool] = False

    hidden_size: Annotated[int, SIZE] = 64
    num_buckets: Annotated[int, Range(at_least=2, at_most=4194304)] = 16_384
    max_labels: Annotated[int, Range(at_least=2, at_most=65536)] = 256
    max_document_bytes: Annotated[int, Range(at_least=16, at_most=1048576)] = 4096

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: naming the setting.
        """
        for name, least in (
            ("hidden_size", 1),
            ("num_buckets", 2),
            ("max_labels", 2),
            ("max_document_bytes", 16),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} = {getattr(self, name)}: at least {least} is expected")
        if self.num_buckets > MAX_BUCKETS:
            raise ValueError(f"num_buckets = {self.num_buckets}: at most {MAX_BUCKETS} is expected")


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """An MLP and how it descends.

    Attributes:
        sizes: inputs, hidden layers, outputs.
        activation: of the hidden units.
        optimizer: Adam, or plain gradient descent.
        learning_rate: constant.
        betas: of Adam.
        eps: of Adam.
        gain: spread of first weights as a multiple of 1 / √inputs; √2 suits ReLU.
        output_gain: the same of the last matrix.
        plasticity: recycling and drawing back.
    """

    sizes: tuple[int, ...]
    activation: Literal["relu", "leaky_relu", "tanh"] = "relu"
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    gain: float = 2.0**0.5
    output_gain: float = 1.0
    plasticity: PlasticityConfig = field(default_factory=PlasticityConfig)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: naming the setting.
        """
        if len(self.sizes) < 2 or min(self.sizes) < 1:
            raise ValueError(f"sizes = {self.sizes} needs inputs and outputs, each at least 1")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate = {self.learning_rate} must be positive")


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """What the learner remembers and how it leans on it; a capacity of 0 leaves replay out.

    Attributes:
        capacity: examples kept, balanced by class.
        rows: remembered examples replayed with each update.
        updates: updates for each call of `learn`, each with other remembered examples.
        label_weight: β, of the loss on their labels.
        logit_weight: α, of the squared distance to the logits they were stored with.
        consistency_weight: of the squared distance to the logits of whichever average is surer of the label.
        separate_classes: learn a live example only against the classes of the live batch and of those not yet
            seen, so that it cannot push down the classes of the past (Caccia et al. 2022).
        noise: spread of the noise added to replayed examples; 0 for none.
    """

    capacity: int = 200
    rows: int = 20
    updates: int = 1
    label_weight: float = 1.0
    logit_weight: float = 0.5
    consistency_weight: float = 0.0
    separate_classes: bool = True
    noise: float = 0.0


@dataclass(frozen=True, kw_only=True)
class AverageConfig:
    """Fast weights are followed by two averages of horizon min(1 − 1/(t + 1), limit).

    Attributes:
        plastic: share of itself that the plastic average keeps in an update.
        stable: the same of the stable average.
        consolidation: the same of the stable average in an update of a sleep that others schedule.
        every_updates: updates between two moves of the averages, each worth that many single ones.
    """

    plastic: float = 0.99
    stable: float = 0.999
    consolidation: float = 0.98
    every_updates: int = 1


@dataclass(frozen=True, kw_only=True)
class ConsolidationConfig:
    """What a step of sleep replays and which losses it takes; length and rate are in `SleepConfig`.

    Attributes:
        rows: remembered examples in each step, every class alike.
        rate: the first learning rate, as a multiple of the rate when awake.
        distillation: weight of the squared distance to the stable average's logits.
        logit_weight: of the squared distance to the logits the examples were met with; early ones know little.
    """

    rows: int = 64
    rate: float = 1.0
    distillation: float = 0.5
    logit_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """An online classifier (integer targets) or regressor (real targets).

    It sleeps when it is called to: of `sleep` it takes steps, final rate and tolerance. With a `clip_norm` longer
    gradients are shortened to it, and an update whose gradient is not finite is left out.
    """

    mlp: MLPConfig
    task: Literal["classify", "regress"] = "classify"
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    averages: AverageConfig = field(default_factory=AverageConfig)
    sleep: SleepConfig = field(default_factory=SleepConfig)
    consolidation: ConsolidationConfig = field(default_factory=ConsolidationConfig)
    clip_norm: float | None = None


def learner_config(config: ClassifierConfig, optimizer: OptimizerConfig) -> LearnerConfig:
    """The learner within a classifier that learns by these settings of a run."""
    averaging = optimizer.averaging
    return LearnerConfig(
        mlp=MLPConfig(
            sizes=(config.num_buckets, config.hidden_size, config.max_labels),
            learning_rate=optimizer.learning_rate,
            betas=optimizer.betas,
            eps=optimizer.eps,
            plasticity=replace(optimizer.plasticity, l2_init=0.0, every_steps=1),
        ),
        memory=MemoryConfig(
            capacity=0,  # what was read is remembered by whoever feeds the brain, and comes back as replayed rows
            consistency_weight=averaging.consistency_weight,
            separate_classes=False,  # with a fifth of the rows replayed, learning against all labels is better
        ),
        averages=AverageConfig(
            plastic=averaging.plastic,
            stable=averaging.stable,
            consolidation=averaging.consolidation,
            every_updates=max(averaging.every_steps, 1),
        ),
        consolidation=ConsolidationConfig(distillation=averaging.distillation_weight),
        clip_norm=optimizer.clip_norm,
    )
