"""Generating at length from a checkpoint or a model file, as it is drawn."""

from __future__ import annotations

import codecs
import time
from typing import TYPE_CHECKING, Any

import torch

from brain.capabilities import Thinking
from daemon.errors import UsageError
from daemon.trainer.measures.slow_weights import swapped
from daemon.trainer.offline.questions import better_weights, open_checkpoint, revive_to_read

if TYPE_CHECKING:
    from collections.abc import Callable

    from brain.ports import Brain
    from daemon.home import Home


def generate(
    home: Home,
    checkpoint: str,
    prompt: str,
    *,
    max_bytes: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    thinking_steps: int | None,
    on_text: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Let the brain of a checkpoint continue `prompt`; the same seed draws the same.

    Args:
        home: where checkpoints lie.
        checkpoint: which one, or a file.
        prompt: text that it reads first.
        max_bytes: generated at most.
        temperature: randomness; 0 takes the likeliest byte.
        top_k: how many of the likeliest bytes to draw from; 0: all.
        top_p: draw from the likeliest bytes that make up this share.
        seed: of the draws; None: any, which the answer names.
        thinking_steps: steps of thinking in place of the brain's own.
        on_text: is given each piece of text once its characters are whole.

    Raises:
        UsageError: the brain does not think, or cannot take that many steps.
        SynapsedError: there is no such checkpoint, or it is damaged.
    """
    loaded = open_checkpoint(home, checkpoint)
    _, brain = revive_to_read(loaded)
    if thinking_steps is not None:
        think(brain, thinking_steps, name=loaded.path.name)
    seed = torch.seed() % 2**63 if seed is None else seed
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text, num_bytes, started = "", 0, time.process_time()
    with swapped(brain, better_weights(loaded)):
        for piece in brain.generate(
            prompt.encode(),
            max_bytes=max_bytes,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            generator=torch.Generator().manual_seed(seed),
        ):
            num_bytes += len(piece)
            text += (whole := decoder.decode(piece))
            on_text(whole)
    return {
        "text": text,
        "bytes_generated": num_bytes,
        "seed": seed,
        "thinking_steps": brain.thinking_steps if isinstance(brain, Thinking) else None,
        "cpu_seconds": time.process_time() - started,
        "step": loaded.manifest.step,
        "checkpoint": loaded.path.name,
    }


def think(brain: Brain, steps: int, *, name: str) -> None:
    """Have a brain take this many steps of thinking.

    Raises:
        UsageError: it does not think, or each of its steps has weights of its own and there are fewer.
    """
    most = brain.most_thinking_steps if isinstance(brain, Thinking) else 0
    if most == 0 and steps:
        raise UsageError(f"the brain of {name} takes no steps of thinking; leave --thinking-steps out")
    if most is not None and steps > most:
        raise UsageError(f"the brain of {name} has {most} steps of thinking; ask for at most those")
    if isinstance(brain, Thinking) and most != 0:
        brain.think(steps)
