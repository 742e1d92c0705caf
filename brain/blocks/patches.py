"""Causal patches: bytes become patches of P, and the latent of the patches so far becomes one distribution a byte.

A patch is read when the byte behind it is to be predicted, so what is known of byte t follows from the bytes before t
alone. Rows may stand at different places of a patch. The bytes before a span come with it (`KEPT` of them), so that a
span may begin and end anywhere.

Shapes: B rows, T bytes of a span, S patches that are read in it, P bytes of a patch, W bytes that an encoder reads at
once, d width of a latent, e of a byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from brain.blocks.bigram import Bigram
from brain.blocks.linear import Linear
from brain.blocks.norm import rms_norm
from brain.blocks.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from brain.blocks.mlp import MLP

LOCAL = (
    4  # bytes before one that its decoder reads, wherever they stand; an encoder reads at least as many more
)


def patches_at_once(patch_size: int) -> int:
    """Patches that an encoder reads for one latent: the one itself, and those of the four bytes before it.

    >>> patches_at_once(4), patches_at_once(1)
    (2, 5)
    """
    return 1 - (-LOCAL // patch_size)


def kept_bytes(patch_size: int) -> int:
    """Bytes before a span that must come with it: what an encoder reads at once, and the predecessor of the first.

    >>> kept_bytes(4)
    9
    """
    return patches_at_once(patch_size) * patch_size + 1


@dataclass(frozen=True)
class PatchGrid:
    """Which patches are read in a span of bytes, and where they lie.

    Attributes:
        size: P.
        length: T.
        span: of the patches: positions count those read before; `lengths` where rows read different numbers.
        ahead: int64 (B,), bytes of the span that stand before its first patch boundary, 0 to P − 1.
        same: `ahead` of every row, where it is that of all; None otherwise.
        count: int64 (B,), patches that each row reads.
    """

    size: int
    length: int
    span: Span
    ahead: Tensor
    same: int | None
    count: Tensor

    @classmethod
    def of(cls, bytes_span: Span, size: int) -> PatchGrid:
        """The grid of a span of bytes."""
        first = patches_before(bytes_span.position, size)
        ahead = first * size - bytes_span.position
        count = patches_before(bytes_span.end, size) - first
        same = int(ahead[0]) if len(ahead) and bool((ahead == ahead[0]).all()) else None
        most = int(count.max()) if len(count) else 0
        # While weights learn every part is computed, whatever the rows hold.
        most = max(most, 1) if torch.is_grad_enabled() else most
        span = Span(
            position=first,
            length=most,
            fresh_only=bytes_span.fresh_only,
            dtype=bytes_span.dtype,
            lengths=None if bool((count == most).all()) else count,
        )
        return cls(size, bytes_span.length, span, ahead, same, count)

    def windows(self, features: Tensor) -> Tensor:
        """Of each patch the features of its bytes and of those before it: (B, S, W e).

        Of (B, T + W − 1, e), where the first of the span has W before it, itself among them.
        """
        together, num_patches = patches_at_once(self.size), self.span.length
        needed = self.size * (num_patches + together - 1)
        missing = self.size - 1 + needed - features.shape[1]
        if missing > 0:
            features = functional.pad(features, (0, 0, 0, missing))
        aligned = _cut(features, self.ahead, self.same, needed)
        patches = aligned.reshape(len(aligned), -1, self.size * aligned.shape[2])
        return torch.cat([patches[:, number : number + num_patches] for number in range(together)], dim=2)

    def by_byte(self, places: Tensor) -> Tensor:
        """What each byte reads of its latent: of places (B, 1 + S, P, e), the carried latent first, (B, T, e)."""
        flat = places.flatten(1, 2)
        missing = self.size + self.length - flat.shape[1]
        if missing > 0:
            flat = functional.pad(flat, (0, 0, 0, missing))
        same = None if self.same is None else self.size - self.same
        return _cut(flat, self.size - self.ahead, same, self.length)

    def slot(self) -> Tensor:
        """Which latent of (carried, S patches) each byte reads: int64 (B, T)."""
        time = torch.arange(self.length, device=self.ahead.device)
        return (time + self.size - self.ahead[:, None]) // self.size

    def counted(self, num_bytes: Tensor) -> Tensor:
        """Which patches (B, S) are read to predict the first `num_bytes` (B,) bytes of the rows."""
        own = -(-(num_bytes - self.ahead).clamp(min=0) // self.size)
        return torch.arange(self.span.length, device=own.device) < own[:, None]

    def last(self, latents: Tensor) -> Tensor:
        """Of latents (B, 1 + S, d), the carried one first, that behind each row's last patch: (B, d)."""
        return latents[torch.arange(len(latents), device=latents.device), self.count]


