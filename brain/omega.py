"""`python -m brain.omega`: compile every loop ahead, compare each with what it stands for, and say how it pays.

What is compiled is kept, so that it is done once on a machine.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from brain.blocks import recurrences
from brain.blocks.byte_step import byte_loops
from brain.blocks.delta_scan import DeltaStep, delta_scan
from brain.blocks.ssd import ssd_scan
from brain.models.mingru.config import MinGRUConfig
from brain.models.tars.config import TarsConfig
from brain.optim.config import OptimizerConfig
from brain.registry import brains

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, LENGTH, HEADS, SIZE = 8, 128, 4, 64
ALLOWED = 1e-4  # of single precision, relative to the largest value
ROUNDS = 3
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A compiled recurrence beside the one in chunks.

    Attributes:
        name: of the recurrence.
        difference: the largest of values and gradients, relative.
        times_faster: forward and backward, by CPU time.
    """

    name: str
    difference: float
    times_faster: float

    @property
    def agrees(self) -> bool:
        """Whether they differ by rounding alone."""
        return self.difference <= ALLOWED


def compare_all() -> list[Compared]:
    """Compile, and compare; nothing where nothing can be compiled."""
    loops = recurrences.compiled_loops()
    if loops is None:
        return []
    draw = torch.Generator().manual_seed(0)
    parts = [torch.randn(ROWS, LENGTH, HEADS, SIZE, generator=draw) for _ in range(6)]
    unit = functional.normalize(parts[1], dim=-1)
    step = [-0.6 * parts[0].sigmoid(), -unit, unit * parts[2].sigmoid(), parts[3] / 8, parts[4], parts[5]]
    mixed = torch.randn(ROWS, LENGTH, HEADS * SIZE + 2 * SIZE, generator=draw)
    space = [-parts[0][..., 0].exp(), parts[1][..., 0].sigmoid(), mixed, torch.ones(HEADS)]

    def compiled_space(log_decay: Tensor, dt: Tensor, mixed: Tensor, skip: Tensor, state: Tensor) -> Tensor:
        return recurrences.state_space(
            loops, log_decay=log_decay, dt=dt, mixed=mixed, skip=skip, initial=state
        )[0]

    def chunked_space(log_decay: Tensor, dt: Tensor, mixed: Tensor, skip: Tensor, state: Tensor) -> Tensor:
        x, into, outof = torch.split(mixed, [HEADS * SIZE, SIZE, SIZE], dim=-1)
        x = x.reshape(ROWS, LENGTH, HEADS, SIZE)
        y, _ = ssd_scan(log_decay, x * dt.unsqueeze(-1), into, outof, state)
        return (y + skip[:, None] * x).flatten(2)

    state = torch.zeros(ROWS, HEADS, SIZE, SIZE)
    return [
        _compared(
            "delta rule",
            lambda *leaves: recurrences.delta_rule(DeltaStep(*leaves[:6]), leaves[6])[0],
            lambda *leaves: delta_scan(DeltaStep(*leaves[:6]), leaves[6])[0],
            [*step, state],
        ),
        _compared("state space", compiled_space, chunked_space, [*space, state]),
    ]


def compile_generation() -> bool:
    """Have each kind of block that has loops read a byte by them; False where nothing can be compiled."""
    small = OptimizerConfig()
    for kind, config in (
        ("tars", TarsConfig(hidden_size=8, num_layers=1)),
        ("mingru", MinGRUConfig(hidden_size=8, num_layers=1)),
    ):
        brain = brains.get(kind).load().build(config, optimizer=small, lanes=1, device=CPU, seed=0)
        reader = brain.reader(1)
        reader.read(torch.zeros(1, 2, dtype=torch.uint8))
        reader.predict()
    return byte_loops() is not None


def _compared(
    name: str, ours: Callable[..., Tensor], theirs: Callable[..., Tensor], parts: list[Tensor]
) -> Compared:
    leaves = [part.clone().requires_grad_() for part in parts]
    found, best = [], []
    for form in (ours, theirs):
        seconds = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            y = form(*leaves)
            gradients = torch.autograd.grad(y.square().sum(), leaves)
            seconds.append(time.process_time() - begun)
        found.append((y.detach(), *gradients))
        best.append(min(seconds))
    difference = max(
        float((own - other).abs().max() / other.abs().max().clamp(min=1e-6))
        for own, other in zip(*found, strict=True)
    )
    return Compared(name=name, difference=difference, times_faster=best[1] / best[0])


def main() -> int:
    """Print what was found; 1 where nothing is compiled or it differs."""
    begun = time.perf_counter()
    compared = compare_all()
    if not compared or not compile_generation():
        print("Omega: Numba is not installed, so nothing is compiled (pip install numba)")  # noqa: T201
        return 1
    for one in compared:
        verdict = "agrees" if one.agrees else "DIFFERS"
        print(  # noqa: T201
            f"Omega: {one.name}, compiled: {one.times_faster:.1f} times as fast, {verdict} to {one.difference:.0e}"
        )
    print(f"Omega: compiled or taken from the cache in {time.perf_counter() - begun:.0f} s")  # noqa: T201
    return 0 if all(one.agrees for one in compared) else 1


if __name__ == "__main__":
    sys.exit(main())
