"""Watching the modules of a network while it reads, and nudging them; nothing learns, nothing is kept.

Shapes: B rows, T bytes of a row, S symbols, d_m width of a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.blocks.span import Span
from brain.nearest_name import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.codecs.codec import Codec
    from brain.online.sequence_network import SequenceNetwork


@torch.no_grad()
def activity_of(
    network: SequenceNetwork, codec: Codec, rows: Tensor, nudges: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Activity of each module over uint8 rows (B, T) from a reset state, float32 (B, S, d_m), nudges included.

    Raises:
        ValueError: no module has the name of a nudge.
    """
    names = network.module_names
    if unknown := set(nudges) - set(names):
        name = min(unknown)
        hint = did_you_mean(name, names, otherwise=f"there are {', '.join(names)}")
        raise ValueError(f"no module is called {name!r}{hint}")
    activity: dict[str, Tensor] = {}

    def watch(name: str, output: Tensor) -> Tensor:
        nudge = nudges.get(name)
        output = output if nudge is None else output + nudge.to(output)
        activity[name] = output
        return output

    symbols, _ = codec.encode(rows, torch.ones_like(rows, dtype=torch.bool), None)
    span = Span.beginning(*symbols.ids.shape[:2], device=rows.device, dtype=torch.float32)
    network(symbols, span, None, watch=watch)
    return activity
