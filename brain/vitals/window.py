"""A bounded window over rows of evidence, newest last, that survives a restart."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


class Window:
    """The newest `capacity` rows of equally long tensors, kept as they came until they are asked for.

    Adding costs no copy and no synchronisation with a device; `arrays` joins and moves them.
    """

    def __init__(self, capacity: int, columns: tuple[str, ...]) -> None:
        self.capacity = capacity
        self.columns = columns
        self._pieces: deque[tuple[Tensor, ...]] = deque()
        self._rows = 0

    def __len__(self) -> int:
        return min(self._rows, self.capacity)

    def add(self, *pieces: Tensor) -> None:
        """Append rows, one tensor a column; older ones beyond the capacity fall out, whole pieces at a time.

        A change of width (the brain grew) empties the window first.
        """
        rows = len(pieces[0])
        if rows == 0:
            return
        if self._pieces and any(
            new.shape[1:] != old.shape[1:] for new, old in zip(pieces, self._pieces[-1], strict=True)
        ):
            self.clear()
        self._pieces.append(tuple(piece.detach() for piece in pieces))
        self._rows += rows
        while self._rows - len(self._pieces[0][0]) >= self.capacity:
            self._rows -= len(self._pieces.popleft()[0])

    def clear(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._rows = 0

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """The window's columns as float64, (N, …) each."""
        return tuple(tensor.double().numpy() for tensor in self._joined())

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """The window's columns by name, on the CPU."""
        return {f"{prefix}.{name}": tensor for name, tensor in zip(self.columns, self._joined(), strict=True)}

    def load(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        """Take back what `tensors` gave; nothing under the prefix leaves the window empty."""
        self.clear()
        pieces = [tensors[f"{prefix}.{name}"] for name in self.columns if f"{prefix}.{name}" in tensors]
        if len(pieces) == len(self.columns) and len(pieces[0]):
            self.add(*(piece.clone() for piece in pieces))

    def _joined(self) -> tuple[Tensor, ...]:
        if not self._pieces:
            return tuple(torch.zeros(0) for _ in self.columns)
        columns = zip(*self._pieces, strict=True)
        return tuple(torch.cat(list(column))[-self.capacity :].cpu() for column in columns)
