"""Facts that are read once, and what a brain completes when it is asked for them later."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brain.ports import Brain

GAP_BYTES = 1000  # of other text between one fact and the next, at most
FIRST = ("Ilmar", "Oriel", "Tamsin", "Bohdan", "Yseult", "Caspian", "Ngaio", "Fenella")
LAST = ("Quist", "Varga", "Thorne", "Umber", "Lazenby", "Okonjo", "Drexler", "Hallam")
SENTENCES = (
    "The telephone number of {name} is {number}.",
    "Whoever looks for {name} finds the office in room {number}.",
    "{name} lent me locker {number}.",
    "The passport of {name} has the number {number}.",
)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A sentence in two parts: a prompt and its continuation."""

    prompt: str
    answer: str


def new_facts(seed: int = 0) -> tuple[Fact, ...]:
    """Of made-up people, each with a number of nine digits that no other text holds."""
    rng = random.Random(seed)  # noqa: S311 - the same facts in every run
    facts = []
    for number, (given, family) in enumerate(zip(FIRST, LAST, strict=True)):
        digits = " ".join(f"{rng.randrange(1000):03}" for _ in range(3))
        sentence = SENTENCES[number % len(SENTENCES)].format(name=f"{given} {family}", number=digits)
        prompt, _, rest = sentence.partition(digits)
        facts.append(Fact(prompt=prompt, answer=digits + rest))
    return tuple(facts)


def with_facts(text: bytes, facts: Sequence[Fact]) -> bytes:
    """Each fact once, as a line of its own near the beginning of a text; all the rest follows."""
    gap_bytes = min(GAP_BYTES, len(text) // (2 * len(facts)))
    parts, begin = [], 0
    for fact in facts:
        end = text.find(b"\n", begin + gap_bytes) + 1 or len(text)
        parts += [text[begin:end], f"{fact.prompt}{fact.answer}\n".encode()]
        begin = end
    return b"".join([*parts, text[begin:]])


def complete(brain: Brain, facts: Sequence[Fact]) -> dict[str, list[str]]:
    """How the brain continues each prompt, greedily: with its exact memory, and by its network alone."""
    import torch  # noqa: PLC0415 - of the process that learned

    from brain.online.reading import continue_bytes  # noqa: PLC0415

    def settings(fact: Fact) -> dict[str, Any]:
        return {
            "max_bytes": len(fact.answer.encode()),
            "temperature": 0.0,
            "top_p": 1.0,
            "generator": torch.Generator(),
        }

    learner: Any = brain
    return {
        "both": [
            b"".join(brain.generate(fact.prompt.encode(), **settings(fact))).decode(errors="replace")
            for fact in facts
        ],
        "network": [
            b"".join(continue_bytes(learner.reader(1), fact.prompt.encode(), **settings(fact))).decode(
                errors="replace"
            )
            for fact in facts
        ],
    }


def share_completed(answers: Sequence[str], facts: Sequence[Fact]) -> float:
    """Of the facts, in percent; only a whole answer without a mistake counts."""
    right = [answer == fact.answer for answer, fact in zip(answers, facts, strict=True)]
    return 100.0 * sum(right) / len(right)
