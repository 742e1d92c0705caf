"""How a stack of minGRU blocks reads one position of one row, with compiled loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.blocks.byte_step import Arrays, as_they_are, row_of
from brain.blocks.mingru import MinGRU

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.blocks.byte_step import ByteLoops
    from brain.blocks.mixer import State
    from brain.models.synapse.network import SynapseNetwork


class OneByte:
    """What `read` needs of a network, found once."""

    def __init__(self, network: SynapseNetwork) -> None:
        self._blocks = []
        for block in network.trunk():
            mixer = block.mixer
            assert isinstance(mixer, MinGRU)
            matrices = (mixer.gate, mixer.candidate, mixer.out, block.mlp.into, block.mlp.out)
            self._blocks.append((f"{block.path}.mixer", Arrays([mixer.conv.weight, *matrices])))
        self._head = Arrays([network.head])

    @staticmethod
    def suits(network: SynapseNetwork) -> bool:
        """Whether there is nothing in the network but minGRU and MLPs, all of whose matrices the loops can take."""
        alone = not network.columns and network.workspace is None and as_they_are([network.head])
        return alone and all(
            isinstance(block.mixer, MinGRU) and not len(block.experts) and as_they_are([block.mixer.out])
            for block in network.trunk()
        )

    def read(
        self, loops: ByteLoops, entry: Tensor, state: Mapping[str, State]
    ) -> tuple[Tensor, Tensor, dict[str, State]]:
        """States (1, 1, d), logits (1, 1, 256) of an embedded position (1, 1, d), and the mixers' new states."""
        x, update = entry[0, 0].numpy().copy(), {}
        for path, arrays in self._blocks:
            hidden, tail = row_of(state[path]["hidden"]), row_of(state[path]["tail"])
            loops.mingru_block(x, *arrays(), hidden[0], tail[0], hidden[2], tail[2])
            update[path] = {"hidden": hidden[1], "tail": tail[1]}
        [head] = self._head()
        states, logits = loops.read_out(x, head[:0], head)
        return torch.from_numpy(states)[None, None], torch.from_numpy(logits)[None, None], update
