"""Recurrences of matrix states, as compiled loops where there are any, else as matrix products over chunks.

Loops serve tensors of single or double precision on a CPU. Rows and heads are independent of each other, so they are
shared out to as many threads as torch has, and the result does not depend on how many.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from brain.blocks.delta_scan import CHUNK, DeltaStep, delta_scan
from brain.blocks.loops import recurrent_loops
from brain.jit import EXACT_ENOUGH, compile_all

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

MARKED = recurrent_loops.EVERY
UNROLLED = 4  # rows of a state processed at a time


class Loops(NamedTuple):
    """The functions of `recurrent_loops`, compiled."""

    delta_forward: Callable[..., None]
    delta_backward: Callable[..., None]
    space_forward: Callable[..., None]
    space_backward: Callable[..., None]
    conv_forward: Callable[..., None]
    conv_backward: Callable[..., None]


@cache
def compiled_loops() -> Loops | None:
    """Compiled when first called, or taken from the cache; None without Numba."""
    functions = [getattr(recurrent_loops, name) for name in Loops._fields]
    try:
        return Loops(*compile_all(*functions, sources=[recurrent_loops], kept=True, fastmath=EXACT_ENOUGH))
    except ImportError:
        logger.warning("Numba is not installed: matrix recurrences are slower (pip install numba)")
        return None


def loops_for(*parts: Tensor, unrolled: int = UNROLLED) -> Loops | None:
    """The loops, if they serve these tensors; `unrolled` is the number of rows of a state."""
    first = parts[0]
    fits = first.device.type == "cpu" and first.dtype in {torch.float32, torch.float64}
    alike = all(part.dtype == first.dtype for part in parts)
    return compiled_loops() if fits and alike and unrolled % UNROLLED == 0 else None


def run(loop: Callable[..., None], count: int, *parts: Tensor) -> None:
    """Call the loop for all of `count` rows or pairs, shared out to torch's threads."""
    arrays = [part.detach().numpy() for part in parts]
    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        loop(*arrays, 0, count)
        return
    bounds = [count * number // threads for number in range(threads + 1)]
    list(_pool(threads).map(lambda number: loop(*arrays, *bounds[number : number + 2]), range(threads)))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="recurrences")


def delta_rule(step: DeltaStep, initial: Tensor, *, chunk: int = CHUNK) -> tuple[Tensor, Tensor]:
    """As `brain.blocks.delta_scan.delta_scan`, which it is where loops do not serve."""
    loops = loops_for(initial, *step, unrolled=initial.shape[2])
    if loops is None:
        return delta_scan(step, initial, chunk=chunk)
    key = None if step.key is step.back else step.key
    y, last = _DeltaRule.apply(
        loops, initial, step.log_decay, step.erase, step.back, key, step.value, step.read
    )  # type: ignore[no-untyped-call]
    return y, last


class _DeltaRule(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands tensors over by position
        ctx: Any,
        loops: Loops,
        initial: Tensor,
        log_decay: Tensor,
        erase: Tensor,
        back: Tensor,
        key: Tensor | None,
        value: Tensor,
        read: Tensor,
    ) -> tuple[Tensor, Tensor]:
        given = (log_decay.exp(), erase, back, back if key is None else key, value, read)
        parts = [part.contiguous() for part in given]
        state, y = initial.clone(memory_format=torch.contiguous_format), torch.empty_like(parts[4])
        marks = _marks(state, log_decay.shape[1], kept=any(ctx.needs_input_grad))
        run(loops.delta_forward, state.shape[0] * state.shape[1], *parts, state, y, marks)
        ctx.save_for_backward(*parts, marks)
        ctx.loops, ctx.same = loops, key is None
        return y, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *parts, marks = ctx.saved_tensors
        d_state = gradients[1].clone(memory_format=torch.contiguous_format)
        w, a, b, k, v, r = (torch.empty_like(part) for part in parts)
        count = marks.shape[0] * marks.shape[1]
        run(
            ctx.loops.delta_backward, count, *parts, marks, gradients[0].contiguous(), d_state,
            w, a, b, k, v, r,
        )  # fmt: skip
        if ctx.same:
            b.add_(k)
        return None, d_state, w.mul_(parts[0]), a, b, None if ctx.same else k, v, r


