"""The state space mixer is transformers' Mamba-2 with the same weights; what is computed in float32 there bounds it."""

from __future__ import annotations

import pytest
import torch

from brain.blocks.linear import initialize
from brain.blocks.norm import EPSILON
from brain.blocks.span import Span
from brain.blocks.ssd import SSD

pytest.importorskip("transformers")


@torch.no_grad()
def test_state_space_mixer_is_transformers_mamba2() -> None:
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Config, Mamba2Mixer  # noqa: PLC0415

    ours = SSD(16, head_size=8, state_size=6)
    initialize(ours, torch.Generator().manual_seed(0))
    ours.out.weight.normal_(generator=torch.Generator().manual_seed(1))
    config = Mamba2Config(
        hidden_size=16, state_size=6, num_heads=4, head_dim=8, n_groups=1, expand=2, chunk_size=16,
        use_conv_bias=False, layer_norm_epsilon=EPSILON, num_hidden_layers=1,
    )  # fmt: skip
    theirs = Mamba2Mixer(config, layer_idx=0)
    own = {
        "in_proj.weight": ours.into.weight, "conv1d.weight": ours.conv.weight.T.unsqueeze(1),
        "dt_bias": ours.dt_bias, "A_log": ours.log_rate, "D": ours.skip, "out_proj.weight": ours.out.weight,
        "norm.weight": torch.ones(32),
    }  # fmt: skip
    theirs.load_state_dict(own)
    x = torch.randn(3, 75, 16, generator=torch.Generator().manual_seed(2))
    y, _ = ours(x, Span.beginning(3, 75, device=x.device, dtype=x.dtype), None)
    assert (y - theirs(x)).abs().max() <= 3e-6 * y.abs().max()
