"""Closed-loop probes: the brain is given one byte or another as its own and continues: does it matter which?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from brain.capabilities import Steerable


@dataclass(frozen=True, kw_only=True)
class ProbedContexts:
    """What one probe found: log probabilities of the own bytes (C, A) and of what followed, (C, A, 1, A)."""

    actions: Tensor
    continuations: Tensor


def probe_contexts(
    brain: Steerable, rows: Tensor, *, num_actions: int, num_next: int, generator: torch.Generator
) -> ProbedContexts:
    """After each context (C, T): top bytes as actions, a continuation drawn after each, scored under all.

    Everything runs on forks of readers of the brain, which learns and remembers nothing of it.
    """
    contexts = len(rows)
    started = brain.reader(contexts)
    started.read(rows)
    every = torch.arange(contexts, device=rows.device)
    chance = started.fork(every).predict().log_softmax(dim=-1)
    top, actions = chance.topk(num_actions, dim=-1)  # (C, A)
    device = actions.device

    speaking = started.fork(every.repeat_interleave(num_actions))
    speaking.read(actions.flatten().to(rows.dtype)[:, None])
    drawn = []
    for _ in range(num_next):
        odds = speaking.predict().softmax(dim=-1)
        byte = torch.multinomial(odds.cpu().double(), 1, generator=generator)[:, 0].to(device)
        speaking.accept(byte)
        drawn.append(byte)
    following = torch.stack(drawn, dim=1)  # (C·A, k)

    # Row (c, a, a′): the context, the byte a′ instead of a, then what followed a.
    asked = started.fork(every.repeat_interleave(num_actions * num_actions))
    instead = actions[:, None, :].expand(contexts, num_actions, num_actions).reshape(-1, 1)
    continued = torch.cat([instead, following.repeat_interleave(num_actions, dim=0)], dim=1)
    logits = asked.read(continued.to(rows.dtype))[:, 1:].float().log_softmax(dim=-1)
    scores = logits.gather(-1, continued[:, 1:, None]).squeeze(-1).sum(dim=1)
    return ProbedContexts(
        actions=top.cpu().double(),
        continuations=scores.cpu().double().view(contexts, num_actions, 1, num_actions),
    )
