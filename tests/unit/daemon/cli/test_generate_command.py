"""generate: what it asks for, and how it prints what is drawn."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from daemon.cli import generate_command

if TYPE_CHECKING:
    from tests.unit.daemon.cli.conftest import Call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked of `daemon.trainer.offline.generating`."""
    calls: list[dict[str, Any]] = []

    def generate(home: object, checkpoint: str, prompt: str, **settings: Any) -> dict[str, Any]:
        del home
        for piece in (" a", "", " time\x1b"):
            settings["on_text"](piece)
        del settings["on_text"]
        calls.append({"checkpoint": checkpoint, "prompt": prompt, **settings})
        answer = {"text": " a time", "bytes_generated": 8, "seed": 7, "cpu_seconds": 0.02}
        return {
            **answer,
            "thinking_steps": settings["thinking_steps"],
            "step": 30,
            "checkpoint": "continuous_1",
        }

    fake = SimpleNamespace(generate=generate)
    monkeypatch.setitem(sys.modules, "daemon.trainer.offline.generating", fake)
    monkeypatch.setattr(generate_command, "refuse_unknown", lambda home, checkpoint: None)
    return calls


def test_it_prints_the_text_as_it_is_drawn_and_how_to_draw_it_again(
    call: Call, asked: list[dict[str, Any]]
) -> None:
    called = call("generate", "model.safetensors", "--prompt", "Once upon")
    assert called.out == "Once upon a time\\x1b\n"
    assert called.err == "continuous_1, step 30: 8 bytes, 2.5 ms of CPU each, --seed 7\n"
    assert asked == [
        {"checkpoint": "model.safetensors", "prompt": "Once upon", "max_bytes": 500, "temperature": 0.8,
         "top_k": 0, "top_p": 0.95, "seed": None, "thinking_steps": None}
    ]  # fmt: skip


def test_options_and_json(call: Call, asked: list[dict[str, Any]]) -> None:
    words = ["--length", "9", "--temperature", "0", "--top-k", "4", "--top-p", "0.5", "--seed", "7"]
    words += ["--thinking-steps", "5"]
    assert "5 steps of thinking" in call("generate", *words).err
    assert asked[0] | {"max_bytes": 9, "temperature": 0.0, "top_k": 4, "top_p": 0.5, "seed": 7} == asked[0]
    assert call("generate", "--json").json()["text"] == " a time"
    for wrong in (["--length", "0"], ["--top-p", "0"], ["--top-k", "-1"], ["--thinking-steps", "65"]):
        assert call("generate", *wrong).code == 2
