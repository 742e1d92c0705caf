"""A shared workspace: a few slots that all modules of a stream write to by competition and read from by attention.

At each position a slot k weighs what the modules m computed so far propose there against what it holds:

    w_{k,t} = (b_k w_{k,t−1} + Σ_m s²_{k,m} v_m) / (b_k + Σ_m s²_{k,m}),   s_m = W_s y_m / r,   v_m = W_v y_m / r

where y is a module's output and r the root mean square of the stream behind it. Modules compete with one another and
with the old content, positions do not: the weights follow from outputs alone, so that this is a diagonal linear
recurrence. It is causal, its state is constant, and a span is one scan. A module whose output is zero has no weight,
so one that is born with a silent output changes nothing. What reads in front of a block sees what blocks before it
wrote at this position, and all that these wrote before.

Shapes: B rows, T positions, d width of the stream, M modules, K slots of width w.
Source: Goyal et al. 2021, "Coordination among neural modules through a shared global workspace". There the gate also
looks at the old content, which would need a step for each position, and only the best few modules write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from brain.blocks.linear import Linear
from brain.blocks.norm import EPSILON
from brain.blocks.scan import backward_scan, scan
from brain.blocks.span import last_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from brain.blocks.mixer import State
    from brain.blocks.span import Span

LONGEST_KEEP = (
    4.0  # b of the slowest newborn slot; that of the fastest is 1, as much as a module as loud as the stream
)


class Workspace(nn.Module):
    """Slots shared by the blocks of a stream.

    Args:
        size: width d of the stream.
        slots: K.
        width: w of a slot.
        readers: names of the blocks that read.
    """

    def __init__(self, size: int, *, slots: int, width: int, readers: Iterable[str]) -> None:
        super().__init__()
        self.slots, self.width = slots, width
        self.propose = Linear(size, slots + width)
        self.query = Linear(size, width)
        self.log_keep = nn.Parameter(torch.empty(slots))
        self.readers = tuple(readers)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """How firmly each slot keeps its content, even in the logarithm; matrices draw themselves."""
        del generator  # spread, not drawn
        self.log_keep.copy_(torch.linspace(0.0, 1.0, self.slots) * torch.tensor(LONGEST_KEEP).log())

    def new_state(self, rows: int, *, device: torch.device, dtype: torch.dtype) -> State:
        """Empty slots as each reader sees them: (rows, K, w), in float32."""
        wide = torch.promote_types(dtype, torch.float32)
        shape = (rows, self.slots, self.width)
        return {name: torch.zeros(shape, device=device, dtype=wide) for name in self.readers}

    def board(self, span: Span, state: Mapping[str, Tensor] | None) -> Board:
        """What one pass writes on; `state` holds the B rows, None when all are fresh."""
        return Board(self, span, state)


class Board:
    """The workspace during one pass over a span.

    Attributes:
        update: the slots behind the span as each reader saw them.
    """

    def __init__(self, workspace: Workspace, span: Span, state: Mapping[str, Tensor] | None) -> None:
        self.update: State = {}
        self._workspace, self._span, self._state = workspace, span, state
        self._keep = workspace.log_keep.exp()
        self._written: tuple[Tensor, Tensor] | None = None

    def write(self, *outputs: Tensor, stream: Tensor) -> None:
        """Modules propose their outputs; behind the last reader that is for nobody.

        Outputs grow as a brain learns, and would soon leave no share to what a slot holds: they count for what they are
        beside the stream. No gradient flows through the stream's part in that.

        Shapes: outputs, and the stream that they have joined, (B, T, d).
        """
        workspace = self._workspace
        if workspace.readers[-1] in self.update:
            return
        wide = torch.promote_types(outputs[0].dtype, torch.float32)
        square = torch.linalg.vector_norm(stream.detach().to(wide), dim=-1, keepdim=True).square_()
        loudness = square.div_(stream.shape[-1]).add_(EPSILON).rsqrt_()
        proposals = workspace.propose(torch.stack(outputs)).to(wide) * loudness
        score, value = proposals.split([workspace.slots, workspace.width], dim=-1)
        total, content = added(score, value)
        if self._written is None:
            self._written = self._keep + total, content
        else:
            self._written = self._written[0] + total, self._written[1] + content

    def read(self, name: str, x: Tensor) -> Tensor:
        """What the reader `name` finds in the slots for what it reads of its stream, x (B, T, d): (B, T, w)."""
        if self._written is None:
            raise ValueError("nothing was written yet")
        total, content = self._written
        initial = (
            torch.zeros_like(content[:, 0])
            if self._state is None
            else self._span.keep(self._state[name]).to(content.dtype)
        )
        slots = held(self._keep, total, content, initial)
        lengths = self._span.lengths
        passed = slots if lengths is None else torch.cat([initial.unsqueeze(1), slots], dim=1)
        self.update[name] = last_read(passed, 1, lengths).squeeze(1)
        return attend(self._workspace.query(x).to(content.dtype), slots).to(x.dtype)


class _Added(torch.autograd.Function):
    """See `added`."""

    @staticmethod
    def forward(ctx: Any, score: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        share, value = score.square().unsqueeze(-1), value.unsqueeze(-2)
        content = share[0] * value[0]
        for one, own in zip(share[1:], value[1:], strict=True):
            content.addcmul_(one, own)
        ctx.save_for_backward(score, share, value)
        return share.sum(dim=0).squeeze(-1), content

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        score, share, value = ctx.saved_tensors
        to_total, to_content = gradients
        d_share = torch.stack([(to_content * own).sum(dim=-1) for own in value]).add_(to_total)
        d_value = torch.stack([(to_content * one).sum(dim=-2) for one in share])
        return d_share.mul_(score).mul_(2.0), d_value


def added(score: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Σ_m s²_m (B, T, K) and Σ_m s²_m v_m (B, T, K, w) of scores (M, B, T, K) and values (M, B, T, w)."""
    total, content = _Added.apply(score, value)  # type: ignore[no-untyped-call]
    return total, content


