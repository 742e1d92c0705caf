"""A table of labelled texts learned by a trainer: killed, resumed to the same bits, and asked for labels."""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from daemon.home import Home
from daemon.trainer.offline import questions
from daemon.trainer.offline.questions import evaluate, probe
from tests.trainer_process import TrainerProcess, newest, spawn, tiny_order

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 400
WORDS = {
    "fruit": ["apple", "pear", "plum", "fig", "lime"],
    "tool": ["saw", "drill", "file", "plane", "rasp"],
    "sky": ["sun", "moon", "star", "mars", "comet"],
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("table") / "things.jsonl"
    with path.open("w") as file:
        for _ in range(600):
            label = draw.choice(list(WORDS))
            text = " ".join(draw.choices(WORDS[label], k=draw.randint(1, 9)))
            file.write(json.dumps({"text": text, "kind": label}) + "\n")
    return path


def trainer(home: Home, table: Path, **order: Any) -> TrainerProcess:
    settings: dict[str, Any] = {
        "brain__kind": "classifier",
        "brain__hidden_size": 16,
        "brain__num_buckets": 512,
        "stream__data": [],
        "stream__source": [{"kind": "table", "path": str(table), "label_field": "kind"}],
    }
    return spawn(tiny_order(home, **settings, **order))


def outcome(ended: TrainerProcess, home: Home) -> tuple[str, dict[str, Any]]:
    """Hash of the final weights, and what the brain counted."""
    goodbye = ended.finish()
    assert goodbye.state == "finished", goodbye.error
    assert goodbye.checkpoint is not None
    folder = home.checkpoints / goodbye.checkpoint
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return weights, json.loads((folder / "state.json").read_text())["brain"]


def test_killed_and_resumed_it_learns_to_the_same_bits(home: Home, tmp_path: Path, table: Path) -> None:
    other = Home.open(tmp_path / "other", environ={})
    other.prepare()
    whole = outcome(trainer(other, table, limits__steps=STEPS), other)
    killed = trainer(home, table, limits__steps=STEPS)
    try:
        killed.receive_until(lambda seen: seen.step >= 20)
        killed.order("checkpoint")
    finally:
        killed.kill()
    checkpoint = newest(home.checkpoints)
    resumed = trainer(
        home, table, limits__steps=STEPS, session=2, checkpoint=checkpoint, limits_from_checkpoint=True
    )
    assert outcome(resumed, home) == whole
    assert sorted(whole[1]["labels"]) == sorted(WORDS)
    assert whole[1]["unlabelled"] == 0
    assert whole[1]["accuracy"] > 0.7


def test_it_is_asked_for_a_label_while_it_learns_and_scored_alike_once_it_has_ended(
    home: Home, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = trainer(home, table)
    answers = {}
    try:
        running.receive_until(lambda seen: seen.step >= STEPS)
        for word in ("plum", "drill", "moon"):
            answers[word] = running.order("generate", prompt=word).result["text"]
        running.receive_until(lambda seen: any(name == "accuracy" for name, *_ in seen.points))
        for question in ("grow", "growth"):
            refused = running.order(question)
            assert refused.conflict
            assert refused.error == (
                "a brain of kind classifier cannot grow: its size is fixed when it is built; for a larger one start a "
                "new run with --set brain.hidden_size=32 or more"
            )
        assert running.order("pause").ok  # with a checkpoint of this very step
        scored = running.order("evaluate").result
        assert scored["accuracy"]["things.jsonl"] == scored["accuracy"]["total"] > 0.7
        assert 1 <= scored["num_examples"]["total"] <= 600
    finally:
        running.kill()
    assert answers == {"plum": "fruit", "drill": "tool", "moon": "sky"}
    stored = evaluate(home, "latest")
    assert stored["num_examples"] == scored["num_examples"]["total"]
    assert stored["accuracy"] == stored["accuracy_by_source"]["things.jsonl"] == scored["accuracy"]["total"]
    assert stored["bpc"] == pytest.approx(scored["bpc"]["total"])
    probed = probe(home, "latest")
    assert probed["ticks"] > 16  # records end in few rows of a batch
    reasons = {name: str(readings["confidence"]["reason"]) for name, readings in probed["vitals"].items()}
    for name in ("checkpoint", "shuffled", "scrambled", "untrained"):  # a value, or all were right, or wrong
        assert reasons[name] == "None" or reasons[name].startswith("all of the last "), name
    assert set(probed["expected"]) == ({"confidence"} if reasons["shuffled"] == "None" else set())
    found = {}
    for weights in ("fast", "stable"):
        monkeypatch.setattr(questions, "better_weights", lambda _loaded, name=weights: name)
        found[weights] = evaluate(home, "latest")["bpc"]
    assert found["fast"] != found["stable"], "a checkpoint is read without its slow weights"
