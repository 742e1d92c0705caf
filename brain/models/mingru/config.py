"""Config of the minGRU language model; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, LAYERS, MEMORY_MIB, SIZE, SIZE_OR_ZERO
from brain.registry import brains


@brains.register("mingru", builds="brain.models.mingru.mingru_brain:MinGRULanguageModel")
@dataclass(frozen=True, kw_only=True)
class MinGRUConfig:
    """Byte-level language model of minGRU blocks alone: no attention, a few kilobytes of state, minutes on a CPU.

    Attributes:
        hidden_size: width d of the residual stream, and hidden units of each recurrence.
        num_layers: blocks of a minGRU and an MLP.
        mlp_ratio: hidden units of an MLP per unit of width.
        bigram_size: width of the exact 65,536-row bigram table; 0 leaves it out.
        self_model_size: hidden units of the self model; 0 leaves it out.
        self_model_weight: weight of the self model's loss; behind a stop-gradient, so the trunk is not moved.
        logit_cap: soft cap of the logits.
        hippocampus_mib: room for an exact memory of contexts, mixed with the network's predictions; 0: none.
        ternary: matrices between layers learn as −1, 0 or 1 times a scale, so that the brain can be
            packed with `synapsed quantize`.
        precision: `bf16` autocasts matrix products, `fp32` does not.
    """

    hidden_size: Annotated[int, SIZE] = 128
    num_layers: Annotated[int, LAYERS] = 4
    mlp_ratio: Annotated[int, LAYERS] = 4
    bigram_size: Annotated[int, SIZE_OR_ZERO] = 64
    self_model_size: Annotated[int, SIZE_OR_ZERO] = 128
    self_model_weight: Annotated[float, AMOUNT_OR_ZERO] = 1.0
    logit_cap: Annotated[float, AMOUNT] = 30.0
    hippocampus_mib: Annotated[int, MEMORY_MIB] = 0
    ternary: bool = False
    precision: Literal["bf16", "fp32"] = "bf16"

    @property
    def layers(self) -> tuple[str, ...]:
        """Mixer of each block: all alike."""
        return ("mingru",) * self.num_layers
