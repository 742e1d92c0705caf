"""Settings of the reflex; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from brain.ranges import AMOUNT, SOME_LEFT, Range
from brain.registry import brains


@brains.register("reflex", builds="brain.models.reflex.reflex_brain:Reflex")
@dataclass(frozen=True, kw_only=True)
class ReflexConfig:
    """Intents of short texts in any script, learned in seconds, answered in under a millisecond, with a confidence.

    Words, pairs of words and characters within words are weighed by how rare they are, which is counted as it reads,
    and lead through one hidden layer to the labels. Rows of words learn by Adagrad that slowly forgets, the rest by
    Adam at `optimizer.learning_rate`, whatever `optimizer.kind`; the stable average follows once in
    `optimizer.averaging.every_steps` steps.

    Attributes:
        hidden_size: units between words and labels.
        num_buckets: buckets that words and characters are hashed into.
        max_labels: how many labels it can learn; further ones are counted but not learned.
        max_document_bytes: bytes read of a record; of a longer one, its first and its last bytes.
        row_rate: learning rate of rows of words, as a multiple of the usual one.
        row_memory: share of its summed squared gradients that a row keeps when it learns; 1 is Adagrad.
        feature_dropout: share of a text's features that are dropped while it is learned.
        label_smoothing: share of the target that is spread evenly over all labels.
        calibration_share: share of texts, chosen by hash, that are never learned and calibrate the confidence.
    """

    needs_labels: ClassVar[bool] = True
    answers: ClassVar[bool] = True
    can_grow: ClassVar[bool] = False
    observable: ClassVar[bool] = False
    built_in_table: ClassVar[str] = "intents.csv"
    training_steps: ClassVar[int] = 2500
    model_file: ClassVar[str] = "reflex/reflex.pt"

    hidden_size: Annotated[int, Range(at_least=1, at_most=4096)] = 64
    num_buckets: Annotated[int, Range(at_least=2, at_most=4194304)] = 65_536
    max_labels: Annotated[int, Range(at_least=2, at_most=65536)] = 256
    max_document_bytes: Annotated[int, Range(at_least=16, at_most=1048576)] = 4096
    row_rate: Annotated[float, AMOUNT] = 16.0
    row_memory: Annotated[float, Range(above=0, at_most=1)] = 0.9999
    feature_dropout: Annotated[float, SOME_LEFT] = 0.7
    label_smoothing: Annotated[float, SOME_LEFT] = 0.0
    calibration_share: Annotated[float, Range(at_least=0, at_most=0.5)] = 0.02