def patches_before(position: Tensor, size: int) -> Tensor:
    """Patches that were read when the byte at a position is to come: one of nothing at 0, then one each P bytes.

    >>> patches_before(torch.tensor([0, 1, 4, 5, 8]), 4).tolist()
    [0, 1, 1, 2, 2]
    """
    return (position + size - 1) // size


def _cut(line: Tensor, start: Tensor, same: int | None, length: int) -> Tensor:
    """`length` places of each row of line (B, L, e) from `start` (B,) on."""
    if same is not None:
        return line[:, same : same + length]
    place = start[:, None] + torch.arange(length, device=line.device)
    return line.gather(1, place.clamp(max=line.shape[1] - 1).unsqueeze(-1).expand(-1, -1, line.shape[2]))


class ByteFeatures(nn.Module):
    """What a byte is to encoder and decoder: its row of an embedding, and of a table by the pair it ends."""

    def __init__(self, size: int, *, bigram_size: int) -> None:
        super().__init__()
        self.bigram = Bigram(bigram_size, size) if bigram_size else None

    def forward(self, line: Tensor, valid: Tensor, embedding: Tensor, dtype: torch.dtype) -> Tensor:
        """Features (B, L − 1, e) in `dtype` of all bytes of line (B, L) but the first; `valid` is False on padding."""
        x = functional.embedding(line[:, 1:], embedding)
        if self.bigram is not None:
            x = x + self.bigram(line[:, :-1], line[:, 1:], valid[:, 1:], dtype)
        return rms_norm(x, dtype)


class PatchEncoder(nn.Module):
    """A latent (B, S, d) for each patch, from its bytes and those before it."""

    def __init__(self, size: int, *, byte_size: int, patch_size: int) -> None:
        super().__init__()
        self.into = Linear(patches_at_once(patch_size) * patch_size * byte_size, size)

    def forward(self, features: Tensor, grid: PatchGrid) -> Tensor:
        """Encode, in at least float32."""
        x = self.into(grid.windows(features))
        return rms_norm(x, torch.promote_types(x.dtype, torch.float32))


class ByteDecoder(nn.Module):
    """Distributes over the next byte: a latent through a matrix for each place of a patch, the last bytes, MLPs.

    Args:
        size: d.
        byte_size: e.
        patch_size: P.
        layers: the MLPs.
    """

    def __init__(self, size: int, *, byte_size: int, patch_size: int, layers: Iterable[MLP]) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.places = Linear(size, patch_size * byte_size)
        self.near = Linear(LOCAL * byte_size, byte_size)
        self.layers = nn.ModuleList(layers)

    def local(self, features: Tensor, length: int) -> Tensor:
        """What the last bytes give each of the `length` bytes that are to come: (B, T, e)."""
        first = features.shape[1] - length - LOCAL + 1
        reach = [features[:, first + number : first + number + length] for number in range(LOCAL)]
        y: Tensor = self.near(torch.cat(reach, dim=2))
        return y

    def forward(self, latents: Tensor, local: Tensor, grid: PatchGrid) -> Tensor:
        """States (B, T, e), in at least float32, that a head reads; latents (B, 1 + S, d), the carried one first."""
        dtype = local.dtype
        places = self.places(latents.to(dtype)).unflatten(-1, (self.patch_size, -1))
        x = (grid.by_byte(places) + local).to(torch.promote_types(dtype, torch.float32))
        for layer in self.layers:
            x = x + layer(rms_norm(x, dtype))
        return rms_norm(x)
