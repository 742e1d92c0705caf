"""What the brain generates, and how long it may take."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from daemon.config.tree import SampleConfig
from daemon.interrupting import Interrupted
from daemon.orders import Generate
from daemon.streams.encodings import last_bytes
from daemon.trainer.measures.sampling import Sampler
from daemon.trainer.orders import obeying
from daemon.trainer.orders.obeying import Questions
from daemon.trainer.orders.safe_point import Control
from daemon.trainer_protocol import Command, Outcome, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = "é!".encode()


class FakeBrain:
    """Generates WORDS over and over."""

    def __init__(self) -> None:
        self.num_drawn = 0

    def generate(self, _prompt: bytes, *, max_bytes: int, **_: Any) -> Iterator[bytes]:
        for index in range(max_bytes):
            self.num_drawn += 1
            yield bytes([WORDS[index % len(WORDS)]])


class FakePipe:
    """Holds one command, and what was answered."""

    def __init__(self, command: Command) -> None:
        self.waiting = [command]
        self.sent: list[Any] = []
        self.orphaned = FakeFlag()
        self.terminated = False

    @property
    def ending(self) -> bool:
        return self.orphaned.raised

    def next_command(self) -> Command | None:
        return self.waiting.pop() if self.waiting else None

    def send(self, message: Any) -> None:
        self.sent.append(message)


class FakeFlag:
    raised = False

    def is_set(self) -> bool:
        return self.raised


def asked(max_bytes: int, patience: int = 10_000) -> tuple[FakeBrain, list[int], Outcome]:
    """A brain that was asked to continue, the signs of life that were shown meanwhile, and the answer.

    After `patience` signs of life the supervisor is gone.
    """
    order = Generate(prompt="x", max_bytes=max_bytes, temperature=1.0, top_p=1.0)
    pipe, brain, signs_of_life = FakePipe(Command(id="op-1", order=order)), FakeBrain(), list[int]()

    def progressed() -> None:
        signs_of_life.append(brain.num_drawn)
        pipe.orphaned.raised = len(signs_of_life) >= patience
        if pipe.ending:
            raise Interrupted

    questions = Questions(
        brain,  # type: ignore[arg-type]
        nullcontext,  # type: ignore[arg-type]
        sampler=Sampler(SampleConfig(), device=torch.device("cpu"), seed=0),
        progressed=progressed,
        **dict.fromkeys(("measuring", "probes", "growth", "name_of")),  # type: ignore[arg-type]
    )
    control = Control(
        pipe,  # type: ignore[arg-type]
        questions.handlers(),
        broken=SimpleNamespace(newest_entry=lambda: 0),  # type: ignore[arg-type]
        clock=SimpleNamespace(step=7),
        life=SimpleNamespace(state=RunState.RUNNING),
        **dict.fromkeys(("pauses", "endings")),  # type: ignore[arg-type]
    )
    control()
    (outcome,) = pipe.sent
    assert isinstance(outcome, Outcome)
    return brain, signs_of_life, outcome


def test_an_answer_counts_the_bytes_that_were_drawn() -> None:
    *_, outcome = asked(4)  # the last byte begins a character that never ends
    assert outcome.result == {
        "text": "é!",
        "bytes_generated": 4,
        "is_answer": False,
        "probability": None,
    }


@pytest.mark.parametrize("text", ["é!", "猫は", "😀a", "ab"])
def test_an_answer_is_never_cut_inside_a_character(text: str) -> None:
    class Speaker:
        prompted = b""

        def generate(self, prompt: bytes, *, max_bytes: int, **_: Any) -> Iterator[bytes]:
            self.prompted = prompt
            yield from (bytes([byte]) for byte in (text.encode() * max_bytes)[:max_bytes])

    config = SampleConfig()
    sampler = Sampler(config, device=torch.device("cpu"), seed=0)
    for max_bytes in range(9):
        drawn = sampler.answer(Speaker(), b"", max_bytes=max_bytes, temperature=1.0, top_p=1.0)  # type: ignore[arg-type]
        assert (text * 9).startswith(drawn.text)
        assert max_bytes - 3 <= len(drawn.text.encode()) <= drawn.num_bytes == max_bytes
    # A sample continues from the last whole character that was read.
    for end in range(len(text.encode()) + 1):
        speaker = Speaker()
        assert sampler.sample(speaker, text.encode()[:end]) in text * config.max_bytes  # type: ignore[arg-type]
        assert text.startswith(speaker.prompted.decode())


def test_a_brain_that_answers_gives_the_probability() -> None:
    class Answerer(FakeBrain):
        def confidence(self, prompt: bytes) -> float:
            return len(prompt) / 4

    sampler = Sampler(SampleConfig(), device=torch.device("cpu"), seed=0)
    drawn = sampler.answer(Answerer(), b"abc", max_bytes=2, temperature=1.0, top_p=1.0)  # type: ignore[arg-type]
    assert drawn.as_dict() == {"text": "é", "bytes_generated": 2, "is_answer": True, "probability": 0.75}


@pytest.mark.parametrize("text", ["é!", "猫は", "😀a", "ab"])
def test_of_a_long_prompt_the_last_whole_characters_count(text: str) -> None:
    for num_bytes in range(12):
        kept = last_bytes(text * 4, num_bytes).decode()
        assert (text * 4).endswith(kept)
        assert num_bytes - 3 <= len(kept.encode()) <= num_bytes or kept == text * 4


def test_a_long_answer_shows_signs_of_life() -> None:
    _, signs_of_life, _ = asked(500)
    assert len(signs_of_life) == 500


def test_an_answer_ends_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obeying, "ANSWER_SECONDS", 0.0)
    brain, _, outcome = asked(8192)
    assert outcome.ok
    assert outcome.result["bytes_generated"] == brain.num_drawn == 1


def test_an_answer_ends_when_the_run_is_to_end_and_is_called_interrupted() -> None:
    brain, _, outcome = asked(8192, patience=3)
    assert brain.num_drawn == 3
    assert (outcome.ok, outcome.conflict) == (False, True)
    assert "interrupted" in str(outcome.error)


def test_a_sample_that_takes_long_is_drawn_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    learned, now = [0.0], [0.0]
    monkeypatch.setattr("daemon.trainer.measures.sampling.time", SimpleNamespace(perf_counter=lambda: now[0]))

    class SlowBrain(FakeBrain):
        def generate(self, _prompt: bytes, *, max_bytes: int, **more: Any) -> Iterator[bytes]:
            now[0] += 2.0
            return super().generate(_prompt, max_bytes=max_bytes, **more)

    sampler = Sampler(
        SampleConfig(every_seconds=60.0), device=torch.device("cpu"), seed=0, clock=lambda: learned[0]
    )
    learned[0] = 5.0
    assert sampler.due()
    sampler.sample(SlowBrain(), b"")  # type: ignore[arg-type]
    learned[0] = 404.0  # two seconds in four hundred
    assert not sampler.due()
    learned[0] = 406.0
    assert sampler.due()
    sampler.sample(FakeBrain(), b"")  # type: ignore[arg-type]
    learned[0] = 465.0
    assert not sampler.due()
    learned[0] = 467.0
    assert sampler.due()
