"""Config of the SYNAPSE brain; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, LAYERS, SIZE, SIZE_OR_ZERO
from brain.registry import brains


@brains.register("synapse", builds="brain.models.synapse.model:Synapse")
@dataclass(frozen=True, kw_only=True)
class SynapseConfig:
    """Byte-level recurrent learner with world model, self model, workspace and confidence.

    Attributes:
        hidden_size: width d of the residual stream.
        layers: mixer of each block: `mingru`, `attention` or `ssd`.
        num_heads: attention heads; None takes heads of 64 channels, which are the fastest on a CPU.
        window: attention window in bytes (ring cache).
        mlp_ratio: hidden units of an MLP per unit of width.
        bigram_size: width of the exact 65,536-row bigram table; 0 leaves it out.
        self_model_size: hidden units of the self model.
        self_model_weight: weight of the self model's loss; behind a stop-gradient, so the trunk is not moved.
        logit_cap: soft cap of the logits.
        hippocampus_mib: room for an exact memory of contexts, mixed with what the network expects; 0: none.
        precision: `bf16` autocasts matrix products, `fp32` does not.
    """

    hidden_size: Annotated[int, SIZE] = 192
    layers: tuple[Literal["mingru", "attention", "ssd"], ...] = ("mingru", "attention", "mingru", "attention")
    num_heads: Annotated[int | None, LAYERS] = None
    window: Annotated[int, SIZE] = 256
    mlp_ratio: Annotated[int, LAYERS] = 4
    bigram_size: Annotated[int, SIZE_OR_ZERO] = 64
    self_model_size: Annotated[int, SIZE_OR_ZERO] = 128
    self_model_weight: Annotated[float, AMOUNT_OR_ZERO] = 1.0
    logit_cap: Annotated[float, AMOUNT] = 30.0
    hippocampus_mib: Annotated[int, SIZE_OR_ZERO] = 0
    precision: Literal["bf16", "fp32"] = "bf16"
