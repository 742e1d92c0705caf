"""Φ of a dense recurrent network: what learning adds and what cutting wires takes away."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from brain.vitals.build_vitals import build_vitals
from brain.vitals.config import VitalsConfig
from tests.unit.brain.vitals.networks import moment

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES, WIDTH, STEPS, TICKS = 8, 12, 250, 10
SIZE = MODULES * WIDTH


class DenseGRU(nn.Module):
    """A byte-level GRU whose units are cut into eight modules; `across` scales the weights between them."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.embedding = nn.Embedding(256, 32)
        self.cell = nn.GRU(32, SIZE, batch_first=True)
        self.head = nn.Linear(SIZE, 256)
        self.module_names = tuple(f"m{index}" for index in range(MODULES))
        self.across = 1.0

    @torch.no_grad()
    def observe(self, rows: Tensor, *, inject: Mapping[str, Tensor] | None = None) -> Mapping[str, Tensor]:
        push = torch.zeros(*rows.shape, SIZE)
        for name, value in (inject or {}).items():
            index = self.module_names.index(name)
            push[:, :, index * WIDTH : (index + 1) * WIDTH] = value
        inside = torch.kron(torch.eye(MODULES), torch.ones(WIDTH, WIDTH)).bool().repeat(3, 1)
        weights = dict(self.cell.named_parameters())
        wires = weights["weight_hh_l0"]
        recurrent = torch.where(inside, wires, self.across * wires)
        state, states = torch.zeros(len(rows), SIZE), []
        inputs = self.embedding(rows.long()) @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
        for step in range(rows.shape[1]):
            reset_in, update_in, new_in = inputs[:, step].chunk(3, dim=1)
            own = state @ recurrent.T + weights["bias_hh_l0"]
            reset_own, update_own, new_own = own.chunk(3, dim=1)
            update = torch.sigmoid(update_in + update_own)
            new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_own) * new_own)
            state = (1 - update) * new + update * state + push[:, step]
            states.append(state)
        return dict(
            zip(self.module_names, torch.split(torch.stack(states, dim=1), WIDTH, dim=2), strict=True)
        )

    def num_neurons(self) -> int:
        return SIZE


def texts(count: int, *, seed: int, rows: int = 24, length: int = 49) -> list[Tensor]:
    """Pieces of this project's own sources."""
    source = Path(__file__).parents[4] / "brain" / "vitals"
    text = torch.frombuffer(
        bytearray(b"".join(file.read_bytes() for file in sorted(source.glob("*.py")))), dtype=torch.uint8
    )
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(len(text) - length, (count, rows, 1), generator=generator)
    return list(text[starts + torch.arange(length)])


@pytest.fixture(scope="module")
def trained() -> DenseGRU:
    """A network that has learned to predict a little."""
    state = torch.get_rng_state()
    network = DenseGRU()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for rows in texts(STEPS, seed=1):
        hidden, _ = network.cell(network.embedding(rows[:, :-1].long()))
        loss = nn.functional.cross_entropy(network.head(hidden).flatten(0, 1), rows[:, 1:].long().flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    torch.set_rng_state(state)
    assert loss.item() < 3.0
    return network


def phi(network: Any, *, across: float = 1.0) -> float:
    """Φ over ten ticks, with the weights between modules scaled."""
    (sign,) = [one for one in build_vitals(VitalsConfig(), seed=0) if one.name == "phi"]
    before = network.across
    network.across = across
    for step, rows in enumerate(texts(TICKS, seed=2), start=1):
        reading = sign.measure(moment(network, step, rows=rows[:, :48]))
    network.across = before
    assert reading.value is not None
    return reading.value


def test_trained_above_untrained_above_disconnected(trained: DenseGRU) -> None:
    values = [phi(trained), phi(DenseGRU()), phi(trained, across=0.0)]
    assert values[0] > values[1] + 0.05 > values[2] + 0.1, values
    assert values[2] < 0.1


def test_scaling_the_wires_between_modules_raises_phi(trained: DenseGRU) -> None:
    values = [phi(trained, across=across) for across in (0.0, 0.25, 0.5, 1.0)]
    assert all(lower < higher for lower, higher in itertools.pairwise(values)), values
