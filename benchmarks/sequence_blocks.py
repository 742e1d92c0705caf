"""What mixers cost: tokens a CPU second, forward and backward, beside transformers' Mamba-2 and a plain loop.

One mixer of width 256 reads 8 rows of 256 positions on one thread, in bf16 as the brains do; transformers' runs under
autocast. The parts of a comparison take turns in one process, each counted by its best of several, so that whatever
else the machine does meets all of them. Peers are transformers' `Mamba2Mixer` in its PyTorch form (the one that a CPU
runs), of the same width, heads and state, and the recurrence of RWKV-7 position by position.
"""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.result import Result, judged
from brain.blocks.delta_scan import DeltaStep, delta_scan
from brain.blocks.linear import initialize
from brain.blocks.mixer import MixerOptions, mixers
from brain.blocks.rwkv7 import log_decays
from brain.blocks.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIZE, ROWS, LENGTH = 256, 8, 256
HEAD_SIZE = STATE_SIZE = 64
FUSED = "fusion"  # what a TARS block mixes with
FUSED_MIN, SCAN_MIN = 1.5, 3.0


def run(*, long: bool) -> list[Result]:
    """The fused block beside Mamba-2, every other mixer in the details, and the chunked scan beside the loop."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measured(rounds=30 if long else 8, long=long)
    finally:
        torch.set_num_threads(threads)


def measured(*, rounds: int, long: bool) -> list[Result]:
    """See `run`."""
    x = torch.randn(ROWS, LENGTH, SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    reading = {name: ours(name, x) for name in mixers.names()} | {"transformers' Mamba-2": theirs(x)}
    by_block = tokens_a_second(reading, rounds)
    step, state = drawn_step(torch.Generator().manual_seed(0))
    scans = {"ours": lambda: delta_scan(step, state)[0], "a plain loop": lambda: loop(step, state)}
    by_scan = tokens_a_second(scans, max(2, rounds // 4))
    rate = by_block.pop("transformers' Mamba-2")
    return [
        judged(
            "sequence_blocks.fused",
            measures=f"fused block of TARS (Mamba-2 and RWKV-7), width {SIZE}, forward and backward in bf16",
            ours=by_block[FUSED],
            unit="tokens/CPU s",
            at_least=FUSED_MIN,
            of="ratio",
            peers={"transformers' Mamba-2": rate},
            long=long,
            details={
                "mixers": by_block,
                "over Mamba-2": {name: own / rate for name, own in by_block.items()},
            },
        ),
        judged(
            "sequence_blocks.wkv",
            measures=f"recurrence of RWKV-7, {SIZE // HEAD_SIZE} heads of {HEAD_SIZE}, forward and backward in fp32",
            ours=by_scan["ours"],
            unit="tokens/CPU s",
            at_least=SCAN_MIN,
            of="ratio",
            peers={"a plain loop": by_scan["a plain loop"]},
            long=long,
        ),
    ]


def tokens_a_second(forms: Mapping[str, Callable[[], Tensor]], rounds: int) -> dict[str, float]:
    """Positions read and gone back through a CPU second by each form, at its best, in turns."""
    best = dict.fromkeys(forms, float("inf"))
    for _ in range(rounds):
        for name, once in forms.items():
            begun = time.process_time()
            once().float().square().sum().backward()  # type: ignore[no-untyped-call]
            best[name] = min(best[name], time.process_time() - begun)
    return {name: ROWS * LENGTH / seconds for name, seconds in best.items()}


def ours(name: str, x: Tensor) -> Callable[[], Tensor]:
    """A mixer of this project that reads x from fresh."""
    options = MixerOptions(num_heads=SIZE // HEAD_SIZE, window=LENGTH)
    mixer = mixers.get(name).load().of(SIZE, options)
    initialize(mixer, torch.Generator().manual_seed(0))
    with_output(mixer.out.weight)

    def once() -> Tensor:
        span = Span.beginning(ROWS, LENGTH, device=x.device, dtype=torch.bfloat16)
        y: Tensor = mixer(x.bfloat16(), span, None)[0]
        return y

    return once


def theirs(x: Tensor) -> Callable[[], Tensor]:
    """Mamba-2 of transformers; it is of the extra `dev`."""
    module: Any = importlib.import_module("transformers.models.mamba2.modeling_mamba2")
    config = module.Mamba2Config(
        hidden_size=SIZE,
        state_size=STATE_SIZE,
        num_heads=2 * SIZE // HEAD_SIZE,
        head_dim=HEAD_SIZE,
        n_groups=1,
        expand=2,
        chunk_size=64,
        num_hidden_layers=1,
    )
    mixer: nn.Module = module.Mamba2Mixer(config, layer_idx=0)

    def once() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            y: Tensor = mixer(x)
        return y

    return once


@torch.no_grad()
def with_output(weight: Tensor) -> None:
    """A residual branch begins at zero, and zeros would be easy work."""
    weight.normal_(0.0, weight.shape[1] ** -0.5, generator=torch.Generator().manual_seed(1))


def drawn_step(generator: torch.Generator) -> tuple[DeltaStep, Tensor]:
    """What each position does, as RWKV-7 has it, and a state; all of it learns."""
    heads = SIZE // HEAD_SIZE

    def draw() -> Tensor:
        return torch.randn(ROWS, LENGTH, heads, HEAD_SIZE, generator=generator)

    direction = functional.normalize(draw(), dim=-1)
    step = DeltaStep(
        log_decay=log_decays(draw()),
        erase=-direction,
        back=direction * torch.sigmoid(draw()),
        key=draw() / HEAD_SIZE**0.5,
        value=draw(),
        read=draw(),
    )
    state = torch.zeros(ROWS, heads, HEAD_SIZE, HEAD_SIZE)
    return DeltaStep(*[part.requires_grad_() for part in step]), state


def loop(step: DeltaStep, state: Tensor) -> Tensor:
    """The reads of `delta_scan`, position by position."""
    reads = []
    for log_decay, erase, back, key, value, read in zip(*[part.unbind(1) for part in step], strict=True):
        erased = erase.unsqueeze(2) @ state
        written = back.unsqueeze(3) * erased + key.unsqueeze(3) * value.unsqueeze(2)
        state = log_decay.exp().unsqueeze(3) * state + written
        reads.append((read.unsqueeze(2) @ state).squeeze(2))
    return torch.stack(reads, dim=1)
