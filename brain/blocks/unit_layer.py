"""A layer of hidden units that can grow, and how it declares its site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from brain.growth.site import Site

if TYPE_CHECKING:
    from brain.blocks.linear import Linear


class UnitLayer(Protocol):
    """A module whose hidden units are rows of the matrices `feeds` and columns of the matrix `out`.

    Attributes:
        feeds: names of its matrices with a row for each unit.
        unit_state: names of its carried tensors with a column for each unit.
        hidden: units now.
        born_hidden: units that were there from the start.
        out: the matrix that reads the units.
        candidates: activations (…, K) for x of units that might be born with given rows of each of `feeds`.
    """

    hidden: int
    born_hidden: int
    out: Linear

    @property
    def feeds(self) -> tuple[str, ...]:
        """See above."""

    @property
    def unit_state(self) -> tuple[str, ...]:
        """See above."""

    def get_submodule(self, target: str) -> Any:
        """A matrix by its name."""


def declared_site(path: str, layer: UnitLayer, **what_may_be_born: Any) -> Site:
    """The site of a layer of units whose weights' names begin with `path`."""
    inputs = sum(layer.get_submodule(part).weight.shape[1] for part in layer.feeds)
    return Site(
        units=layer.hidden,
        born_units=layer.born_hidden,
        parameters_per_unit=inputs + layer.out.weight.shape[0],
        incoming=tuple(f"{path}.{part}.weight" for part in layer.feeds),
        outgoing=(f"{path}.out.weight",),
        carried=tuple(f"{path}.{part}" for part in layer.unit_state),
        **what_may_be_born,
    )
