"""The delta rule with decay by channel, as matrix products in chunks: RWKV-7 and (Kimi) gated delta attention.

H_t = diag(w_t) H_{t−1} + b_t (a_tᵀ H_{t−1}) + k_t v_tᵀ,  o_t = H_tᵀ r_t

Within a chunk the states between are never formed. With u_t = a_tᵀ H_{t−1} every position adds b_t u_tᵀ + k_t v_tᵀ,
so all u of a chunk solve one unit lower triangular system (the WY form of a product of such steps).

In a chunk, with c the sum of log w since it began, ã = a e^{c − log w}, r̃ = r e^c, b̃ = b e^{−c} and k̃ = k e^{−c}:

    pairs = [ã; r̃] [b̃; k̃]ᵀ where the read sees the write, else 0; its upper half [A, A_k], its lower half [R, R_k]
    u = (I − A)⁻¹ (ã H + A_k v) for the state H that the chunk begins with
    o = r̃ H + R u + R_k v,  H′ = e^{c_C} ⊙ (H + b̃ᵀ u + k̃ᵀ v)

Where b = k the two writes are one: all that is written is u′ = u + v = (I − A)⁻¹ (ã H + v).

Shapes: B rows, T positions, H heads, K key channels, V value channels, N chunks of C positions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
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
    missing = size * num_chunks - length
    key = None if step.key is step.back else step.key
    parts: tuple[Tensor | None, ...] = (step.log_decay, step.erase, step.back, key, step.value, step.read)
    if missing:  # zeros behind the end leave the state as it is
        parts = tuple(
            part if part is None else functional.pad(part, (0, 0, 0, 0, 0, missing)) for part in parts
        )
    y, last = _DeltaScan.apply(size, initial, *parts)  # type: ignore[no-untyped-call]
    return y[:, :length], last


class _DeltaScan(torch.autograd.Function):
    """The scan over whole chunks with its own backward, which goes through the chunks from the last to the first."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands tensors over by position
        ctx: Any,
        size: int,
        initial: Tensor,
        log_decay: Tensor,
        erase: Tensor,
        back: Tensor,
        key: Tensor | None,
        value: Tensor,
        read: Tensor,
    ) -> tuple[Tensor, Tensor]:
        total = _chunks(log_decay, size).cumsum(dim=3)
        scaled = _scaled(total, log_decay, size)
        reads = _stacked(size, (erase, scaled.before), (read, scaled.toward))
        writes = _stacked(size, (back, scaled.away), *(() if key is None else ((key, scaled.away),)))
        values = _chunks(value, size).contiguous()
        pairs = (reads @ writes.transpose(3, 4)).masked_fill_(_unseen(size, writes), 0.0)
        raised = values if key is None else pairs[..., :size, size:] @ values
        solved = _solve(pairs, torch.cat([reads[..., :size, :], raised], dim=-1))
        erased, raised = torch.split(solved, [reads.shape[-1], values.shape[-1]], dim=-1)
        added = values.transpose(3, 4).new_empty(*values.shape[:3], writes.shape[3], values.shape[-1])
        if key is not None:
            added[..., size:, :] = values
        leave = scaled.toward[..., -1:, :].transpose(3, 4)  # (B, H, N, K, 1)
        entered = initial.new_empty(*initial.shape[:2], leave.shape[2] + 1, *initial.shape[2:])
        entered[:, :, 0] = state = initial
        for number in range(leave.shape[2]):
            added[:, :, number, :size] = raised[:, :, number] + erased[:, :, number] @ state
            state = state + writes[:, :, number].transpose(2, 3) @ added[:, :, number]
            entered[:, :, number + 1] = state = state.mul_(leave[:, :, number])
        y = (reads[..., size:, :] @ entered[:, :, :-1]).add_(pairs[..., size:, :] @ added)
        ctx.save_for_backward(total, log_decay, reads, writes, pairs, erased, added, entered)
        ctx.same = key is None
        return _positions(y), state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        total, log_decay, reads, writes, pairs, erased, added, entered = ctx.saved_tensors
        size = total.shape[3]
        d_y, d_state = _chunks(gradients[0], size).contiguous(), gradients[1]
        scaled = _scaled(total, log_decay, size)
        leave = scaled.toward[..., -1:, :].transpose(3, 4)
        # Of what each chunk begins with, and of what it adds, as far as its own reads see them.
        d_entered = reads[..., size:, :].transpose(3, 4) @ d_y
        d_added = pairs[..., size:, :size].transpose(3, 4) @ d_y
        d_left, d_last = torch.empty_like(entered[:, :, 1:]), torch.empty_like(leave)
        for number in reversed(range(leave.shape[2])):
            torch.sum(d_state * entered[:, :, number + 1], dim=-1, keepdim=True, out=d_last[:, :, number])
            d_left[:, :, number] = left = leave[:, :, number] * d_state
            d_added[:, :, number] += writes[:, :, number, :size] @ left
            d_state = left + d_entered[:, :, number]
            d_state += erased[:, :, number].transpose(2, 3) @ d_added[:, :, number]
        solved = torch.cat([_solve(pairs, d_added, transposed=True), d_y], dim=3)
        d_pairs = (solved @ added.transpose(3, 4)).masked_fill_(_unseen(size, writes), 0.0)
        d_reads = (solved @ entered[:, :, :-1].transpose(3, 4)).add_(d_pairs @ writes)
        d_writes = (added @ d_left.transpose(3, 4)).add_(d_pairs.transpose(3, 4) @ reads)
        if ctx.same:
            d_value = solved[..., :size, :]
        else:
            d_value = (pairs[..., size:].transpose(3, 4) @ solved).add_(writes[..., size:, :] @ d_left)
        at_reads, at_writes = d_reads * reads, d_writes * writes
        d_total = at_reads[..., :size, :] + at_reads[..., size:, :] - at_writes[..., :size, :]
        if not ctx.same:
            d_total -= at_writes[..., size:, :]
        d_total[..., -1:, :] += d_last.transpose(3, 4)
        # A log decay counts in the sum of its own position and of all behind it.
        d_log_decay = (torch.ones(size, size).to(d_total).triu() @ d_total).sub_(at_reads[..., :size, :])
        return (
            None,
            d_state,
            _positions(d_log_decay),
            _positions(d_reads[..., :size, :] * scaled.before),
            _positions(d_writes[..., :size, :] * scaled.away),
            None if ctx.same else _positions(d_writes[..., size:, :] * scaled.away),
            _positions(d_value),
            _positions(d_reads[..., size:, :] * scaled.toward),
        )


