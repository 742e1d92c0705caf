"""What the brain says, and how long it may take."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import torch

from daemon.config.tree import SampleConfig
from daemon.interrupting import Interrupted
from daemon.orders import Generate
from daemon.protocol import Command, Outcome, RunState
from daemon.streams.encodings import last_bytes
from daemon.trainer import control
from daemon.trainer.control import Control
from daemon.trainer.sampling import Voice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

WORDS = "é!".encode()


class FakeBrain:
    """Says WORDS over and over."""

    def __init__(self) -> None:
        self.num_said = 0

    def generate(self, _prompt: bytes, *, max_bytes: int, **_: Any) -> Iterator[bytes]:
        for index in range(max_bytes):
            self.num_said += 1
            yield bytes([WORDS[index % len(WORDS)]])


class FakePipe:
    """Holds one command, and what was answered."""

    def __init__(self, command: Command) -> None:
        self.waiting = [command]
        self.said: list[Any] = []
        self.orphaned = FakeFlag()
        self.terminated = False

    @property
    def ending(self) -> bool:
        return self.orphaned.raised

    def next_command(self) -> Command | None:
        return self.waiting.pop() if self.waiting else None

    def say(self, message: Any) -> None:
        self.said.append(message)


class FakeFlag:
    raised = False

    def is_set(self) -> bool:
        return self.raised


class FakeJournal:
    last_sequence = 0


class FakeParts:
    def __init__(self) -> None:
        self.journal = FakeJournal()
        self.brain = FakeBrain()
        self.voice = Voice(SampleConfig(), device=torch.device("cpu"), seed=0)


class FakeLoop:
    """A loop that counts its signs of life; after `patience` of them the supervisor is gone."""

    run_state = RunState.RUNNING
    step = 7

    def __init__(self, pipe: FakePipe, patience: int) -> None:
        self.parts = FakeParts()
        self.signs_of_life = 0
        self._pipe, self._patience = pipe, patience

    def speaking(self) -> AbstractContextManager[None]:
        return nullcontext()

    def progressed(self) -> None:
        self.signs_of_life += 1
        self._pipe.orphaned.raised = self.signs_of_life >= self._patience
        if self._pipe.ending:
            raise Interrupted


def asked(max_bytes: int, patience: int = 10_000) -> tuple[FakeLoop, Outcome]:
    """A loop after it was asked to speak, and its answer."""
    order = Generate(prompt="x", max_bytes=max_bytes, temperature=1.0, top_p=1.0)
    pipe = FakePipe(Command(id="op-1", order=order))
    loop = FakeLoop(pipe, patience)
    Control(pipe)(loop)  # type: ignore[arg-type]
    (outcome,) = pipe.said
    assert isinstance(outcome, Outcome)
    return loop, outcome


def test_an_answer_counts_the_bytes_that_were_drawn() -> None:
    _, outcome = asked(4)  # the last byte begins a character that never ends
    assert outcome.result == {"text": "é!", "bytes_generated": 4}


@pytest.mark.parametrize("text", ["é!", "猫は", "😀a", "ab"])
def test_an_answer_is_never_cut_inside_a_character(text: str) -> None:
    class Speaker:
        heard = b""

        def generate(self, prompt: bytes, *, max_bytes: int, **_: Any) -> Iterator[bytes]:
            self.heard = prompt
            yield from (bytes([byte]) for byte in (text.encode() * max_bytes)[:max_bytes])

    config = SampleConfig()
    voice = Voice(config, device=torch.device("cpu"), seed=0)
    for max_bytes in range(9):
        said = voice.answer(Speaker(), b"", max_bytes=max_bytes, temperature=1.0, top_p=1.0)  # type: ignore[arg-type]
        assert (text * 9).startswith(said.text)
        assert max_bytes - 3 <= len(said.text.encode()) <= said.num_bytes == max_bytes
    for end in range(len(text.encode()) + 1):  # a sample goes on from the last whole character that was read
        speaker = Speaker()
        assert voice.sample(speaker, text.encode()[:end]) in text * config.max_bytes  # type: ignore[arg-type]
        assert text.startswith(speaker.heard.decode())


@pytest.mark.parametrize("text", ["é!", "猫は", "😀a", "ab"])
def test_of_a_long_prompt_the_last_whole_characters_count(text: str) -> None:
    for num_bytes in range(12):
        kept = last_bytes(text * 4, num_bytes).decode()
        assert (text * 4).endswith(kept)
        assert num_bytes - 3 <= len(kept.encode()) <= num_bytes or kept == text * 4


def test_a_long_answer_shows_signs_of_life() -> None:
    loop, _ = asked(500)
    assert loop.signs_of_life == 500


def test_an_answer_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.0)
    loop, outcome = asked(8192)
    assert outcome.ok
    assert outcome.result["bytes_generated"] == loop.parts.brain.num_said == 1


def test_an_answer_ends_when_the_run_is_to_end_and_is_told_as_interrupted() -> None:
    loop, outcome = asked(8192, patience=3)
    assert loop.parts.brain.num_said == 3
    assert (outcome.ok, outcome.conflict) == (False, True)
    assert "interrupted" in str(outcome.error)
