"""A matrix without bias, applied in the precision of its input, and how weights begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.ternary import Ternary, ternary, ternary_linear

if TYPE_CHECKING:
    from brain.blocks.held_ternary import HeldTernary


class _SplitSum(torch.autograd.Function):
    """x Wᵀ, the first `num_existing` columns of W summed by themselves."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, num_existing: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        later = functional.linear(x[..., num_existing:], weight[:, num_existing:])
        return functional.linear(x[..., :num_existing], weight[:, :num_existing]).add_(later)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        [gradient] = gradients
        to_x, to_weight, _ = ctx.needs_input_grad
        return (
            gradient @ weight if to_x else None,
            gradient.reshape(-1, len(weight)).T @ x.reshape(-1, weight.shape[1]) if to_weight else None,
            None,
        )


class Linear(nn.Module):
    """y = x Wᵀ, with W kept in float32 and cast to the precision of x.

    Shapes: x (…, in_features), y (…, out_features), weight (out_features, in_features).
    A `zero` matrix begins at zero: put at the end of a residual branch, the branch begins as the identity.
    Of a matrix that has grown, the first `num_existing` columns are summed by themselves: how a library splits a sum
    depends on its length, so that one sum over all would change the last bits of what those columns give together.

    Attributes:
        is_ternary: the matrix is used as if its weights were −1, 0 or 1 times a scale (`brain.blocks.ternary`).
        held: the ternary matrix while weights do not change; nothing learns from its passes. None: made in each pass.
    """

    is_ternary = False
    held: HeldTernary | None = None

    def __init__(
        self, in_features: int, out_features: int, *, zero: bool = False, num_existing: int | None = None
    ) -> None:
        super().__init__()
        self.zero = zero
        self.num_existing = in_features if num_existing is None else num_existing
        self.weight = nn.Parameter(torch.empty(out_features, in_features))

    @property
    def spread(self) -> float:
        """Standard deviation with which the weights begin."""
        return 0.0 if self.zero else float(self.weight.shape[1] ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the matrix."""
        if self.is_ternary:
            if self.held is not None and not torch.is_grad_enabled():
                return self.held.product(x)
            return ternary_linear(x, self.weight, self.as_ternary())
        weight = self.weight.to(x.dtype)
        if self.num_existing == weight.shape[1]:
            if (
                len(weight) == 1
            ):  # a library's last bits for one column depend on where in the batch a row stands
                return (x * weight).sum(dim=-1, keepdim=True)
            return functional.linear(x, weight)
        y: Tensor = _SplitSum.apply(x, weight, self.num_existing)  # type: ignore[no-untyped-call]
        return y

    @torch.no_grad()
    def as_ternary(self) -> Ternary:
        """The matrix as signs and scales."""
        return ternary(self.weight, self.num_existing)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weight with variance 1 / in_features, or set it to zero."""
        if self.zero:
            self.weight.zero_()
        else:
            self.weight.normal_(0.0, self.spread, generator=generator)


def initialize(network: nn.Module, generator: torch.Generator) -> None:
    """Call `initialize(generator)` on every module that has one, in the order of registration.

    Nothing is drawn from the global random state, so that two brains of one seed are equal on any machine.
    """
    for module in network.modules():
        begin = getattr(module, "initialize", None)
        if begin is not None:
            begin(generator)
