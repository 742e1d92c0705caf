"""A span: the stretch of a stream that one forward pass covers, and what all mixers share about it.

Shapes: B rows, T positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


def per_row(of_row: Tensor, values: Tensor) -> Tensor:
    """One value a row, (B,), made to broadcast with values (B, …).

    >>> per_row(torch.zeros(2), torch.zeros(2, 3, 4)).shape
    torch.Size([2, 1, 1])
    """
    return of_row.view(-1, *[1] * (values.dim() - 1))


def last_read(line: Tensor, width: int, lengths: Tensor | None) -> Tensor:
    """The last `width` that each row has read, (B, W, …).

    Args:
        line: (B, W + T, …), the W before a span and then its T positions.
        width: W.
        lengths: positions of each row that count, as in `Span`.

    >>> last_read(torch.tensor([[7, 8, 1, 2, 0], [7, 8, 1, 2, 3]]), 2, torch.tensor([1, 3])).tolist()
    [[8, 1], [2, 3]]
    """
    if lengths is None:
        return line[:, line.shape[1] - width :]
    place = lengths[:, None] + torch.arange(width, device=line.device)
    return line[torch.arange(len(line), device=line.device)[:, None], place]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where B rows stand in their streams, and how many symbols of each are read now.

    Attributes:
        position: int64 (B,), symbols read since the last reset; 0 marks a fresh row, whose state is not looked at.
        length: T, positions of the span.
        fresh_only: True when every row is fresh, so that no state need be gathered or attended to.
        dtype: precision of matrix products.
        lengths: int64 (B,), positions of each row that count for its state, where a row that continues is shorter
            than the span; None where none is.
    """

    position: Tensor
    length: int
    fresh_only: bool = False
    dtype: torch.dtype = torch.float32
    lengths: Tensor | None = None
    _biases: dict[int, Tensor] = field(default_factory=dict)
    _counted: list[Tensor] = field(default_factory=list)

    @property
    def end(self) -> Tensor:
        """Where each row stands behind the span: int64 (B,)."""
        return self.position + (self.length if self.lengths is None else self.lengths)

    @classmethod
    def beginning(cls, rows: int, length: int, *, device: torch.device, dtype: torch.dtype) -> Span:
        """A span at the start of fresh streams."""
        position = torch.zeros(rows, dtype=torch.int64, device=device)
        return cls(position=position, length=length, fresh_only=True, dtype=dtype)

    def keep(self, carried: Tensor) -> Tensor:
        """The carried state (B, …) with zeros in place of what a fresh row would find there."""
        return carried.masked_fill(per_row(self.position == 0, carried), 0.0)

    def counted_only(self, values: Tensor) -> Tensor:
        """Values (B, T, …) with zeros at positions behind the end of their row, which its state must not see."""
        if self.lengths is None:
            return values
        if not self._counted:
            time = torch.arange(self.length, device=self.lengths.device)
            self._counted.append(time < self.lengths[:, None])
        shape = (*values.shape[:2], *[1] * (values.dim() - 2))
        return values.masked_fill(~self._counted[0].view(shape), 0.0)

    def window_bias(self, window: int) -> Tensor:
        """Additive attention bias: 0 where a query may look, −inf elsewhere. Built once for all layers.

        Shapes: (1, 1, T, T) for fresh rows, else (B, 1, T, W + T): the W slots of the ring, then the span
        itself. A query sees itself and the `window` − 1 bytes before it, none of them from before a reset.
        """
        if window not in self._biases:
            device = self.position.device
            time = torch.arange(self.length, dtype=torch.int32, device=device)
            distance = time[:, None] - time[None, :]
            visible = ((distance >= 0) & (distance < window))[None]
            if not self.fresh_only:
                slot = torch.arange(window, device=device)
                last = self.position[:, None] - 1
                held = last - (last - slot).remainder(window)  # position of the byte that each slot holds
                # Of its newest byte, at most `window`; what was never written is older than that.
                age = (self.position[:, None] - held).where(held >= 0, window).to(torch.int32)
                ring = age[:, None, :] + time[:, None] < window
                visible = torch.cat([ring, visible.expand(len(ring), -1, -1)], dim=-1)
            bias = torch.zeros(visible.shape, dtype=self.dtype, device=device)
            self._biases[window] = bias.masked_fill_(~visible, float("-inf"))[:, None]
        return self._biases[window]
