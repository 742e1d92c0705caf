"""PyTorch's own AdamW and Muon over named parameters, with moments that exist from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim._muon import DEFAULT_A, DEFAULT_B, DEFAULT_C, DEFAULT_NS_STEPS, EPS, muon
from torch.optim.adamw import adamw

from brain.optim.stacked_muon import stacked_muon, stacks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from brain.optim.config import OptimizerConfig


class FusedAdamW:
    """`torch.optim.AdamW` with `fused=True`, as the function behind it.

    The class imports torch._dynamo when it is made: a second and 70 MB of each start, for nothing.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], config: OptimizerConfig) -> None:
        self.config, self._parameters = config, dict(parameters)
        self._steps = {
            name: torch.zeros((), dtype=torch.float32, device=p.device) for name, p in parameters.items()
        }
        self._averages = {name: torch.zeros_like(p.detach()) for name, p in parameters.items()}
        self._squares = {name: torch.zeros_like(p.detach()) for name, p in parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient."""
        gradients = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        if not gradients:
            return
        adamw(
            [self._parameters[name] for name in gradients],
            list(gradients.values()),
            [self._averages[name] for name in gradients],
            [self._squares[name] for name in gradients],
            [],
            [self._steps[name] for name in gradients],
            fused=True,
            amsgrad=False,
            beta1=self.config.betas[0],
            beta2=self.config.betas[1],
            lr=learning_rate,
            weight_decay=self.config.weight_decay,
            eps=self.config.eps,
            maximize=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """References to every moment, as `<parameter name>|<moment>`."""
        kinds = {"step": self._steps, "exp_avg": self._averages, "exp_avg_sq": self._squares}
        return {f"{name}|{kind}": own[name] for name in self._parameters for kind, own in kinds.items()}


class FusedMuon:
    """`torch.optim.Muon` over named matrices, as the function behind it, for the same reason."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], config: OptimizerConfig) -> None:
        self.config, self._parameters = config, dict(parameters)
        self._buffers = {name: torch.zeros_like(p.detach()) for name, p in parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every matrix that has a gradient."""
        gradients = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        for names in stacks({name: self._parameters[name] for name in gradients}):
            stacked_muon(
                [self._parameters[name] for name in names],
                [gradients.pop(name) for name in names],
                [self._buffers[name] for name in names],
                learning_rate=learning_rate,
                weight_decay=self.config.weight_decay,
                momentum=self.config.muon_momentum,
            )
        muon(
            [self._parameters[name] for name in gradients],
            list(gradients.values()),
            [self._buffers[name] for name in gradients],
            lr=learning_rate,
            weight_decay=self.config.weight_decay,
            momentum=self.config.muon_momentum,
            nesterov=True,
            ns_coefficients=(DEFAULT_A, DEFAULT_B, DEFAULT_C),
            ns_steps=DEFAULT_NS_STEPS,
            eps=EPS,
            adjust_lr_fn=None,
            has_complex=False,
        )

    def tensors(self) -> dict[str, Tensor]:
        """References to every moment, as `<parameter name>|momentum_buffer`."""
        return {f"{name}|momentum_buffer": buffer for name, buffer in self._buffers.items()}
