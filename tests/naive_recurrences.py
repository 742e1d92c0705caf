"""The recurrences as they are written: what the fast forms must agree with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from brain.blocks.delta_scan import DeltaStep


def naive_scan(decay: Tensor, write: Tensor, initial: Tensor) -> Tensor:
    """The recurrence of `linear_scan`; shapes as there."""
    hidden, states = initial, []
    for position in range(decay.shape[1]):
        hidden = decay[:, position] * hidden + write[:, position]
        states.append(hidden)
    return torch.stack(states, dim=1)


def naive_ssd(
    log_decay: Tensor, x: Tensor, into: Tensor, outof: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """The recurrence of `ssd_scan`; shapes as there."""
    hidden, reads = initial, []
    for t in range(x.shape[1]):
        write = torch.einsum("bhp,bn->bhpn", x[:, t], into[:, t])
        hidden = log_decay[:, t].exp()[:, :, None, None] * hidden + write
        reads.append(torch.einsum("bhpn,bn->bhp", hidden, outof[:, t]))
    return torch.stack(reads, dim=1), hidden


def naive_delta(step: DeltaStep, initial: Tensor) -> tuple[Tensor, Tensor]:
    """The recurrence of `delta_scan`; shapes as there."""
    state, reads = initial, []
    for t in range(step.value.shape[1]):
        decay, erase, back, key, value, read = (part[:, t] for part in step)
        erased = torch.einsum("bhkv,bhk->bhv", state, erase)
        state = decay.exp().unsqueeze(-1) * state
        state = state + torch.einsum("bhk,bhv->bhkv", back, erased)
        state = state + torch.einsum("bhk,bhv->bhkv", key, value)
        reads.append(torch.einsum("bhkv,bhk->bhv", state, read))
    return torch.stack(reads, dim=1), state


def naive_delta_attention(
    *, query: Tensor, key: Tensor, value: Tensor, log_decay: Tensor, strength: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """The recurrence of `delta_attention`; shapes as there."""
    state, reads = initial, []
    for t in range(value.shape[1]):
        state = log_decay[:, t].exp().unsqueeze(-1) * state
        found = torch.einsum("bhkv,bhk->bhv", state, key[:, t])
        state = state + torch.einsum("bhk,bhv->bhkv", key[:, t], strength[:, t] * (value[:, t] - found))
        reads.append(torch.einsum("bhkv,bhk->bhv", state, query[:, t]))
    return torch.stack(reads, dim=1), state
