"""One block of a TARS stream: fused recurrence, rotation, low-rank experts, refinement pool.

Shapes: B rows, T positions, d width of the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from brain.blocks.adapters import LowRankExperts, Routing
from brain.blocks.cayley import CayleyRotation
from brain.blocks.fusion import FusedRecurrence
from brain.blocks.norm import rms_norm
from brain.blocks.refinement import RefinementPool, RefinementStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brain.blocks.mixer import State
    from brain.blocks.span import Span
    from brain.models.tars.spec import TarsSpec
    from brain.online.sequence_network import Watch


@dataclass(frozen=True)
class BlockPass:
    """What a block gives.

    Attributes:
        x: the stream behind it (B, T, d).
        update: what changed in its state.
        value: of its WKV, for the blocks above.
        routing: of its experts.
        taken: refinement steps of each position (B, T).
    """

    x: Tensor
    update: State
    value: Tensor
    routing: Routing
    taken: Tensor


class TarsBlock(nn.Module):
    """x ← rotate(x + core(norm x)); x ← x + experts(norm x); x ← x + pool(x).

    Args:
        spec: sizes of its sites.
        number: from 0; the WKV of the first gives its values to all above.
    """

    def __init__(self, spec: TarsSpec, number: int) -> None:
        super().__init__()
        config, self.path = spec.config, f"blocks.{number}"
        size = config.hidden_size
        self.core = FusedRecurrence(size, values_mixed=number > 0)
        self.rotation = CayleyRotation(size, channels=config.rotated_channels)
        self.experts = LowRankExperts(
            size, num_experts=config.num_experts, rank=config.expert_rank, active=config.active_experts
        )
        self.pool = RefinementPool(
            RefinementStep(size, **spec.units(f"{self.path}.pool.{step}"))
            for step in range(config.pool_steps)
        )

    @property
    def module_names(self) -> tuple[str, str, str]:
        """What can be watched and nudged, from input to output."""
        return f"{self.path}.core", f"{self.path}.experts", f"{self.path}.pool"

    def forward(
        self,
        x: Tensor,
        span: Span,
        state: State | None,
        *,
        first_value: Tensor | None,
        alone: Tensor | None,
        watch: Watch | None,
    ) -> BlockPass:
        """Read the stream; `alone` is what its modules read in place of it once the wires between them are cut."""
        core, experts, pool = self.module_names
        normed = rms_norm(x if alone is None else alone, span.dtype)
        y, update, value = self.core.mix(normed, span, state, first_value=first_value)
        x = self.rotation(x + (y if watch is None else watch(core, y)))
        y, routing = self.experts(rms_norm(x if alone is None else alone, span.dtype))
        x = x + (y if watch is None else watch(experts, y))
        y, taken = self.pool(x if alone is None else alone, span.dtype)
        x = x + (y if watch is None else watch(pool, y))
        return BlockPass(x, update, value, routing, taken)

    def unit_layers(self) -> Iterator[tuple[str, RefinementStep]]:
        """Its growth sites by name, and the layer of each."""
        for number, step in enumerate(self.pool):
            assert isinstance(step, RefinementStep)
            yield f"{self.path}.pool.{number}", step
