"""What the hippocampus knows of a context: the longest match, the next byte by each memory, a completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.memory.hippocampus.bit_paths import path_probability
from brain.memory.ports import Recollection
from brain.online.reading import SPAN_SYMBOLS

if TYPE_CHECKING:
    from torch import Tensor

    from brain.memory.hippocampus.exact_memory import Hippocampus, MemoryReader
    from brain.online.reading import Reader

SURE = 0.5  # a completion ends where there is no match and memory gives no byte more than that


@torch.no_grad()
def recall(network: Reader, memory: Hippocampus, context: bytes, *, max_bytes: int) -> Recollection:
    """Read `context` from the reset state and look; both are only looked at.

    Args:
        network: its reader of one row, of bytes, that has read nothing.
        memory: of the brain.
        context: at least one byte.
        max_bytes: of the completion.
    """
    reader = memory.reader(1)
    for part in torch.split(
        torch.frombuffer(bytearray(context), dtype=torch.uint8)[None], SPAN_SYMBOLS, dim=1
    ):
        expected = network.read(part.to(network.device)).softmax(dim=-1)
        _read(reader, part, path_probability(expected, part.to(network.device)))
    alone = network.predict().softmax(dim=-1).double().cpu()
    both, by_memory = reader.predict(alone)[0], _by_memory(reader)
    match = reader.match()
    return Recollection(
        num_bytes=len(context),
        match=match,
        memory=by_memory,
        network=alone[0],
        both=both,
        completion=_completed(reader, by_memory, max_bytes),
    )


def _by_memory(reader: MemoryReader) -> Tensor:
    """Probabilities (256,) of the byte to come where the network expects nothing: its evidence for every bit is 0."""
    return reader.predict(torch.full((1, 256), 1 / 256, dtype=torch.float64))[0]


def _completed(reader: MemoryReader, probability: Tensor, max_bytes: int) -> bytes:
    """The likeliest bytes by memory alone, one after another, as long as it follows a match or is sure of them."""
    completion = bytearray()
    while len(completion) < max_bytes and (reader.match_length or float(probability.max()) > SURE):
        byte = int(probability.argmax())
        completion.append(byte)
        _read(reader, torch.tensor([[byte]], dtype=torch.uint8), torch.full((1, 1, 8), 0.5))
        probability = _by_memory(reader)
    return bytes(completion)


def _read(reader: MemoryReader, rows: Tensor, network: Tensor) -> None:
    reader.read(rows, torch.ones_like(rows, dtype=torch.bool), network)
