"""Which parameters of a network learn alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from brain.blocks.row_table import RowTable

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
    """

    name: str
    parameters: tuple[str, ...]
    rule: Rule = "vector"
    rate_scale: float = 1.0
    clip_apart: bool = False
    frozen: bool = False


def groups_by_shape(network: nn.Module) -> tuple[ParamGroup, ...]:
    """Groups of a network without an opinion: matrices of linear maps, rows of tables, and the rest."""
    rules: dict[str, Rule] = {}
    learns = {name: weight.requires_grad for name, weight in network.named_parameters()}
    for prefix, module in network.named_modules():
        for name, weight in module.named_parameters(prefix=prefix, recurse=False):
            if name not in learns:  # a tied weight has one name
                continue
            if isinstance(module, RowTable):
                rules[name] = "rows"
            elif weight.dim() == 2 and not isinstance(module, nn.Embedding):
                rules[name] = "matrix"
            else:
                rules[name] = "vector"
    groups: dict[tuple[Rule, bool], list[str]] = {}
    for name, rule in rules.items():
        groups.setdefault((rule, learns[name]), []).append(name)
    return tuple(
        ParamGroup(
            name=rule if learning else f"frozen {rule}",
            parameters=tuple(names),
            rule=rule,
            frozen=not learning,
        )
        for (rule, learning), names in groups.items()
    )
