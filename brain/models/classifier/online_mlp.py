"""An MLP that learns one small batch after another with next to no overhead, many of them side by side.

All weights lie in one flat tensor, so that an update, an average or a snapshot is a few passes over it; the
gradient is written out by hand. Autograd and torch.optim cost several times the arithmetic at these sizes.

Shapes: R networks side by side, P weights of one, B examples, I inputs, H units, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.growth.site import Site
from brain.optim.adam import adamw_update
from brain.plasticity.continual_backprop import ContinualBackprop, Renewal
from brain.plasticity.regularize import pull_to_start, shrink_and_perturb
from brain.plasticity.unit_slices import UnitSlices

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.models.classifier.config import MLPConfig

LEAK = 0.01
PLASTICITY = "plasticity|"
COPIES = frozenset({"generator", "wait", "noise"})  # of learning tensors: copies of what is no tensor


@dataclass(frozen=True)
class Trace:
    """One pass: the input of each layer, (R, B, I) then (R, B, H) …, and the outputs (R, B, O)."""

    inputs: list[Tensor]
    outputs: Tensor

    @property
    def hidden(self) -> list[Tensor]:
        """Activations of the hidden layers."""
        return self.inputs[1:]


class OnlineMLP:
    """R networks of one shape, each with weights, moments and hidden units of its own.

    Args:
        config: shape and rates.
        population: R.
        seed: of first weights and of every later draw.
        rate_scale: (R,) multiple of the learning rate for each network; None for one.
        device: where its tensors live; all draws are made on the CPU.
    """

    def __init__(
        self,
        config: MLPConfig,
        *,
        population: int = 1,
        seed: int = 0,
        rate_scale: Tensor | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.config, self.population = config, population
        generator = torch.Generator().manual_seed(seed)
        shapes = list(zip(config.sizes[1:], config.sizes[:-1], strict=True))
        size = sum(outputs * (inputs + 1) for outputs, inputs in shapes)
        self.spreads = [config.gain * inputs**-0.5 for _, inputs in shapes]
        self.spreads[-1] = config.output_gain * shapes[-1][1] ** -0.5
        first = torch.zeros(population, size)
        for weight, spread in zip(self._views(first)[0], self.spreads, strict=True):
            weight.normal_(0.0, spread, generator=generator)
        self.flat = first.to(device)
        self.gradient = torch.zeros_like(self.flat)
        self.exp_avg, self.exp_avg_sq = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        # What divides the moments' bias away, weight by weight: a renewed unit begins at step 0 again.
        renews = config.plasticity.replacement_rate > 0
        self.known, self.known_sq = (
            torch.zeros_like(self.flat) if renews else torch.zeros(1, 1, device=device) for _ in range(2)
        )
        self.weights, self.biases = self._views(self.flat)
        self._weight_gradients, self._bias_gradients = self._views(self.gradient)
        self.start = self.flat.clone() if config.plasticity.l2_init else None
        self.rate = config.learning_rate * (
            torch.ones(1, 1, device=device) if rate_scale is None else rate_scale.reshape(population, 1)
        )
        self._noise = torch.Generator().manual_seed(seed + 1)
        self._copies: dict[str, Tensor] = {}
        self.num_steps = 0
        self.recycling = ContinualBackprop(
            self._sites(), self._unit_slices(), config.plasticity, seed=seed + 2
        )

    def _views(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Weights (R, O, I) and biases (R, O) of each layer as views of a flat tensor (R, P)."""
        weights, biases, begin = [], [], 0
        for inputs, outputs in zip(self.config.sizes[:-1], self.config.sizes[1:], strict=True):
            end = begin + outputs * inputs
            weights.append(flat[:, begin:end].view(-1, outputs, inputs))
            biases.append(flat[:, end : end + outputs])
            begin = end + outputs
        return weights, biases

    def _sites(self) -> dict[str, Site]:
        return {
            f"hidden.{index}": Site(
                units=units,
                born_units=units,
                place=index,
                incoming=(f"layers.{index}.weight", f"layers.{index}.bias"),
                outgoing=(f"layers.{index + 1}.weight",),
                next_bias=f"layers.{index + 1}.bias",
            )
            for index, units in enumerate(self.config.sizes[1:-1])
        }

    def _unit_slices(self) -> UnitSlices:
        moments = [self.exp_avg, self.exp_avg_sq]
        if self.known.shape == self.flat.shape:
            moments += [self.known, self.known_sq]
        weights, kept = self.named(self.flat), [self.named(moment) for moment in moments]
        starts = {} if self.start is None else self.named(self.start)
        return UnitSlices(
            weights=weights,
            moments={name: tuple(own[name] for own in kept) for name in weights},
            followers={name: (start,) for name, start in starts.items()},
            spread={f"layers.{index}.weight": spread for index, spread in enumerate(self.spreads)},
        )

    # Forward, backward, update.

    def forward(self, examples: Tensor, *, flat: Tensor | None = None) -> Trace:
        """Read examples (R, B, I); `flat` reads with other weights of the same shape, an average for one."""
        weights, biases = (self.weights, self.biases) if flat is None else self._views(flat)
        inputs, outputs = [examples], examples
        for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            outputs = torch.baddbmm(bias.unsqueeze(1), outputs, weight.transpose(1, 2))
            if index < len(weights) - 1:
                outputs = self._activate(outputs)
                inputs.append(outputs)
        return Trace(inputs, outputs)

    def _activate(self, x: Tensor) -> Tensor:
        if self.config.activation == "relu":
            return x.relu_()
        if self.config.activation == "tanh":
            return x.tanh_()
        return torch.nn.functional.leaky_relu_(x, LEAK)

    def _descend(self, delta: Tensor, activations: Tensor) -> Tensor:
        """Gradient by the input of the activation function, from the gradient by its output."""
        if self.config.activation == "relu":
            return delta.mul_(activations > 0)
        if self.config.activation == "tanh":
            return delta.mul_(1.0 - activations.square())
        return delta.mul_(torch.where(activations > 0, 1.0, LEAK))

    def backward(self, trace: Trace, delta: Tensor) -> None:
        """Leave in `gradient` that of a loss whose gradient by the outputs is `delta` (R, B, O)."""
        for index in range(len(self.weights) - 1, -1, -1):
            inputs = trace.inputs[index]
            self._weight_gradients[index].copy_(torch.bmm(delta.transpose(1, 2), inputs))
            torch.sum(delta, 1, out=self._bias_gradients[index])
            if index:
                delta = self._descend(torch.bmm(delta, self.weights[index]), inputs)

    def update(self, trace: Trace) -> list[Renewal]:
        """Step along `gradient`, draw weights back, renew units; `trace` holds the units' activations.

        A network whose rate is 0 stays as it is.
        """
        self.num_steps += 1
        if self.config.optimizer == "adam":
            self._adam_step()
        else:
            self.flat.sub_(self.gradient * self.rate)
        plasticity, learning = self.config.plasticity, self._learning()
        kept = None if learning is None else self.flat.clone()
        if self.start is not None:
            pull_to_start(self.flat, self.start, self.config.learning_rate * plasticity.l2_init)
        if (plasticity.shrink or plasticity.perturb) and self.num_steps % plasticity.perturb_every_steps == 0:
            self._shrink_and_perturb()
        if learning is not None and kept is not None:
            self.flat.copy_(torch.where(learning.unsqueeze(1), self.flat, kept))
        if not plasticity.replacement_rate:
            return []
        self.recycling.observe(trace.hidden)
        return self.recycling.renew(learning)

    def _learning(self) -> Tensor | None:
        """Which networks have a rate, (R,) bool; None when all have."""
        learning = self.rate.squeeze(1) > 0
        return None if bool(learning.all()) else learning.expand(self.population)

    def _adam_step(self) -> None:
        beta1, beta2 = self.config.betas
        self.known.mul_(beta1).add_(1.0 - beta1)
        self.known_sq.mul_(beta2).add_(1.0 - beta2)
        adamw_update(
            self.flat,
            self.gradient,
            self.exp_avg,
            self.exp_avg_sq,
            rate=self.rate,
            corrections=(self.known, self.known_sq),
            betas=self.config.betas,
            eps=self.config.eps,
        )

    def _shrink_and_perturb(self) -> None:
        plasticity = self.config.plasticity
        for weight, spread in zip(self.weights, self.spreads, strict=True):
            noise = torch.randn(weight.shape, generator=self._noise).mul_(spread * plasticity.perturb)
            shrink_and_perturb(weight, shrink=plasticity.shrink, noise=noise.to(weight))

    # What survives a restart.

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of a flat tensor of this shape, by the name of the weight."""
        weights, biases = self._views(flat)
        return {
            f"layers.{index}.{part}": view
            for part, views in (("weight", weights), ("bias", biases))
            for index, view in enumerate(views)
        }

    def moments(self) -> list[Tensor]:
        """Every tensor an update changes besides the weights."""
        own = [self.exp_avg, self.exp_avg_sq, self.known, self.known_sq]
        return own + ([] if self.start is None else [self.start]) + self.recycling.unit_slices()

    def learning_tensors(self) -> dict[str, Tensor]:
        """Moments as `<weight>|<moment>`, first weights as `start|<weight>`, the rest as `plasticity|<name>`."""
        moments = {"exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}
        corrections = {"known": self.known, "known_sq": self.known_sq}
        tensors = {}
        if self.known.shape == self.flat.shape:
            moments |= corrections
        else:
            tensors = {f"{PLASTICITY}{name}": shared for name, shared in corrections.items()}
        for moment, flat in moments.items():
            tensors |= {f"{name}|{moment}": view for name, view in self.named(flat).items()}
        if self.start is not None:
            tensors |= {f"start|{name}": view for name, view in self.named(self.start).items()}
        units = self.recycling.tensors()
        copies = {name: units.pop(name) for name in COPIES & units.keys()} | {
            "noise": self._noise.get_state()
        }
        for name, copy in copies.items():
            self._copies.setdefault(name, copy).copy_(copy)
        return tensors | {f"{PLASTICITY}{name}": tensor for name, tensor in (units | self._copies).items()}

    def take_generators(self, learning: Mapping[str, Tensor], *, num_steps: int) -> None:
        """Set what `learning_tensors` gave only copies of; the tensors themselves are copied in by name."""
        self.recycling.load(
            {
                name.removeprefix(PLASTICITY): tensor
                for name, tensor in learning.items()
                if name.startswith(PLASTICITY)
            }
        )
        self._noise.set_state(learning[f"{PLASTICITY}noise"].cpu().clone())
        self.num_steps = num_steps
