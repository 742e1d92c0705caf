"""The growth sites of a SYNAPSE brain: what they are called and how many units each is born with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from brain.models.synapse.config import SynapseConfig

SELF_MODEL = "self_model"
BORN_MIXER = "mingru"  # of a block born later: the cheapest that carries a state
EXPERT_SHARE = 4  # an expert is born with the hidden units of the MLP beside it, over so many
COLUMN_SHARE = 2  # a column is born as wide as the trunk, over so many


def block_sites(path: str, mixer: str, *, size: int, mlp_ratio: int) -> dict[str, int]:
    """Hidden units of the sites of a block of width `size` when it is born.

    >>> block_sites("blocks.0", "mingru", size=8, mlp_ratio=4)
    {'blocks.0.mixer': 8, 'blocks.0.mlp': 32}
    """
    recurrent = {f"{path}.mixer": size} if mixer == "mingru" else {}
    return recurrent | {f"{path}.mlp": mlp_ratio * size}


def column_sites(number: int, *, depth: int, width: int, mlp_ratio: int) -> dict[str, int]:
    """Hidden units of the sites of a column when it is born.

    >>> column_sites(0, depth=1, width=4, mlp_ratio=2)
    {'columns.0.blocks.0.mixer': 4, 'columns.0.blocks.0.mlp': 8}
    """
    sites: dict[str, int] = {}
    for path in column_paths(number, depth):
        sites |= block_sites(path, BORN_MIXER, size=width, mlp_ratio=mlp_ratio)
    return sites


def column_paths(number: int, depth: int) -> list[str]:
    """What the names of a column's blocks begin with, from input to output."""
    return [f"columns.{number}.blocks.{index}" for index in range(depth)]


def newborn_sites(
    config: SynapseConfig,
    layers: Iterable[str] | None = None,
    *,
    experts: Mapping[str, int] | None = None,
    columns: Sequence[int] = (),
) -> dict[str, int]:
    """Hidden units that each growth site is born with.

    Sites are the hidden layers of MLPs, of experts, of recurrent mixers and of the self model.

    Args:
        config: as the run was started.
        layers: mixer of each block of the trunk, those born later included.
        experts: those born so far, and how many units with.
        columns: width of each column born so far.

    >>> from brain.models.synapse.config import SynapseConfig
    >>> newborn_sites(SynapseConfig(hidden_size=8, layers=("mingru",)))
    {'blocks.0.mixer': 8, 'blocks.0.mlp': 32, 'self_model': 128}
    """
    kinds = tuple(config.layers if layers is None else layers)
    sites: dict[str, int] = {}
    for index, mixer in enumerate(kinds):
        sites |= block_sites(f"blocks.{index}", mixer, size=config.hidden_size, mlp_ratio=config.mlp_ratio)
    for number, width in enumerate(columns):
        sites |= column_sites(number, depth=len(kinds), width=width, mlp_ratio=config.mlp_ratio)
    return sites | dict(experts or {}) | {SELF_MODEL: config.self_model_size}


def path_of(site: str) -> str:
    """What the names of a site's block begin with; empty for the self model.

    >>> path_of("blocks.12.mlp"), path_of("columns.0.blocks.1.experts.3"), path_of("self_model")
    ('blocks.12', 'columns.0.blocks.1', '')
    """
    head, _, tail = site.rpartition(".")
    return head.removesuffix(".experts") if tail.isdigit() else head


def number_of(name: str) -> int:
    """The number a name ends in.

    >>> number_of("blocks.12"), number_of("blocks.1.experts.3")
    (12, 3)
    """
    return int(name.rpartition(".")[2])
