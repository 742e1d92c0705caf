"""Config of the TARS brain; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from brain.models.tars.phases import PHASES
from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, LAYERS, MEMORY_MIB, SIZE, SIZE_OR_ZERO
from brain.registry import brains


@brains.register("tars", builds="brain.models.tars.tars_brain:Tars")
@dataclass(frozen=True, kw_only=True)
class TarsConfig:
    """Byte-level brain of Mamba-2 and RWKV-7 fused in each block, with low-rank experts and a refinement pool.

    Attributes:
        hidden_size: width d of the residual stream.
        num_layers: blocks.
        rotated_channels: how many of the stream's first channels each block turns by a learned rotation.
        num_experts: low-rank adapters of a block.
        expert_rank: rank of each.
        active_experts: experts that the router chooses for a byte.
        balance_weight: weight of the loss that balances how often experts are chosen.
        pool_steps: refinement steps that a byte may take in a block.
        pool_ratio: hidden units of a step per unit of width.
        pool_weight: weight of the loss that counts the steps a byte takes.
        self_model_size: hidden units of the self model; 0 leaves it out.
        self_model_weight: weight of the self model's loss; behind a stop-gradient, so the trunk is not moved.
        logit_cap: soft cap of the logits.
        hippocampus_mib: room for an exact memory of contexts, mixed with the network's predictions; 0: none.
        ternary: matrices between layers learn as −1, 0 or 1 times a scale, so that the brain can be
            packed with `synapsed quantize`.
        precision: `bf16` autocasts matrix products, `fp32` does not.
        phase: phase of training, which decides what learns; none: everything learns, and nothing is proven at the end.
    """

    phases: ClassVar = PHASES

    hidden_size: Annotated[int, SIZE] = 256
    num_layers: Annotated[int, LAYERS] = 4
    rotated_channels: Annotated[int, SIZE] = 32
    num_experts: Annotated[int, SIZE] = 8
    expert_rank: Annotated[int, SIZE] = 8
    active_experts: Annotated[int, SIZE] = 2
    balance_weight: Annotated[float, AMOUNT_OR_ZERO] = 0.01
    pool_steps: Annotated[int, LAYERS] = 3
    pool_ratio: Annotated[int, LAYERS] = 1
    pool_weight: Annotated[float, AMOUNT_OR_ZERO] = 0.001
    self_model_size: Annotated[int, SIZE_OR_ZERO] = 128
    self_model_weight: Annotated[float, AMOUNT_OR_ZERO] = 1.0
    logit_cap: Annotated[float, AMOUNT] = 30.0
    hippocampus_mib: Annotated[int, MEMORY_MIB] = 0
    ternary: bool = False
    precision: Literal["bf16", "fp32"] = "bf16"
    phase: Literal[1, 2, 3, 4] | None = None

    def __post_init__(self) -> None:
        if self.hidden_size % 2:
            raise ValueError(
                f"hidden_size = {self.hidden_size} is odd, and would give heads of one unit; a multiple of 64 is best"
            )
        if self.active_experts > self.num_experts:
            raise ValueError(
                f"active_experts = {self.active_experts} are more than num_experts = {self.num_experts}"
            )
