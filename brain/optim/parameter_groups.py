"""Which parameters of a network learn alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from torch import nn

from brain.blocks.embedding import EMBEDDING_SPREAD
from brain.blocks.linear import Linear
from brain.blocks.row_table import RowTable
from brain.blocks.self_model import SELF_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

Rule = Literal["matrix", "vector", "rows"]


@dataclass(frozen=True, kw_only=True)
class ParamGroup:
    """Parameters that learn alike.

    Attributes:
        name: what they are.
        parameters: their names.
        rule: `matrix` is taken by Muon where the optimizer is that, and by AdamW otherwise; `vector` is AdamW's;
            `rows` are those of a `RowTable`.
        rate_scale: factor on the rate.
        clip_apart: whether their gradients are clipped by a norm of their own, so that they have no say in how far
            others move.
        frozen: they do not learn, or no more: no moments are kept of them.
        spreads: the matrices and embeddings among them, which L2-Init and shrink-and-perturb draw back, and the
            standard deviation with which each began. One value per channel is no matrix, however it is laid out.
    """

    name: str
    parameters: tuple[str, ...]
    rule: Rule = "vector"
    rate_scale: float = 1.0
    clip_apart: bool = False
    frozen: bool = False
    spreads: Mapping[str, float] = field(default_factory=dict)


class Owned(NamedTuple):
    """A parameter, by its first name if it is tied, and the module that it lies in."""

    name: str
    weight: nn.Parameter
    module: nn.Module


def owned_parameters(network: nn.Module) -> Iterator[Owned]:
    """Every parameter once, in the order of `named_parameters`."""
    seen: set[int] = set()
    for prefix, module in network.named_modules():
        for name, weight in module.named_parameters(prefix=prefix, recurse=False):
            if id(weight) not in seen:
                seen.add(id(weight))
                yield Owned(name, weight, module)


def grouped(
    network: nn.Module,
    *,
    rule: Callable[[Owned], Rule],
    part: Callable[[Owned], str],
    learns: Callable[[Owned], bool],
    spread: Callable[[Owned], float | None],
    apart: str | None = None,
) -> tuple[ParamGroup, ...]:
    """Groups of the parameters that agree in part, rule and whether they learn.

    Args:
        network: its parameters.
        rule: by which one learns.
        part: where it belongs; empty for a network of one part.
        learns: whether it does.
        spread: the standard deviation with which a matrix or embedding began; None of anything else.
        apart: the part whose gradients are clipped by a norm of their own.
    """
    groups: dict[tuple[str, Rule, bool], list[Owned]] = {}
    for one in owned_parameters(network):
        groups.setdefault((part(one), rule(one), learns(one)), []).append(one)
    return tuple(
        ParamGroup(
            name=" ".join(word for word in ("" if learning else "frozen", where, own_rule) if word),
            parameters=tuple(one.name for one in members),
            rule=own_rule,
            clip_apart=where == apart,
            frozen=not learning,
            spreads={one.name: value for one in members if (value := spread(one)) is not None},
        )
        for (where, own_rule, learning), members in groups.items()
    )


def groups_of_blocks(
    network: nn.Module,
    *,
    self_model: nn.Module | None,
    no_matrices: Collection[nn.Module],
    learns: Callable[[Owned], bool] = lambda one: one.weight.requires_grad,
) -> tuple[ParamGroup, ...]:
    """Groups of a network of blocks, whose matrices are `Linear` and whose own parameter is its embedding.

    Args:
        network: its parameters.
        self_model: a part whose gradients are clipped apart: through a shared norm it would move the trunk after all.
        no_matrices: modules whose matrices lie between no hidden layers, as a head's or a gate's.
        learns: whether a parameter does.
    """
    own = set() if self_model is None else set(self_model.modules())

    def rule(one: Owned) -> Rule:
        if isinstance(one.module, RowTable):
            return "rows"
        return "matrix" if isinstance(one.module, Linear) and one.module not in no_matrices else "vector"

    def spread(one: Owned) -> float | None:
        if isinstance(one.module, Linear):
            return one.module.spread
        return EMBEDDING_SPREAD if one.module is network else None

    return grouped(
        network,
        rule=rule,
        part=lambda one: SELF_MODEL if one.module in own else "trunk",
        learns=learns,
        spread=spread,
        apart=SELF_MODEL,
    )


def groups_by_shape(network: nn.Module) -> tuple[ParamGroup, ...]:
    """Groups of a network without an opinion: matrices, rows of tables, and the rest, embeddings among it."""

    def rule(one: Owned) -> Rule:
        if isinstance(one.module, RowTable):
            return "rows"
        return "matrix" if one.weight.dim() == 2 and not isinstance(one.module, nn.Embedding) else "vector"

    def spread(one: Owned) -> float | None:
        if isinstance(one.module, Linear):
            return one.module.spread
        drawn_back = one.weight.dim() == 2 and not isinstance(one.module, RowTable)
        return float(one.weight.detach().std()) if drawn_back else None

    return grouped(
        network,
        rule=rule,
        part=lambda _: "",
        learns=lambda one: one.weight.requires_grad,
        spread=spread,
    )
