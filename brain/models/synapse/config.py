"""Config of the SYNAPSE brain; imports no torch."""

from __future__ import annotations

from dataclasses import Field, dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol

from brain.ranges import AMOUNT, AMOUNT_OR_ZERO, LAYERS, MEMORY_MIB, SIZE, SIZE_OR_ZERO
from brain.registry import brains

MixerName = Literal["mingru", "attention", "ssd", "rwkv7", "kda", "gated_delta"]


class StackConfig(Protocol):
    """What a stack of mixers and MLPs is built from; `SynapseConfig` says what each setting is.

    Another brain of the same stack has a config of its own, in which some of these follow from others.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def hidden_size(self) -> int:
        """Width d of the residual stream."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Mixer of each block."""

    @property
    def mlp_ratio(self) -> int:
        """Hidden units of an MLP per unit of width."""

    @property
    def bigram_size(self) -> int:
        """Width of the bigram table; 0: none."""

    @property
    def self_model_size(self) -> int:
        """Hidden units of the self model."""

    @property
    def self_model_weight(self) -> float:
        """Weight of its loss."""

    @property
    def logit_cap(self) -> float:
        """Soft cap of the logits."""

    @property
    def hippocampus_mib(self) -> int:
        """Room for an exact memory; 0: none."""

    @property
    def precision(self) -> Literal["bf16", "fp32"]:
        """Of matrix products."""


@brains.register("synapse", builds="brain.models.synapse.synapse_brain:Synapse")
@dataclass(frozen=True, kw_only=True)
class SynapseConfig:
    """Byte-level recurrent learner with world model, self model, workspace and confidence.

    Attributes:
        hidden_size: width d of the residual stream.
        layers: mixer of each block: `mingru`, `attention`, `ssd`, `rwkv7`, `kda` or
            `gated_delta`.
        num_heads: attention heads; None takes heads of 64 channels, which are the fastest on a CPU.
        window: attention window in bytes (ring cache).
        mlp_ratio: hidden units of an MLP per unit of width.
        bigram_size: width of the exact 65,536-row bigram table; 0 leaves it out.
        self_model_size: hidden units of the self model.
        self_model_weight: weight of the self model's loss; behind a stop-gradient, so the trunk is not moved.
        workspace_slots: slots of a workspace to which modules write and from which later blocks read; 0: none.
        workspace_size: width of a slot.
        logit_cap: soft cap of the logits.
        hippocampus_mib: room for an exact memory of contexts, mixed with the network's predictions; 0: none.
        ternary: matrices between layers learn as −1, 0 or 1 times a scale, so that the brain can be
            packed with `synapsed quantize`.
        precision: `bf16` autocasts matrix products, `fp32` does not.
    """

    hidden_size: Annotated[int, SIZE] = 192
    layers: tuple[MixerName, ...] = ("mingru", "attention", "mingru", "attention")
    num_heads: Annotated[int | None, LAYERS] = None
    window: Annotated[int, SIZE] = 256
    mlp_ratio: Annotated[int, LAYERS] = 4
    bigram_size: Annotated[int, SIZE_OR_ZERO] = 64
    self_model_size: Annotated[int, SIZE_OR_ZERO] = 128
    self_model_weight: Annotated[float, AMOUNT_OR_ZERO] = 1.0
    workspace_slots: Annotated[int, SIZE_OR_ZERO] = 0
    workspace_size: Annotated[int, SIZE] = 32
    logit_cap: Annotated[float, AMOUNT] = 30.0
    hippocampus_mib: Annotated[int, MEMORY_MIB] = 0
    ternary: bool = False
    precision: Literal["bf16", "fp32"] = "bf16"
