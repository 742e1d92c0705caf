"""The growth sites of a SYNAPSE network: what they are called, how large they begin, what may be born beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.blocks.mixer import mixers
from brain.blocks.self_model import SELF_MODEL
from brain.blocks.unit_layer import declared_site
from brain.growth.plan import Birth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from brain.growth.site import Site
    from brain.models.synapse.config import StackConfig
    from brain.models.synapse.network import SynapseNetwork
    from brain.models.synapse.synapse_block import Block

BORN_MIXER = "mingru"  # of a block born later: the cheapest that carries a state
EXPERT_SHARE = 4  # an expert is born with the hidden units of the MLP beside it, divided by this
COLUMN_SHARE = 2  # a column is born as wide as the trunk, divided by this
COLUMN_DEPTH = "a column stays as deep as it was born"


def block_sites(path: str, mixer: str, *, size: int, mlp_ratio: int) -> dict[str, int]:
    """Hidden units of the sites of a block of width `size` when it is born.

    >>> block_sites("blocks.0", "mingru", size=8, mlp_ratio=4)
    {'blocks.0.mixer': 8, 'blocks.0.mlp': 32}
    """
    recurrent = {f"{path}.mixer": size} if mixers.get(mixer).load().has_units else {}
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
    config: StackConfig,
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


def declared_sites(network: SynapseNetwork) -> dict[str, Site]:
    """The sites from input to output, of each column behind the last; the self model, if any, stands beside all."""
    spec, place = network.spec, 0
    sites: dict[str, Site] = {}
    deeper: dict[str, Any] = {"deeper_units": sum(spec.newborn_block("").values())}
    streams = [(network.trunk(), deeper)]
    streams += [(column.stack(), {"not_deeper": COLUMN_DEPTH}) for column in network.stacks()]
    for number, (blocks, births) in enumerate(streams):
        for block in blocks:
            for site, layer, beside in block.unit_layers():
                expert = expert_birth(block) if site == block.mlp_path else None
                sites[site] = declared_site(
                    site,
                    layer,
                    place=place - beside,  # an expert stands in the place of its MLP
                    expert=expert,
                    frozen=number < len(streams) - 1,  # only the youngest learns
                    **births,
                )
                place += not beside
        place += 1  # the first of a column is no neighbour of the last of another
    if not spec.config.self_model_size:
        return sites  # nothing can be born where there is no parent
    return sites | {SELF_MODEL: declared_site(SELF_MODEL, network.self_model, place=place)}


def expert_birth(block: Block) -> Birth:
    """The expert that can be born beside the MLP of a block."""
    units = max(1, block.mlp.born_hidden // EXPERT_SHARE)
    # Both matrices, and the gate's one row.
    return Birth(
        name=f"{block.path}.experts.{len(block.experts)}",
        units=units,
        parameters=(2 * units + 1) * block.size,
    )
