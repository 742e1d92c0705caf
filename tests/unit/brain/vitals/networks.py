"""Small hand-written brains for tests of vital signs: modules that can be watched, nudged and steered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from brain.ports import Batch, BrainState, Moment, StepReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MODULES = tuple(f"m{index}" for index in range(8))
WIDTH = 6


class Network:
    """h_t = tanh(W h_{t−1} + U x_t), its units cut into eight modules.

    Args:
        across: scale of the weights between modules; 0 disconnects them.
        dead: modules whose activity is always 0; `constant` gives every unit the same value forever.
    """

    def __init__(self, *, across: float = 1.0, dead: int = 0, constant: bool = False, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        size = len(MODULES) * WIDTH
        self.module_names = MODULES
        weights = torch.randn(size, size, generator=generator)
        inside = torch.kron(torch.eye(len(MODULES)), torch.ones(WIDTH, WIDTH)).bool()
        weights = torch.where(
            inside, weights * 0.9 / WIDTH**0.5, weights * across * 0.5 / (size - WIDTH) ** 0.5
        )
        self.weights = weights
        self.inputs = torch.randn(256, size, generator=generator) * 0.7
        self.readout = torch.randn(256, size, generator=generator) * 0.5
        self.dead, self.constant = dead, constant
        self.poison = 0  # rows whose activity is made NaN
        self.neurons = size
        self.passes = 0

    def observe(self, rows: Tensor, *, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
        self.passes += 1
        size = len(MODULES) * WIDTH
        push = torch.zeros(*rows.shape, size)
        for name, value in (inject or {}).items():
            index = MODULES.index(name)
            push[:, :, index * WIDTH : (index + 1) * WIDTH] = value
        state, states = torch.zeros(len(rows), size), []
        for step in range(rows.shape[1]):
            state = torch.tanh(state @ self.weights.T + self.inputs[rows[:, step].long()])
            if self.constant:
                state = torch.full_like(state, 0.3)
            state[:, : self.dead * WIDTH] = 0.0
            state = state + push[:, step]
            states.append(state)
        activity = torch.stack(states, dim=1)
        activity[: self.poison] = torch.nan
        parts = torch.split(activity, WIDTH, dim=2)
        return dict(zip(MODULES, parts, strict=True))

    def reader(self, rows: int) -> NetworkReader:
        return NetworkReader(self, torch.zeros(rows, len(MODULES) * WIDTH))

    def learn(self, batch: Batch) -> StepReport:
        raise NotImplementedError

    def score(self, rows: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError

    def generate(
        self,
        prompt: bytes,
        *,
        max_bytes: int,
        temperature: float,
        top_p: float,
        generator: torch.Generator,
        top_k: int = 0,
    ) -> Iterator[bytes]:
        raise NotImplementedError

    def state(self) -> BrainState:
        raise NotImplementedError

    def adopt(self, stored: BrainState) -> tuple[BrainState, tuple[str, ...]]:
        raise NotImplementedError

    def load(self, state: BrainState) -> None:
        raise NotImplementedError

    def scale_learning_rate(self, factor: float) -> None:
        raise NotImplementedError

    def num_parameters(self) -> int:
        return self.weights.numel()

    def num_neurons(self) -> int:
        return self.neurons


class NetworkReader:
    """Speaks with the network's own dynamics; `deaf` networks do not hear what they say."""

    def __init__(self, network: Network, state: Tensor) -> None:
        self.network, self.state = network, state

    def read(self, rows: Tensor) -> Tensor:
        logits = []
        for step in range(rows.shape[1]):
            logits.append(self.predict())
            self.accept(rows[:, step].long())
        return torch.stack(logits, dim=1)

    def predict(self) -> Tensor:
        return self.state @ self.network.readout.T

    def accept(self, byte: Tensor) -> None:
        self.state = torch.tanh(self.state @ self.network.weights.T + self.network.inputs[byte])

    def fork(self, rows: Tensor) -> NetworkReader:
        return NetworkReader(self.network, self.state[rows].clone())


class Unwatchable(Network):
    """A brain without modules or a reader."""

    observe = None  # type: ignore[assignment]
    reader = None  # type: ignore[assignment]


def batch_of(rows: Tensor) -> Batch:
    count = len(rows)
    return Batch(
        bytes=rows,
        mask=torch.ones_like(rows, dtype=torch.bool),
        lane=torch.arange(count),
        reset=torch.zeros(count, dtype=torch.bool),
        source=torch.zeros(count, dtype=torch.int64),
    )


def report(**evidence: Tensor) -> StepReport:
    return StepReport(
        loss=1.0,
        replay_loss=None,
        num_bytes=1,
        row_loss=torch.zeros(1),
        grad_norm=1.0,
        learning_rate=0.1,
        applied=True,
        evidence=evidence,
    )


def random_rows(step: int, *, rows: int = 20, length: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    return torch.randint(0, 256, (rows, length), generator=generator, dtype=torch.uint8)


def moment(brain: Any, step: int, *, rows: Tensor | None = None, **others: Any) -> Moment:
    others.setdefault("report", report())
    return Moment(
        step=step, brain=brain, batch=batch_of(random_rows(step) if rows is None else rows), **others
    )
