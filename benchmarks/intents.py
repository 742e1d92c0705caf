"""Intents of short texts by the reflex: banking77 and clinc150 on their official splits, a linear SVM beside it.

Both learn the whole training split and are asked the whole test split. Ours reads the texts in shuffled order twelve
times, 64 at a time, and answers with its stable average. Settings were chosen on tenths of banking77's training
split and on clinc150's validation split, never on a test split.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.peers.environment import HINT, PYTHON
from benchmarks.result import Spread, judged
from benchmarks.texts import shared_bytes
from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.result import Result
    from brain.models.reflex.reflex_brain import Reflex

PROGRAM = Path(__file__).parent / "peers" / "linear_svm.py"
SVM = "TF-IDF and linear SVM"
PASSES, ROWS, BINS, KEPT = 12, 64, 15, 0.95
Labelled = list[tuple[str, str]]


@dataclass(frozen=True)
class Split:
    """Labelled texts to learn and to be asked; texts of no label (`outside`) to choose a threshold and to test it."""

    train: Labelled
    test: Labelled
    validation: Labelled = field(default_factory=list)
    outside_validation: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """What one seed came to: accuracy in percent, seconds and milliseconds of CPU, how sure it was, and how rightly."""

    accuracy: float
    train_seconds: float
    answer_ms: float
    calibration_error: float
    uncalibrated_error: float
    auroc: float
    rejected: float
    kept: float


def run(*, long: bool) -> list[Result]:
    """Accuracy, time, calibration, and texts of no label."""
    torch.set_num_threads(1)
    splits, seeds = official_splits(), range(5 if long else 3)
    svm, skipped = svm_of(splits)
    trials = {name: [trial(split, seed) for seed in seeds] for name, split in splits.items()}
    return [
        *(
            judged(
                f"intents.{name}",
                measures=f"accuracy on the test split of {name}, mean of {len(seeds)} seeds",
                ours=mean(trials[name], "accuracy"),
                unit="%",
                at_least=goal,
                peers={SVM: svm[name]["accuracy"]} if svm else {},
                long=long,
                details={"seeds": [round(one.accuracy, 2) for one in trials[name]], "skipped": skipped},
                spread=spread_of(trials[name], "accuracy"),
            )
            for name, goal in (("banking77", 91.2), ("clinc150", 92.7))
        ),
        *(
            judged(
                f"intents.{name}_seconds",
                measures=f"CPU to learn the training split of {name}",
                ours=mean(trials[name], "train_seconds"),
                unit="s",
                at_most=30.0,
                peers={SVM: svm[name]["cpu_seconds"]} if svm else {},
                long=long,
            )
            for name in splits
        ),
        judged(
            "intents.answer",
            measures="CPU of one answer with its confidence, clinc150, one text at a time",
            ours=mean(trials["clinc150"], "answer_ms"),
            unit="ms",
            at_most=1.0,
            peers={SVM: svm["clinc150"]["answer_ms"]} if svm else {},
            long=long,
        ),
        *(
            judged(
                f"intents.{name}_calibration",
                measures=f"expected calibration error on the test split of {name}, {BINS} bins",
                ours=mean(trials[name], "calibration_error"),
                unit="%",
                at_most=5.0,
                peers={"without temperature": mean(trials[name], "uncalibrated_error")},
                long=long,
                spread=spread_of(trials[name], "calibration_error"),
            )
            for name in splits
        ),
        judged(
            "intents.out_of_scope",
            measures="AUROC of the confidence, clinc150's test split against its texts of no intent; none are learned",
            ours=mean(trials["clinc150"], "auroc"),
            unit="AUROC",
            at_least=1.0,
            of="ratio",
            peers={SVM: auroc(svm["clinc150"]["inside"], svm["clinc150"]["outside"]) if svm else math.nan},
            long=long,
            details={
                "note": f"Below the confidence that keeps {KEPT:.0%} of clinc150's validation split lie "
                f"{mean(trials['clinc150'], 'rejected'):.1f} % of its test texts of no intent and "
                f"{100 - mean(trials['clinc150'], 'kept'):.1f} % of those with one."
            },
            spread=spread_of(trials["clinc150"], "auroc"),
        ),
    ]


def mean(trials: Sequence[Trial], name: str) -> float:
    """Over the seeds."""
    return float(statistics.mean(getattr(one, name) for one in trials))


def spread_of(trials: Sequence[Trial], name: str) -> Spread:
    """Over the seeds; the peer has none."""
    return Spread.over("seeds", [getattr(one, name) for one in trials])


def official_splits() -> dict[str, Split]:
    """As they were published; of clinc150 the intents in scope, and the others apart.

    Raises:
        MissingTextError: they are not here.
    """
    clinc = json.loads(shared_bytes("intent/clinc150_full.json"))

    def banking(part: str) -> Labelled:
        rows = csv.DictReader(io.StringIO(shared_bytes(f"intent/banking77_{part}.csv").decode()))
        return [(row["text"], row["category"]) for row in rows]

    return {
        "banking77": Split(banking("train"), banking("test")),
        "clinc150": Split(
            train=[(text, label) for text, label in clinc["train"]],
            test=[(text, label) for text, label in clinc["test"]],
            validation=[(text, label) for text, label in clinc["val"]],
            outside_validation=[text for text, _ in clinc["oos_val"]],
            outside=[text for text, _ in clinc["oos_test"]],
        ),
    }


def trial(split: Split, seed: int) -> Trial:
    """Learn with a seed, then be asked."""
    began = time.process_time()
    brain = learned(split.train, seed)
    seconds = time.process_time() - began
    with brain.stable_weights():
        logits, targets = outputs(brain, split.test)
        temperature = brain.temperatures["stable"].value
        bare = logits.clone()
        bare[:, : len(brain.labels)] *= temperature
        sure = logits.softmax(1).max(dim=1).values
        outside = [confidences(brain, texts) for texts in (split.outside_validation, split.outside)]
        bound = confidences(brain, [text for text, _ in split.validation])
        began = time.process_time()
        for text, _ in split.test[:1000]:
            brain.answer(text.encode())
        answer = (time.process_time() - began) / min(len(split.test), 1000)
    threshold = float(bound.quantile(1.0 - KEPT)) if len(bound) else math.nan
    return Trial(
        accuracy=100.0 * float((logits[:, : len(brain.labels)].argmax(1) == targets).double().mean()),
        train_seconds=seconds,
        answer_ms=1000.0 * answer,
        calibration_error=calibration_error(logits, targets),
        uncalibrated_error=calibration_error(bare, targets),
        auroc=auroc(sure.tolist(), outside[1].tolist()),
        rejected=100.0 * float((outside[1] < threshold).double().mean()),
        kept=100.0 * float((sure >= threshold).double().mean()),
    )


def learned(train: Labelled, seed: int) -> Reflex:
    """A reflex of the usual settings that has read the texts in shuffled order, again and again."""
    optimizer = OptimizerConfig()
    brain: Any = build_brain(
        "reflex", {}, optimizer=optimizer, lanes=ROWS, device=torch.device("cpu"), seed=seed
    )
    documents, order = [f"{text}\x1f{label}".encode() for text, label in train], random.Random(seed)  # noqa: S311
    for _ in range(PASSES):
        order.shuffle(documents)
        for begin in range(0, len(documents), ROWS):
            brain.learn(batch(documents[begin : begin + ROWS]))
    found: Reflex = brain
    return found


def batch(documents: Sequence[bytes]) -> Batch:
    """A row for each document."""
    width = max(len(one) for one in documents) + 1  # a document that fills its row would continue in the next
    rows = torch.zeros(len(documents), width, dtype=torch.uint8)
    for row, one in enumerate(documents):
        rows[row, : len(one)] = torch.frombuffer(bytearray(one), dtype=torch.uint8)
    lengths = torch.tensor([len(one) for one in documents])
    return Batch(
        bytes=rows,
        mask=torch.arange(width) < lengths[:, None],
        lane=torch.arange(len(documents)),
        reset=torch.ones(len(documents), dtype=torch.bool),
        source=torch.zeros(len(documents), dtype=torch.int64),
    )


def outputs(brain: Reflex, labelled: Labelled) -> tuple[torch.Tensor, torch.Tensor]:
    """Calibrated logits (n, O) of texts, and the outputs of their labels (n,); -1 for one that was never read."""
    logits = [
        brain.logits([text.encode() for text, _ in labelled[begin : begin + 200]])
        for begin in range(0, len(labelled), 200)
    ]
    index = {label: number for number, label in enumerate(brain.labels)}
    return torch.cat(logits), torch.tensor([index.get(label, -1) for _, label in labelled])


def confidences(brain: Reflex, texts: Sequence[str]) -> torch.Tensor:
    """Probability of each answer, (n,)."""
    if not texts:
        return torch.zeros(0)
    return outputs(brain, [(text, "") for text in texts])[0].softmax(1).max(dim=1).values


def calibration_error(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """Expected calibration error in percent: how far, on average, the confidence is from how often it is right.

    >>> round(calibration_error(torch.tensor([[0.0, 0.0]] * 4), torch.tensor([0, 0, 0, 0])), 1)
    50.0
    """
    sure, best = logits.double().softmax(1).max(dim=1)
    place = (sure * BINS).long().clamp(max=BINS - 1)
    right = (best == targets).double()
    gaps = [
        abs(float(sure[place == one].mean() - right[place == one].mean())) * int((place == one).sum())
        for one in range(BINS)
        if bool((place == one).any())
    ]
    return 100.0 * sum(gaps) / len(targets)


def auroc(inside: Sequence[float], outside: Sequence[float]) -> float:
    """How probable it is that a text inside is surer than one outside; ties count half.

    >>> auroc([0.9, 0.5], [0.5, 0.1]), math.isnan(auroc([0.9], []))
    (0.875, True)
    """
    if not (inside and outside):
        return math.nan
    one, other = torch.tensor(inside), torch.tensor(outside)
    order = other.sort().values
    below = torch.searchsorted(order, one) + torch.searchsorted(order, one, right=True)
    return float(below.double().mean()) / 2 / len(outside)


def svm_of(splits: dict[str, Split]) -> tuple[dict[str, Any], dict[str, str]]:
    """The peer on the same splits; nothing, and why, where it is not installed."""
    asked = {
        name: {"train": one.train, "test": one.test, "outside": one.outside} for name, one in splits.items()
    }
    done = subprocess.run(
        [PYTHON, str(PROGRAM)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    if done.returncode:
        error = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        return {}, {SVM: f"{error}; {HINT}"}
    return json.loads(done.stdout.strip().splitlines()[-1]), {}
