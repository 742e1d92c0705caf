"""The reflex as a brain: answers in both languages, with a confidence that is as often right as it says."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import presets
from brain.build import brain_from_spec, build_brain
from brain.capabilities import Answering, Labelling, Sleeper
from brain.errors import SettingsError, SpecMismatchError
from brain.models.reflex.config import ReflexConfig
from brain.models.reflex.reflex_brain import Reflex
from brain.models.reflex.temperature import Temperature, is_withheld
from brain.optim.config import OptimizerConfig
from tests.unit.brain.models.classifier.test_classifier_brain import TEXTS, batch

CPU = torch.device("cpu")
RUSSIAN = ["привет\x1fgreeting".encode(), "включи свет\x1fcommand".encode()]


def reflex(*, lanes: int = 4, **settings: Any) -> Reflex:
    small = {"hidden_size": 8, "num_buckets": 1024, "max_labels": 8, "calibration_share": 0.0}
    config = ReflexConfig(**{**small, **settings})
    return Reflex.build(config, optimizer=OptimizerConfig(warmup_steps=1), lanes=lanes, device=CPU, seed=0)


def test_it_answers_in_the_languages_it_learned_with_a_confidence() -> None:
    brain = reflex()
    assert isinstance(brain, Answering)
    assert isinstance(brain, Labelling)
    assert isinstance(brain, Sleeper)
    assert brain.confidence(b"apple") is None
    for _ in range(60):
        brain.learn(batch(TEXTS))
        brain.learn(batch(RUSSIAN))
    assert [brain.answer(text)[0] for text in (b"plum", b"DRILL", "Привет!".encode(), "свет".encode())] == [
        "fruit", "tool", "greeting", "command",
    ]  # fmt: skip
    assert 0.9 < brain.answer("привет".encode())[1] < 1.0
    assert brain.answer(b"zzz qqq")[1] < 0.6


def test_room_for_more_labels_makes_no_answer_less_sure() -> None:
    few, many = reflex(max_labels=4), reflex(max_labels=256)
    for _ in range(20):
        few.learn(batch(TEXTS))
        many.learn(batch(TEXTS))
    assert few.labels == many.labels
    assert len(few.labels) < 4
    for text in (b"plum", b"saw drill", b"zzz qqq"):
        assert many.answer(text)[0] == few.answer(text)[0]
        assert many.answer(text)[1] == pytest.approx(few.answer(text)[1], rel=1e-4)


def test_it_learns_the_six_built_in_intents_of_either_language() -> None:
    """A fifth is held out; one of six is right by chance."""
    with (Path(presets.__file__).parent / "intents.csv").open(encoding="utf-8") as file:
        rows = [f"{row['text']}\x1f{row['intent']}".encode() for row in csv.DictReader(file)]
    assert len(set(rows)) == len(rows) == 480
    held_out, learned = rows[::5], [row for number, row in enumerate(rows) if number % 5]
    wide = max(len(row) for row in rows) + 1
    brain = reflex(lanes=32, hidden_size=32, num_buckets=8192)
    for _ in range(5):
        for begin in range(0, len(learned), 32):
            brain.learn(batch(learned[begin : begin + 32], width=wide))
    asked = batch([], held_out, width=wide)
    right = brain.correct(asked.bytes, asked.mask)
    russian = torch.tensor([not row.partition(b"\x1f")[0].isascii() for row in held_out])
    assert float(right[russian].mean()) > 0.5
    assert float(right[~russian].mean()) > 0.5
    assert len(brain.labels) == 6


def test_a_label_to_come_costs_the_same_whenever_it_comes() -> None:
    brain = reflex()
    new = batch([b"moon\x1fsky", b"mars\x1fplanet"])
    first = brain.score(new.bytes, new.mask)
    assert brain.learn(new).row_loss.tolist() == pytest.approx((first / new.mask.sum(dim=1)).tolist())
    assert first[0] == first[1] == pytest.approx(float(torch.tensor(8.0).log()))


def test_withheld_texts_calibrate_and_are_never_learned() -> None:
    draw = random.Random(0)
    texts = [f"{draw.randrange(10**9)}" for _ in range(400)]
    kept = [text for text in texts if is_withheld(text.encode(), 0.5)]
    assert 150 < len(kept) < 250
    brain = reflex(calibration_share=0.5)
    for _ in range(30):
        brain.learn(batch(TEXTS))
    weights = {name: one.clone() for name, one in brain.learner.weights.items()}
    only = [f"{text}\x1ftool".encode() for text in kept[:4]]
    before = brain.temperatures["fast"].num_examples
    report = brain.learn(batch(only, [f"{kept[5]}\x1fsky".encode()]))
    assert report.applied
    assert (report.grad_norm, report.metrics["examples"]) == (0.0, 124.0)
    assert all(torch.equal(one, weights[name]) for name, one in brain.learner.weights.items())
    assert brain.temperatures["fast"].num_examples == before + 4
    assert brain.temperatures["fast"].num_examples == brain.temperatures["stable"].num_examples


def test_a_temperature_finds_how_sure_to_be() -> None:
    """Logits that are three times too large of labels drawn by their probabilities."""
    draw = torch.Generator().manual_seed(0)
    true = torch.randn(3000, 5, generator=draw) * 2
    targets = torch.multinomial(true.softmax(1), 1, generator=draw).flatten()
    temperature = Temperature()
    temperature.follow(true * 3, targets)
    assert temperature.value == pytest.approx(3.0, rel=0.25)
    untouched = Temperature()
    untouched.follow(torch.full((2, 5), torch.nan), torch.tensor([0, 1]))
    assert untouched == Temperature()


def test_asleep_it_is_taught_by_labels_and_its_stable_average() -> None:
    brain = reflex()
    for _ in range(20):
        brain.learn(batch(TEXTS))
    rows = batch([], TEXTS)
    before = brain.score(rows.bytes, rows.mask).sum()
    updates = brain.learner.num_updates
    assert all(brain.dream(rows, rate_factor=1.0).applied for _ in range(20))
    assert brain.score(rows.bytes, rows.mask).sum() < before
    assert brain.learner.num_updates == updates + 20


def test_calibration_and_draws_survive_a_restart() -> None:
    brain = reflex(calibration_share=0.3)
    series = [
        batch([f"{number} apple\x1ffruit".encode(), f"{number} saw\x1ftool".encode()]) for number in range(30)
    ]
    for one in series[:20]:
        brain.learn(one)
    stored = brain.state()
    stored = replace(
        stored,
        model={name: one.clone() for name, one in stored.model.items()},
        learning={name: one.clone() for name, one in stored.learning.items()},
        counters=json.loads(json.dumps(stored.counters)),
    )
    assert brain.temperatures["fast"].num_examples > 0
    optimizer = OptimizerConfig(warmup_steps=1)
    resumed = brain_from_spec(stored.spec, optimizer=optimizer, lanes=4, device=CPU, seed=9)
    resumed.load(stored)
    assert [resumed.learn(one).loss for one in series[20:]] == [brain.learn(one).loss for one in series[20:]]
    assert resumed.state().counters == brain.state().counters


def test_what_does_not_fit_is_refused_in_a_line() -> None:
    with pytest.raises(SpecMismatchError, match="other settings"):
        reflex(hidden_size=9).load(reflex().state())
    with pytest.raises(SpecMismatchError, match="cannot be read"):
        brain_from_spec({"kind": "reflex"}, optimizer=OptimizerConfig(), lanes=1, device=CPU, seed=0)
    with pytest.raises(SettingsError, match=r"brain\.feature_dropuot is not a setting"):
        build_brain(
            "reflex", {"feature_dropuot": 1}, optimizer=OptimizerConfig(), lanes=1, device=CPU, seed=0
        )
