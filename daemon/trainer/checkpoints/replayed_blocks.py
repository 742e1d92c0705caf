"""Items of a replay memory as a single-file checkpoint takes them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.memory.replay import ReplayMemory

BLOCK_ROWS = 65_536


def blocks_of(memory: ReplayMemory | None) -> Iterator[dict[str, torch.Tensor]]:
    """The items of a replay memory in the order of its slots, a block of columns at a time."""
    for rows in memory.items(BLOCK_ROWS) if memory is not None else ():
        columns = {field.name: getattr(rows, field.name) for field in dataclasses.fields(rows)}
        yield {name: torch.from_numpy(column) for name, column in columns.items()}
