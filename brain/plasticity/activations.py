"""The activations of hidden units while a network works, without a pass of its own.

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
"""Under `units|<site>` a step report's evidence holds the activations of a site's units, (N, H)."""


@contextmanager
def recorded_activations(sites: Mapping[str, nn.Module]) -> Iterator[dict[str, Tensor]]:
    """While it lasts, each pass leaves the activations of every site's units, (B, T, H), detached.

    A site is a module whose units are read by its matrix `out`.
    """
    activations: dict[str, Tensor] = {}

    def record(name: str) -> Callable[..., None]:
        return lambda _module, arguments: activations.__setitem__(name, arguments[0].detach())

    handles = [
        site.get_submodule("out").register_forward_pre_hook(record(name)) for name, site in sites.items()
    ]
    try:
        yield activations
    finally:
        for handle in handles:
            handle.remove()


def evenly(activity: Tensor, valid: Tensor, most: int = MOST_POSITIONS) -> Tensor:
    """At most `most` valid positions, evenly spread, as a tensor of their own.

    Shapes: activity (B, T′, H) with T′ ≤ T, valid (B, T) bool, result (N, H).

    >>> evenly(torch.arange(8.0).view(1, 8, 1), torch.ones(1, 8, dtype=torch.bool), most=4).flatten().tolist()
    [0.0, 2.0, 4.0, 6.0]
    """
    places = valid[:, : activity.shape[1]].flatten().nonzero().squeeze(1)
    if len(places) > most:
        places = places[torch.arange(most, device=places.device) * len(places) // most]
    return activity.flatten(0, 1).index_select(0, places)