def state_space(
    loops: Loops, *, log_decay: Tensor, dt: Tensor, mixed: Tensor, skip: Tensor, initial: Tensor
) -> tuple[Tensor, Tensor]:
    """H_t = e^{a_t} H_{t−1} + dt_t x_t B_tᵀ, y_t = H_t C_t + D x_t.

    Shapes: log_decay a and dt (B, T, H), mixed [x, B, C] (B, T, H P + 2 N), skip D (H), initial (B, H, P, N);
    result y (B, T, H P) and the last state.
    """
    y, last = _StateSpace.apply(loops, log_decay, dt, mixed, skip, initial)  # type: ignore[no-untyped-call]
    return y, last


class _StateSpace(torch.autograd.Function):
    """Its loops have the state the other way round, so that they run along the channels that are read."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands tensors over by position
        ctx: Any, loops: Loops, log_decay: Tensor, dt: Tensor, mixed: Tensor, skip: Tensor, initial: Tensor
    ) -> tuple[Tensor, Tensor]:
        parts = (log_decay.exp(), dt.contiguous(), mixed.contiguous(), skip.contiguous())
        state = initial.transpose(2, 3).clone(memory_format=torch.contiguous_format)
        y = mixed.new_empty(*mixed.shape[:2], state.shape[1] * state.shape[3])
        marks = _marks(state, dt.shape[1], kept=any(ctx.needs_input_grad))
        run(loops.space_forward, len(state), *parts, state, y, marks)
        ctx.save_for_backward(*parts, marks)
        ctx.loops = loops
        return y, state.transpose(2, 3)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *parts, marks = ctx.saved_tensors
        decay, dt, mixed, _ = parts
        d_state = gradients[1].transpose(2, 3).clone(memory_format=torch.contiguous_format)
        d_decay, d_dt, d_mixed = torch.empty_like(decay), torch.empty_like(dt), torch.zeros_like(mixed)
        d_skip = mixed.new_zeros(marks.shape[:2])
        run(
            ctx.loops.space_backward, len(marks), *parts, marks, gradients[0].contiguous(), d_state,
            d_decay, d_dt, d_mixed, d_skip,
        )  # fmt: skip
        return None, d_decay.mul_(decay), d_dt, d_mixed, d_skip.sum(dim=0), d_state.transpose(2, 3)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: Loops, reach: Tensor, weight: Tensor) -> Tensor:
        parts = (reach.contiguous(), weight.contiguous())
        y = reach.new_empty(len(reach), reach.shape[1] - len(weight) + 1, reach.shape[2])
        run(loops.conv_forward, len(reach), *parts, y)
        ctx.save_for_backward(*parts)
        ctx.loops = loops
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        reach, weight = ctx.saved_tensors
        d_reach, d_weight = torch.zeros_like(reach), weight.new_zeros(len(reach), *weight.shape)
        run(
            ctx.loops.conv_backward,
            len(reach),
            reach,
            weight,
            gradients[0].contiguous(),
            d_reach,
            d_weight,
        )
        return None, d_reach, d_weight.sum(dim=0)


def convolve(loops: Loops, reach: Tensor, weight: Tensor) -> Tensor:
    """y_t = Σ_k weight_k ⊙ reach_{t+k}: reach (B, T + 3, D), weight (4, D), result (B, T, D)."""
    y: Tensor = _Convolution.apply(loops, reach, weight)  # type: ignore[no-untyped-call]
    return y


def _marks(state: Tensor, length: int, *, kept: bool) -> Tensor:
    """Room for the states at every sixteenth position; none where nobody will go back."""
    return state.new_empty(*state.shape[:2], -(-length // MARKED) if kept else 0, *state.shape[2:])
