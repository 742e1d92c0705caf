"""What the brain generates: a sample for the page every so often, and answers to prompts.

Both draw from random generators of their own, so generating never changes what is learned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from brain.capabilities import Answering
from daemon.streams.encodings import cut_character

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.config.tree import SampleConfig


MOST_OF_TIME = 0.005


def never_stop() -> bool:
    """Let an answer run to its full length."""
    return True


@dataclass(frozen=True)
class Continuation:
    """What the brain generated, in whole characters; bytes that are not valid UTF-8 show as the replacement character.

    Attributes:
        num_bytes: every byte drawn, those of a character that was cut too.
        is_answer: it stands by itself, and does not continue the prompt.
        probability: of an answer; None where there is none yet.
    """

    text: str
    num_bytes: int
    is_answer: bool = False
    probability: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """What whoever asked is sent."""
        return {
            "text": self.text,
            "bytes_generated": self.num_bytes,
            "is_answer": self.is_answer,
            "probability": self.probability,
        }


class Sampler:
    """Draws samples by the clock, because nothing it does reaches the weights, and at no more than `MOST_OF_TIME`.

    Args:
        config: how often, and how.
        device: of the brain.
        seed: of its draws.
        clock: seconds; of a run those spent learning, so that a pause brings no sample forward.
    """

    def __init__(
        self,
        config: SampleConfig,
        *,
        device: torch.device,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._clock = clock
        self._generator = torch.Generator(device=device).manual_seed(seed)
        self._next = clock() + min(5.0, config.every_seconds)

    def due(self) -> bool:
        """Whether it is time for another sample."""
        return self._config.max_bytes > 0 and self._clock() >= self._next

    def sample(self, brain: Brain, context: bytes) -> str:
        """A short continuation of what was just read, from the last whole character of it on."""
        began = time.perf_counter()
        text = self.answer(
            brain,
            context[: len(context) - cut_character(context)],
            max_bytes=self._config.max_bytes,
            temperature=self._config.temperature,
            top_p=self._config.top_p,
        ).text
        cost_seconds = time.perf_counter() - began
        self._next = self._clock() + max(self._config.every_seconds, cost_seconds / MOST_OF_TIME)
        return text

    def answer(
        self,
        brain: Brain,
        prompt: bytes,
        *,
        max_bytes: int,
        temperature: float,
        top_p: float,
        go_on: Callable[[], bool] = never_stop,
    ) -> Continuation:
        """Continue `prompt` by up to `max_bytes`; `go_on`, asked after every unit of the brain, may end it earlier."""
        drawn = bytearray()
        for piece in brain.generate(
            prompt, max_bytes=max_bytes, temperature=temperature, top_p=top_p, generator=self._generator
        ):
            drawn += piece
            if not go_on():
                break
        whole = drawn[: len(drawn) - cut_character(drawn)]
        return Continuation(
            whole.decode("utf-8", errors="replace"),
            len(drawn),
            is_answer=isinstance(brain, Answering),
            probability=brain.confidence(prompt) if isinstance(brain, Answering) else None,
        )
