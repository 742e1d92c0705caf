"""Small matrices that learn together learn what each learns alone."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, DEFAULT_NS_STEPS, EPS, muon

from brain.optim.config import OptimizerConfig
from brain.optim.torch_optimizers import FusedMuon

SHAPES = [(8, 12), (12, 8), (8, 12), (200, 196), (8, 12), (12, 8), (200, 196), (5, 5)]


def test_a_stack_of_matrices_takes_the_step_that_torch_has_each_take() -> None:
    generator = torch.Generator().manual_seed(0)
    config = OptimizerConfig(kind="muon", weight_decay=0.1)
    ours = {f"m{n}": nn.Parameter(torch.randn(shape, generator=generator)) for n, shape in enumerate(SHAPES)}
    theirs = [weight.detach().clone() for weight in ours.values()]
    buffers = [torch.zeros_like(weight) for weight in theirs]
    own = FusedMuon(ours, config)
    for step in range(3):
        for number, weight in enumerate(ours.values()):
            drawn = torch.randn(weight.shape, generator=generator)
            weight.grad = None if (step, number) == (1, 2) else drawn
        learning = [n for n, weight in enumerate(ours.values()) if weight.grad is not None]
        gradients = [weight.grad.clone() for weight in ours.values() if weight.grad is not None]
        own.step(0.02)
        muon(
            [theirs[n] for n in learning], gradients, [buffers[n] for n in learning],
            lr=0.02, weight_decay=0.1, momentum=config.muon_momentum, nesterov=True, has_complex=False,
            ns_coefficients=(DEFAULT_A, DEFAULT_B, DEFAULT_C), ns_steps=DEFAULT_NS_STEPS, eps=EPS, adjust_lr_fn=None,
        )  # fmt: skip
    moved = [(mine - other).abs().max().item() for mine, other in zip(ours.values(), theirs, strict=True)]
    assert max(moved) <= 0.02 / 100  # last bits of bfloat16 may differ between machines
    assert all(
        torch.equal(own.tensors()[f"m{n}|momentum_buffer"], buffer) for n, buffer in enumerate(buffers)
    )