class _Scaled(NamedTuple):
    """e^{c − log w}, e^c and e^{−c}, each (B, H, N, C, K)."""

    before: Tensor
    toward: Tensor
    away: Tensor


def _scaled(total: Tensor, log_decay: Tensor, size: int) -> _Scaled:
    return _Scaled((total - _chunks(log_decay, size)).exp_(), total.exp(), (-total).exp_())


def _chunks(part: Tensor, size: int) -> Tensor:
    """(B, T, H, K) seen as (B, H, N, C, K)."""
    rows, length, heads, channels = part.shape
    return part.view(rows, length // size, size, heads, channels).permute(0, 3, 1, 2, 4)


def _positions(part: Tensor) -> Tensor:
    """The inverse of `_chunks`, in one piece."""
    return part.permute(0, 2, 3, 1, 4).flatten(1, 2)


def _stacked(size: int, *products: tuple[Tensor, Tensor]) -> Tensor:
    """(B, T, H, K) of each times its scale, below one another: (B, H, N, 2 C, K)."""
    shape = products[0][1].shape
    stacked = products[0][1].new_empty(*shape[:3], len(products) * size, shape[4])
    for number, (part, scale) in enumerate(products):
        torch.mul(_chunks(part, size), scale, out=stacked[..., number * size : (number + 1) * size, :])
    return stacked


def _solve(pairs: Tensor, right: Tensor, *, transposed: bool = False) -> Tensor:
    """(I − A)⁻¹ right, or its transpose's."""
    size = right.shape[3]
    system = torch.eye(size, dtype=right.dtype, device=right.device) - pairs[..., :size, :size]
    if transposed:
        system = system.transpose(3, 4)
    solved: Tensor = torch.linalg.solve_triangular(system, right, upper=transposed, unitriangular=True)
    return solved


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
