"""The classifier as a brain: labels as they come, what cannot be learned is counted, answers are labels."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from brain.build import brain_from_spec, build_brain
from brain.capabilities import Answering, Sleeper
from brain.errors import SettingsError, SpecMismatchError
from brain.labelled.documents import Carry
from brain.models.classifier.classifier_brain import TextClassifier
from brain.models.classifier.config import ClassifierConfig
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

WIDTH = 48
CPU = torch.device("cpu")
TEXTS = [b"apple pear\x1ffruit", b"saw drill\x1ftool", b"moon star\x1fsky", b"plum fig\x1ffruit"]


def classifier(*, averaging: bool = True, lanes: int = 4, **settings: Any) -> TextClassifier:
    config = ClassifierConfig(**{"hidden_size": 8, "num_buckets": 256, "max_labels": 4} | settings)
    optimizer = OptimizerConfig(warmup_steps=1)
    if not averaging:
        optimizer = replace(optimizer, averaging=replace(optimizer.averaging, every_steps=0))
    return TextClassifier.build(config, optimizer=optimizer, lanes=lanes, device=CPU, seed=0)


def batch(live: list[bytes], replayed: list[bytes] | None = None, *, width: int = WIDTH) -> Batch:
    texts = [*live, *(replayed or [])]
    rows = torch.zeros(len(texts), width, dtype=torch.uint8)
    for row, text in enumerate(texts):
        rows[row, : len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    lengths = torch.tensor([len(text) for text in texts])
    return Batch(
        bytes=rows,
        mask=torch.arange(width) < lengths[:, None],
        lane=torch.tensor([*range(len(live)), *[-1] * (len(texts) - len(live))]),
        reset=torch.ones(len(texts), dtype=torch.bool),
        source=torch.zeros(len(texts), dtype=torch.int64),
    )


def answer(brain: TextClassifier, text: bytes, *, max_bytes: int = 100) -> bytes:
    draw = torch.Generator().manual_seed(0)
    return b"".join(brain.generate(text, max_bytes=max_bytes, temperature=1.0, top_p=0.9, generator=draw))


def test_labels_get_outputs_in_the_order_they_come_and_are_the_answers() -> None:
    brain = classifier()
    assert answer(brain, b"apple") == b""
    assert brain.confidence(b"apple") is None
    assert isinstance(brain, Answering)
    for _ in range(60):
        brain.learn(batch(TEXTS))
    assert brain.state().counters["labels"] == ["fruit", "tool", "sky"]
    assert [answer(brain, text) for text in (b"plum", b"saw drill", b"moon")] == [
        b"fruit",
        b"tool",
        b"sky",
    ]
    assert answer(brain, b"saw drill\x1fsky") == b"tool"
    assert answer(brain, b"saw drill", max_bytes=2) == b"tool"  # half a label would be another one
    assert answer(brain, b"saw drill", max_bytes=0) == b""
    sure = brain.confidence(b"saw drill")
    assert brain.confidence(b"saw drill\x1fsky") == sure
    learned = brain.learn(batch([b"saw drill\x1ftool"]))
    assert learned.evidence["confidence"].item() == pytest.approx(sure)


def test_an_answer_shares_its_probability_with_known_labels_alone() -> None:
    brain = classifier(max_labels=256)
    report = brain.learn(batch(TEXTS))
    assert len(brain.labels) == 3
    assert brain.answer(b"zzz qqq")[1] >= 1 / 3
    assert bool((report.evidence["confidence"] >= 1 / 3).all())


def test_a_document_without_a_label_teaches_nothing_and_is_counted() -> None:
    brain = classifier()
    brain.learn(batch(TEXTS))
    weights = brain.learner.mlp.flat.clone()
    report = brain.learn(batch([b"no label", b"none either\x1f", b"blank\x1f  "]))
    assert report.applied
    assert math.isnan(report.loss)
    assert report.num_bytes == 0
    assert torch.equal(weights, brain.learner.mlp.flat)
    assert report.metrics["unlabelled"] == 3.0
    assert report.metrics["examples"] == 4.0


def test_labels_beyond_the_cap_are_counted_and_named_once() -> None:
    brain = classifier(max_labels=2)
    for _ in range(3):
        report = brain.learn(batch(TEXTS))
    assert brain.labels == ["fruit", "tool"]
    assert brain.counters["beyond_labels"] == 3
    assert report.metrics["beyond_labels"] == 3.0
    assert brain.labels_beyond == ["sky"]


def test_replayed_documents_bring_no_label_of_their_own() -> None:
    brain = classifier()
    brain.learn(batch(TEXTS[:1], [b"a part of some la\x1fbel"]))
    assert brain.labels == ["fruit"]


def test_a_label_that_is_not_known_costs_what_the_next_new_one_would() -> None:
    brain = classifier()
    for _ in range(20):
        brain.learn(batch(TEXTS[:2]))
    unknown = batch([b"moon star\x1fsky"])
    expected = float(brain.score(unknown.bytes, unknown.mask)[0])
    report = brain.learn(unknown)
    assert report.loss * report.num_bytes == pytest.approx(expected)


def test_before_any_label_is_known_none_is_predicted() -> None:
    rows = batch([*TEXTS[:2], b"of no label"])
    right = classifier().correct(rows.bytes, rows.mask)
    assert right[:2].tolist() == [0.0, 0.0]
    assert math.isnan(right[2])


def test_without_a_rate_it_reads_and_learns_nothing() -> None:
    brain = classifier()
    for _ in range(5):
        brain.learn(batch(TEXTS[:2]))
    brain.scale_learning_rate(0.0)
    before = {name: tensor.clone() for name, tensor in brain.state().learning.items()}
    weights = brain.learner.mlp.flat.clone()
    report = brain.learn(batch(TEXTS, TEXTS[:1]))
    assert math.isfinite(report.loss)
    assert torch.equal(weights, brain.learner.mlp.flat)
    assert brain.labels == ["fruit", "tool"]
    after = brain.state().learning
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


def test_it_sleeps_on_what_is_replayed_and_shows_its_stable_weights() -> None:
    brain = classifier()
    sleeper: Sleeper = brain
    for _ in range(40):
        brain.learn(batch(TEXTS))
    rows = batch(TEXTS)
    fast = brain.score(rows.bytes, rows.mask)
    with sleeper.stable_weights():
        stable = brain.score(rows.bytes, rows.mask)
    assert not torch.equal(fast, stable)
    report = sleeper.dream(batch([], TEXTS), rate_factor=0.5)
    assert report.applied
    assert math.isnan(report.loss)
    assert report.replay_loss is not None
    assert report.replay_loss == pytest.approx(float(fast.sum() / rows.mask.sum()), rel=1e-3)
    assert not classifier(averaging=False).has_slow_weights


def test_a_long_document_keeps_its_beginning_and_its_label() -> None:
    brain = classifier(max_document_bytes=32)
    text = b"first words " + b"middle " * 20 + b"end\x1flabel"
    pieces = [text[begin : begin + WIDTH] for begin in range(0, len(text), WIDTH)]
    for number, piece in enumerate(pieces):
        brain.learn(replace(batch([piece]), reset=torch.tensor([number == 0])))
    assert brain.labels == ["label"]


def test_what_a_lane_has_begun_survives_a_restart() -> None:
    brain = classifier()
    first, second = b"a document that is longer than its row, by far: m", b"oon\x1fsky"
    brain.learn(batch([first[:WIDTH]]))
    stored = brain.state()
    stored = replace(
        stored,
        model={name: t.clone() for name, t in stored.model.items()},
        learning={name: t.clone() for name, t in stored.learning.items()},
        counters=json.loads(json.dumps(stored.counters)),
        spec=json.loads(json.dumps(stored.spec)),
    )
    resumed = brain_from_spec(
        stored.spec, optimizer=OptimizerConfig(warmup_steps=1), lanes=4, device=CPU, seed=5
    )
    resumed.load(stored)
    rest = replace(batch([first[WIDTH:] + second]), reset=torch.tensor([False]))
    assert resumed.learn(rest).num_bytes == len(first + second) == brain.learn(rest).num_bytes
    assert resumed.state().counters == brain.state().counters


def test_it_adopts_a_state_of_another_number_of_lanes() -> None:
    brain = classifier()
    brain.learn(batch(TEXTS))
    other = classifier(lanes=9)
    fitting, notices = other.adopt(brain.state())
    other.load(fitting)
    assert notices == (
        "the carried state of the lanes does not fit the checkpoint and starts over (2 tensors)",
    )
    assert other.labels == brain.labels
    assert torch.equal(other.learner.mlp.exp_avg, brain.learner.mlp.exp_avg)


def test_another_config_is_refused() -> None:
    with pytest.raises(SpecMismatchError, match="other settings"):
        classifier(hidden_size=9).load(classifier().state())
    with pytest.raises(SpecMismatchError, match="cannot be read"):
        brain_from_spec({"kind": "classifier"}, optimizer=OptimizerConfig(), lanes=1, device=CPU, seed=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_labels": 1}, "max_labels = 1: at least 2"),
        ({"num_buckets": 1 << 23}, "num_buckets = 8388608: at most"),
        ({"hidden_size": 0}, "hidden_size = 0"),
        ({"max_document_bytes": 8}, "max_document_bytes = 8"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_brain("classifier", settings, optimizer=OptimizerConfig(), lanes=1, device=CPU, seed=0)


def test_a_document_that_fills_its_row_ends_where_its_lane_starts_over() -> None:
    carry = Carry(1, 64)
    full = b"x" * (WIDTH - 4) + b"\x1fabc"
    reading = carry.read(batch([full]))
    assert reading.documents == []
    assert carry.read(batch([full])).documents == []  # nothing is carried before `keep`
    carry.keep(reading)
    ended = carry.read(batch([b"y\x1fd"])).documents
    assert [(one.label, one.num_bytes) for one in ended] == [("abc", WIDTH), ("d", 3)]
