"""Every further language brain lives as the default one does: under a trainer, killed, resumed to the same bits."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from daemon.home import Home
from daemon.trainer.offline.generating import generate as at_length
from daemon.trainer.offline.inspecting import inspect
from daemon.trainer.offline.questions import evaluate, generate
from tests.trainer_process import newest, spawn, tiny_order

STEPS = 40
TINY: dict[str, dict[str, Any]] = {
    "mingru": {
        "hidden_size": 16,
        "num_layers": 2,
        "bigram_size": 4,
        "self_model_size": 8,
        "precision": "fp32",
    },
    "agiformer": {
        "hidden_size": 16,
        "num_layers": 1,
        "num_heads": 2,
        "window": 16,
        "patch_size": 4,
        "byte_size": 12,
        "bigram_size": 4,
        "self_model_size": 8,
    },
    "tars": {"hidden_size": 16, "num_layers": 2, "num_experts": 4, "expert_rank": 2, "self_model_size": 8},
}


def settings_of(kind: str, tmp_path: Path) -> dict[str, Any]:
    book = tmp_path / "book.txt"
    book.write_text(
        "".join(f"page {number} tells of the brain and of number {number * 7}.\n" for number in range(600))
    )
    own = {f"brain__{name}": value for name, value in TINY[kind].items()}
    text = {"stream__data": [str(book)], "stream__held_out_share": 0.1}
    return {"brain__kind": kind, "brain__hippocampus_mib": 20, **text, **own}


def weights_hash(home: Home, checkpoint: str | None) -> str:
    assert checkpoint is not None
    return hashlib.sha256((home.checkpoints / checkpoint / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", sorted(TINY))
def test_after_kill_9_the_same_weights_come_out_and_a_checkpoint_answers(
    kind: str, home: Home, tmp_path: Path
) -> None:
    settings = settings_of(kind, tmp_path)
    other = Home.open(tmp_path / "other", environ={})
    other.prepare()
    whole = spawn(tiny_order(other, limits__steps=STEPS, **settings)).finish()
    killed = spawn(tiny_order(home, limits__steps=STEPS, **settings))
    killed.receive_until(lambda seen: seen.ready is not None)
    killed.order("checkpoint")
    killed.receive_until(lambda seen: seen.step >= 10)
    killed.kill()
    again = tiny_order(
        home, session=2, checkpoint=newest(home.checkpoints), limits_from_checkpoint=True, **settings
    )
    ended = spawn(again).finish()
    assert ended.state == "finished", ended.error
    assert weights_hash(home, ended.checkpoint) == weights_hash(other, whole.checkpoint)
    scored = evaluate(home, "latest")
    assert 0 < scored["mixed_bpc"] < scored["bpc"] < 8
    if kind == "agiformer":
        assert inspected(home, tmp_path) == {"held out", "book.txt"}
        assert_generates(home)
    assert generate(home, "latest", "page 7", max_bytes=9, temperature=0.5, top_p=0.9)["bytes_generated"] == 9


def inspected(home: Home, tmp_path: Path) -> set[str]:
    """Which texts thinking was inspected on; every number of steps has a loss."""
    texts = set()
    for data in (None, tmp_path / "book.txt"):
        found = inspect(home, "latest", data=data, max_bytes=4096)
        assert all(0 < row["bpc"] < 9 for row in found["steps"])
        assert found["num_bytes"] == 4096
        texts.add(Path(found["text"]).name)
    return texts


def assert_generates(home: Home) -> None:
    """The same seed draws the same; the number of steps is the one asked for, and at most those that there are."""
    settings: dict[str, Any] = {"max_bytes": 24, "temperature": 1.0, "top_p": 1.0}
    pieces: list[str] = []
    first = at_length(
        home, "latest", "page", **settings, top_k=0, seed=3, thinking_steps=None, on_text=pieces.append
    )
    assert "".join(pieces) == first["text"]
    assert first["bytes_generated"] == 24
    assert first["thinking_steps"] == 3
    same = at_length(home, "latest", "page", **settings, top_k=0, seed=3, thinking_steps=0)
    other = at_length(home, "latest", "page", **settings, top_k=0, seed=4, thinking_steps=None)
    sure = [
        at_length(home, "latest", "p", **settings, top_k=1, seed=seed, thinking_steps=5) for seed in (1, 2)
    ]
    assert (first["seed"], same["thinking_steps"]) == (3, 0)
    assert other["text"] != first["text"]
    assert sure[0]["text"] == sure[1]["text"]
    assert sure[0]["thinking_steps"] == 5


@pytest.mark.parametrize("kind", sorted(TINY))
def test_a_live_one_obeys_every_order(kind: str, home: Home, tmp_path: Path) -> None:
    run = spawn(tiny_order(home, **settings_of(kind, tmp_path)))
    try:
        run.receive_until(lambda seen: seen.step >= 30)
        assert run.order("feed", text="A page that is fed. " * 20).ok
        shown = run.order("growth").result
        assert run.ready is not None
        assert shown["modules"] == run.ready.module_names
        sites = shown["sites"]
        grown = run.order("grow", site=sites[0]["site"], operator="widen", fraction=0.5)
        assert grown.ok, grown.error
        assert run.order("remembers", context="page 7 tells of the ", max_bytes=5).ok
        assert run.order("generate", prompt="page", max_bytes=8).ok
        assert run.order("sleep", steps=4).ok
        run.receive_until(lambda seen: "sleep_ended" in seen.kinds())
        assert run.order("evaluate").ok
        run.receive_until(lambda seen: {"phi", "confidence"} <= {one["name"] for one in seen.readings})
        assert run.order("stop").ok
        assert run.finish().state == "stopped"
    finally:
        run.kill()
