"""A distribution over bytes as what it gives a one at each bit, given the bits before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def node_probability(probability: Tensor) -> Tensor:
    """Probability of a one behind each beginning of a byte, (…, 256), given those of the bytes, (…, 256).

    Place 1 is the first bit, 2 and 3 the second behind a zero and a one, and so on; place 0 means nothing.

    >>> node_probability(torch.full((256,), 1 / 256))[1:4].tolist()
    [0.5, 0.5, 0.5]
    """
    ones, mass = [], probability  # of everything behind the bits so far, from the last bit up
    for _ in range(8):
        behind_one = mass[..., 1::2]
        mass = mass[..., ::2] + behind_one
        ones.append(behind_one / mass.clamp(min=1e-30))
    return torch.cat([torch.zeros_like(mass), *reversed(ones)], dim=-1)


def path_probability(probability: Tensor, byte: Tensor) -> Tensor:
    """Probability of a one at each bit of the byte that came, given the bits before it: (…, 8).

    Shapes: probability (…, 256) of the bytes, byte (…) of any integer type.
    """
    nodes = node_probability(probability)
    bits = torch.arange(8, 0, -1, device=byte.device)
    before = (256 | byte.long()).unsqueeze(-1) >> bits
    return nodes.gather(-1, before)
