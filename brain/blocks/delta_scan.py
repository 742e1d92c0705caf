"""The delta rule with decay by channel, as matrix products in chunks: RWKV-7 and (Kimi) gated delta attention.

H_t = diag(w_t) H_{t−1} + b_t (a_tᵀ H_{t−1}) + k_t v_tᵀ,  o_t = H_tᵀ r_t

Within a chunk the states between are never formed. With u_t = a_tᵀ H_{t−1} every position adds b_t u_tᵀ + k_t v_tᵀ,
so all u of a chunk solve one unit lower triangular system (the WY form of a product of such steps).

Shapes: B rows, T positions, H heads, K key channels, V value channels, N chunks of C positions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 32


class DeltaStep(NamedTuple):
    """What each position does to the state and reads of it: (B, T, H, K) each, `value` (B, T, H, V).

    Attributes:
        log_decay: log w ≤ 0.
        erase: a, the direction that is read of the state before.
        back: b, the direction that what was read is added to.
        key: k, the direction that the value is written to; if it is the very tensor `back`, half the work is saved.
        value: v.
        read: r.
    """

    log_decay: Tensor
    erase: Tensor
    back: Tensor
    key: Tensor
    value: Tensor
    read: Tensor


def delta_scan(step: DeltaStep, initial: Tensor, *, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """All reads (B, T, H, V) and the last state (B, H, K, V); `initial` is a state.

    Decays are logarithms until a chunk's own are summed; float32 holds them while chunk · |log w| ≤ 64. Scaled by
    their sum since the chunk began and by nothing later, no position feels a later one in its last bit.
    Sources: Yang et al. 2024, "Parallelizing linear transformers with the delta rule over sequence length"; Peng
    et al. 2025, "RWKV-7 Goose with expressive dynamic state evolution".
    """
    length = step.value.shape[1]
    if length == 1:
        return _one_step(step, initial)
    num_chunks = -(-length // chunk)
    size = -(-length // num_chunks)  # chunks of one size waste least of the last
    log_decay, erase, back, value, read = (
        _chunks(part, size, num_chunks)
        for part in (step.log_decay, step.erase, step.back, step.value, step.read)
    )
    total = log_decay.cumsum(dim=3)
    toward, away = total.exp(), (-total).exp()
    reads = torch.cat([erase * (total - log_decay).exp(), read * toward], dim=3)  # (B, H, N, 2C, K)
    same = step.back is step.key
    writes = back * away
    if not same:
        writes = torch.cat([writes, _chunks(step.key, size, num_chunks) * away], dim=3)
    pairs = (reads @ writes.transpose(3, 4)).masked_fill(_unseen(size, writes), 0.0)
    erasing, reading = pairs[..., :size, :], pairs[..., size:, :]
    # u (where it is all that is written, u + v) = erased H + raised, for whatever state H the chunk begins with.
    solved = torch.linalg.solve_triangular(
        torch.eye(size, dtype=value.dtype, device=value.device) - erasing[..., :size],
        torch.cat([reads[..., :size, :], value if same else erasing[..., size:] @ value], dim=-1),
        upper=False,
        unitriangular=True,
    )
    erased, raised = torch.split(solved, [reads.shape[-1], value.shape[-1]], dim=-1)
    leave = toward[:, :, :, -1].unsqueeze(-1)  # (B, H, N, K, 1)
    state, entered, added = initial, [], []
    for number in range(num_chunks):
        written = raised[:, :, number] + erased[:, :, number] @ state
        if not same:
            written = torch.cat([written, value[:, :, number]], dim=2)
        entered.append(state)
        added.append(written)
        state = leave[:, :, number] * (state + writes[:, :, number].transpose(2, 3) @ written)
    y = reads[..., size:, :] @ torch.stack(entered, dim=2) + reading @ torch.stack(added, dim=2)
    return y.flatten(2, 3)[:, :, :length].transpose(1, 2), state


def _chunks(part: Tensor, size: int, num_chunks: int) -> Tensor:
    """(B, T, H, K) as (B, H, N, C, K), zeros behind the end: they leave the state as it is."""
    padded = functional.pad(part, (0, 0, 0, 0, 0, size * num_chunks - part.shape[1]))
    rows, _, heads, channels = padded.shape
    return padded.view(rows, num_chunks, size, heads, channels).permute(0, 3, 1, 2, 4).contiguous()


def _unseen(size: int, writes: Tensor) -> Tensor:
    """Pairs that do not meet: reads of the state before see earlier writes alone, reads of it now their own too."""
    later = torch.ones(size, size, dtype=torch.bool, device=writes.device)
    return torch.cat([later.triu(), later.triu(1)]).repeat(1, writes.shape[3] // size)


def _one_step(step: DeltaStep, state: Tensor) -> tuple[Tensor, Tensor]:
    log_decay, erase, back, key, value, read = (part[:, 0] for part in step)
    u = erase.unsqueeze(2) @ state  # (B, H, 1, V)
    state = (
        log_decay.exp().unsqueeze(3) * state + back.unsqueeze(3) * u + key.unsqueeze(3) * value.unsqueeze(2)
    )
    return (read.unsqueeze(2) @ state).transpose(1, 2), state
