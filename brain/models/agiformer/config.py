"""Config of the AGIFORMER brain; imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from brain.ranges import (
    AMOUNT,
    AMOUNT_OR_ZERO,
    LAYERS,
    LAYERS_OR_ZERO,
    MEMORY_MIB,
    PATCH,
    SIZE,
    SIZE_OR_ZERO,
)
from brain.registry import brains


@brains.register("agiformer", builds="brain.models.agiformer.agiformer_brain:Agiformer")
@dataclass(frozen=True, kw_only=True)
class AgiformerConfig:
    """Reads bytes, or patches of them, with window and delta attention, thinks in latent steps, decodes byte by byte.

    Attributes:
        hidden_size: width d of the residual stream, which has a position for each patch.
        num_layers: blocks of window attention and delta attention side by side, and an MLP.
        num_heads: heads of window attention.
        window: patches that attention looks back at; with plain bytes, bytes.
        linear: kind of delta attention: `gated_delta` (one decay a head) or `kda` (one a channel).
        mlp_ratio: hidden units of an MLP per unit of width.
        patch_size: bytes of a patch; 1 reads plain bytes, 4 costs half as much and learns less from a text.
        byte_size: width of a byte's embedding in encoder and decoder.
        bigram_size: width of the exact 65,536-row bigram table; 0 leaves it out.
        decoder_layers: MLPs of the local byte decoder.
        thinking_steps: K, the steps of thinking on the latent; 0 leaves thinking out.
        thinking_tied: all steps have the same weights; else each has its own.
        random_thinking: a learning step takes 0 to K steps, drawn from its bytes; reading takes K.
        halting: an exit learns what further steps gain, and reading stops thinking where they gain no more.
        halting_price: nats per patch that a step must save to be worth its cost.
        self_model_size: hidden units of the self model; 0 leaves it out.
        self_model_weight: weight of the self model's loss; behind a stop-gradient, so the rest is not moved.
        logit_cap: soft cap of the logits.
        hippocampus_mib: room for an exact memory of contexts, mixed with the network's predictions; 0: none.
        ternary: matrices between layers learn as −1, 0 or 1 times a scale, so that the brain can be
            packed with `synapsed quantize`.
        precision: `bf16` autocasts matrix products, `fp32` does not.
    """

    shows_loss: ClassVar[bool] = True

    hidden_size: Annotated[int, SIZE] = 256
    num_layers: Annotated[int, LAYERS] = 4
    num_heads: Annotated[int, LAYERS] = 8
    window: Annotated[int, SIZE] = 512
    linear: Literal["gated_delta", "kda"] = "gated_delta"
    mlp_ratio: Annotated[int, LAYERS] = 4
    patch_size: Annotated[int, PATCH] = 1
    byte_size: Annotated[int, SIZE] = 128
    bigram_size: Annotated[int, SIZE_OR_ZERO] = 64
    decoder_layers: Annotated[int, LAYERS_OR_ZERO] = 1
    thinking_steps: Annotated[int, LAYERS_OR_ZERO] = 3
    thinking_tied: bool = True
    random_thinking: bool = False
    halting: bool = False
    halting_price: Annotated[float, AMOUNT_OR_ZERO] = 0.01
    self_model_size: Annotated[int, SIZE_OR_ZERO] = 128
    self_model_weight: Annotated[float, AMOUNT_OR_ZERO] = 1.0
    logit_cap: Annotated[float, AMOUNT] = 30.0
    hippocampus_mib: Annotated[int, MEMORY_MIB] = 0
    ternary: bool = False
    precision: Literal["bf16", "fp32"] = "bf16"

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size = {self.hidden_size} does not divide into num_heads = {self.num_heads}; choose a divisor"
            )
        if self.halting and not self.thinking_steps:
            raise ValueError("halting needs thinking_steps of at least 1")
