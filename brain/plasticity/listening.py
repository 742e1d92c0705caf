"""Hearing what hidden units say while a network works, without a pass of its own.

Shapes: B rows, T positions, N positions of them that are kept, H units of a site.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor, nn

MOST_POSITIONS = 1024
EVIDENCE_PREFIX = "units|"
"""Under `units|<site>` a step report's evidence holds what the units of a site said, (N, H)."""


@contextmanager
def listening(sites: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """While it lasts, each pass leaves what the units of every site said, (B, T, H), detached.

    A site is a module whose units are read by its matrix `out`.
    """
    heard: dict[str, Tensor] = {}

    def hear(name: str) -> Callable[..., None]:
        return lambda _module, arguments: heard.__setitem__(name, arguments[0].detach())

    handles = [
        site.get_submodule("out").register_forward_pre_hook(hear(name)) for name, site in sites.items()
    ]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def evenly(said: Tensor, valid: Tensor, most: int = MOST_POSITIONS) -> Tensor:
    """At most `most` valid positions, evenly spread, as a tensor of their own.

    Shapes: said (B, T′, H) with T′ ≤ T, valid (B, T) bool, result (N, H).

    >>> evenly(torch.arange(8.0).view(1, 8, 1), torch.ones(1, 8, dtype=torch.bool), most=4).flatten().tolist()
    [0.0, 2.0, 4.0, 6.0]
    """
    places = valid[:, : said.shape[1]].flatten().nonzero().squeeze(1)
    if len(places) > most:
        places = places[torch.arange(most, device=places.device) * len(places) // most]
    return said.flatten(0, 1).index_select(0, places)
