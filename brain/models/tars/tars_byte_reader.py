"""How a TARS network reads one position of one row, with compiled loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from brain.blocks.byte_step import Arrays, row_of
from brain.blocks.refinement import LEAST
from brain.blocks.rwkv7 import FASTEST, NORM_EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from brain.blocks.byte_step import ByteLoops
    from brain.blocks.linear import Linear
    from brain.blocks.mixer import State
    from brain.models.tars.network import TarsNetwork
    from brain.models.tars.tars_block import TarsBlock

STATE = ("hidden", "tail")


class OneByte:
    """What `read` needs of a network, found once."""

    def __init__(self, network: TarsNetwork) -> None:
        self._blocks = [OneBlock(block) for block in network.stack()]
        self._ends = Arrays([network.readout, network.embedding])

    def read(
        self, loops: ByteLoops, last: int, state: Mapping[str, State]
    ) -> tuple[Tensor, Tensor, dict[str, State]]:
        """States (1, 1, d), logits (1, 1, 256) behind the byte `last`, and the blocks' new states."""
        readout, embedding = self._ends()
        x = loops.normed(embedding[last])
        first_value = x[:0]
        update: dict[str, State] = {}
        for block in self._blocks:
            value, update[block.path] = block.read(loops, x, first_value, state[block.path])
            first_value = first_value if len(first_value) else value
        states, logits = loops.read_out(x, readout, embedding[:256])
        return torch.from_numpy(states)[None, None], torch.from_numpy(logits)[None, None], update


class Parts(NamedTuple):
    """Where a block's arrays stand in its list."""

    space: slice
    wkv: slice
    fuse: slice
    experts: slice
    pool: slice


class OneBlock:
    """The weights of one block in the order in which the loops take them."""

    def __init__(self, block: TarsBlock) -> None:
        self.path, self._rotation, self._active = block.path, block.rotation, block.experts.active
        space, wkv = block.core.ssd, block.core.wkv
        narrow = [wkv.decay, wkv.rate, wkv.rate if wkv.mixing is None else wkv.mixing]
        self._epsilon = NORM_EPSILON * wkv.head_size
        groups: list[list[Tensor | Linear]] = [
            [space.into, space.conv.weight, space.log_rate, space.dt_bias, space.skip],
            [
                wkv.shift, wkv.read, wkv.key, wkv.value,
                *(one for low in narrow for one in (low.down, low.up, low.bias)),
                wkv.gate_down, wkv.gate_up, wkv.erased, wkv.kept, wkv.bonus,
                wkv.norm.gain, wkv.norm.bias, wkv.out,
            ],
            [block.core.fuse_down, block.core.fuse_up, block.core.out],
            [block.experts.router, block.experts.down, block.experts.up],
            [one for _, step in block.unit_layers() for one in (step.gate, step.into, step.out)],
        ]  # fmt: skip
        ends = np.cumsum([0, *map(len, groups)]).tolist()
        self._parts = Parts(*map(slice, ends[:-1], ends[1:]))
        self._arrays = Arrays([weight for group in groups for weight in group])
        self._skew = np.empty(0)
        self._turn = np.empty((0, 0))

    def read(
        self, loops: ByteLoops, x: NDArray[Any], first_value: NDArray[Any], state: State
    ) -> tuple[NDArray[Any], State]:
        """Take the stream x (d,) through the block, in place; its values and its new state."""
        arrays = self._arrays()
        pool = arrays[self._parts.pool]
        states: list[tuple[NDArray[Any], ...]] = []
        update: State = {}
        for prefix in ("ssd_", "wkv_"):
            rows = {name: row_of(state[f"{prefix}{name}"]) for name in STATE}
            states.append((*(row[0] for row in rows.values()), *(row[2] for row in rows.values())))
            update |= {f"{prefix}{name}": row[1] for name, row in rows.items()}
        value = loops.fused_block(
            x, first_value, arrays[self._parts.space], arrays[self._parts.wkv], FASTEST, self._epsilon,
            arrays[self._parts.fuse], self._turned(), arrays[self._parts.experts], self._active,
            tuple(pool[at : at + 3] for at in range(0, len(pool), 3)), LEAST, *states,
        )  # fmt: skip
        return value, update

    def _turned(self) -> NDArray[Any]:
        """The rotation; it is solved for anew when its weights have moved."""
        skew = self._rotation.skew.detach().numpy()
        if not np.array_equal(skew, self._skew):
            self._skew, self._turn = skew.copy(), self._rotation.rotation().detach().contiguous().numpy()
        return self._turn
