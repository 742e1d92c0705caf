"""A rotation of a few channels that is learned and stays one: Cayley's map of a skew matrix."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CayleyRotation(nn.Module):
    """Turns the first `channels` of the last dimension by Q = (I − A)(I + A)⁻¹, where A = −Aᵀ; the rest stays.

    Q is orthogonal whatever A is, so it neither shrinks nor blows up what passes through it, however often. The
    parameter holds A below its diagonal. Begins as the identity. Source: Cayley 1846; Helfrich et al. 2018.
    """

    def __init__(self, size: int, *, channels: int = 32) -> None:
        super().__init__()
        self.channels = min(channels, size)
        self.skew = nn.Parameter(torch.zeros(self.channels * (self.channels - 1) // 2))

    def rotation(self) -> Tensor:
        """Q (channels, channels)."""
        below = torch.tril_indices(self.channels, self.channels, -1, device=self.skew.device)
        half = self.skew.new_zeros(self.channels, self.channels).index_put((below[0], below[1]), self.skew)
        skew = half - half.T
        identity = torch.eye(self.channels, dtype=skew.dtype, device=skew.device)
        # (I − A) and (I + A)⁻¹ commute. I + A is never singular: eigenvalues of A are imaginary.
        turn: Tensor = torch.linalg.solve(identity + skew, identity - skew)
        return turn

    def forward(self, x: Tensor) -> Tensor:
        """Turn x (…, size), in its own precision."""
        turned = x[..., : self.channels] @ self.rotation().to(x.dtype).T
        return torch.cat([turned, x[..., self.channels :]], dim=-1)

    @torch.no_grad()
    def initialize(self, generator: torch.Generator) -> None:
        """No rotation."""
        del generator
        self.skew.zero_()