class _Held(torch.autograd.Function):
    """See `held`."""

    @staticmethod
    def forward(ctx: Any, keep: Tensor, total: Tensor, content: Tensor, initial: Tensor) -> Tensor:
        share = total.reciprocal()
        slots = scan((keep * share).unsqueeze(-1), content * share.unsqueeze(-1), initial)
        ctx.save_for_backward(keep, share, slots, initial)
        return slots

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        keep, share, slots, initial = ctx.saved_tensors
        delta = backward_scan((keep * share).unsqueeze(-1), gradients[0])
        # With w_t = (b w_{t−1} + c) / n:  dn = −δ·w/n,  dc = δ/n,  db = Σ δ·w_{t−1}/n.
        d_total = (delta * slots).sum(dim=-1).mul_(share).neg_()
        past = torch.cat([initial.unsqueeze(1), slots[:, :-1]], dim=1)
        d_keep = (delta * past).sum(dim=-1).mul_(share).sum(dim=(0, 1))
        return d_keep, d_total, delta * share.unsqueeze(-1), None


def held(keep: Tensor, total: Tensor, content: Tensor, initial: Tensor) -> Tensor:
    """Slots w_t = (b w_{t−1} + content_t) / total_t behind each position: (B, T, K, w).

    Shapes: keep b (K,), total (B, T, K), content (B, T, K, w), initial (B, K, w), which gets no gradient.
    """
    slots: Tensor = _Held.apply(keep, total, content, initial)  # type: ignore[no-untyped-call]
    return slots


class _Attend(torch.autograd.Function):
    """softmax(slots · query / √w) · slots, in few passes over the slots."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, slots: Tensor) -> Tensor:
        query = query.unsqueeze(-2) * query.shape[-1] ** -0.5
        weight = (slots * query).sum(dim=-1, keepdim=True).softmax(dim=-2)
        ctx.save_for_backward(query, slots, weight)
        return (slots * weight).sum(dim=-2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        query, slots, weight = ctx.saved_tensors
        gradient = gradients[0].unsqueeze(-2)
        slope = (slots * gradient).sum(dim=-1, keepdim=True)
        slope = torch._softmax_backward_data(slope, weight, -2, weight.dtype)
        d_query = (slots * slope).sum(dim=-2) * query.shape[-1] ** -0.5
        return d_query, (weight * gradient).addcmul_(slope, query)


def attend(query: Tensor, slots: Tensor) -> Tensor:
    """What a query (B, T, w) finds in slots (B, T, K, w): (B, T, w)."""
    found: Tensor = _Attend.apply(query, slots)  # type: ignore[no-untyped-call]
    return found
