"""Does latent thinking pay, and do patches? AGIFORMER beside itself without them, at equal bytes and equal CPU seconds.

All arms read enwik8 once, in the same order, 8 lanes of 128 bytes a step, Muon, one thread, no exact memory, no replay;
they take turns step by step in one process, so that whatever else the machine does meets all of them. What is held out
lies elsewhere in the file and is read from reset states, each byte once, at the fourths of the stream, by the plastic
average of the weights, since those of one step are noise; its CPU does not count.

- K = 3 tied: what the brain does; K = 3 untied: each step has weights of its own; K = 0 to 3: drawn in each step; with
  exits: it learns where to stop.
- Without thinking: K = 0, one more block, and a wider stream, which costs about what three steps do.
- Plain bytes: K = 0 with patches of one byte, and a window as long in bytes.

At equal CPU seconds: each arm as it was when it had spent what K = 0 spent on the whole text, read off a line between
fourths, against the logarithm of the CPU seconds. The short form reads 96 KiB, the long one 384 KiB; one seed.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.result import Result, judged
from benchmarks.texts import MissingTextError, take
from brain.build import build_brain
from brain.models.agiformer.introspection import inspect_thinking
from brain.models.agiformer.network import AgiformerNetwork
from brain.online.online_brain import OnlineBrain
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LANES, LENGTH = 8, 128
SHORT_BYTES, LONG_BYTES = 96 * 1024, 384 * 1024
HELD_OUT_FROM, HELD_OUT_BYTES, ROW_BYTES = 3_654_399, 32_000, 1000
LOOKS = 4
READ_WITH = (0, 1, 2, 3, 5, 8)
BASE: Mapping[str, Any] = {
    "hidden_size": 128, "num_layers": 2, "num_heads": 4, "byte_size": 64, "patch_size": 4, "window": 128,
}  # fmt: skip
TIED, UNTIED, DRAWN, EXITS = "K = 3 tied", "K = 3 untied", "K = 0 to 3, drawn", "K = 3, exits"
NONE, DEEPER, WIDER, PLAIN = "K = 0", "K = 0, one more block", "K = 0, wider", "K = 0, plain bytes"
ARMS: Mapping[str, Mapping[str, Any]] = {
    TIED: {"thinking_steps": 3},
    UNTIED: {"thinking_steps": 3, "thinking_tied": False},
    DRAWN: {"thinking_steps": 3, "random_thinking": True},
    EXITS: {"thinking_steps": 3, "halting": True},
    NONE: {"thinking_steps": 0},
    DEEPER: {"thinking_steps": 0, "num_layers": 3},
    WIDER: {"thinking_steps": 0, "hidden_size": 144},
    PLAIN: {"thinking_steps": 0, "patch_size": 1, "window": 512},
}
BITS_WORSE, CPU_SHARE = 0.02, 0.7  # what patches may cost, and what of the CPU
KEPT_GAIN, STEPS_SHARE = 0.9, 0.6  # of what all steps gain, and what of the steps exits may take for it


@dataclass
class Arm:
    """A brain that reads, and what it came to.

    Attributes:
        brain: it.
        cpu_seconds: of learning.
        held_out: bits per byte at each look.
        spent: CPU seconds at each look.
    """

    brain: OnlineBrain[Any]
    cpu_seconds: float = 0.0
    held_out: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    @property
    def network(self) -> AgiformerNetwork:
        """Its network."""
        assert isinstance(self.brain.network, AgiformerNetwork)
        return self.brain.network

    def learn(self, batch: Batch) -> None:
        """A step."""
        begun = time.process_time()
        self.brain.learn(batch)
        self.cpu_seconds += time.process_time() - begun

    def look(self, rows: torch.Tensor) -> None:
        """Read what is held out, all steps taken."""
        self.held_out.append(self.read(rows))
        self.spent.append(self.cpu_seconds)

    def read(self, rows: torch.Tensor) -> float:
        """Bits per byte of rows (R, T), each read from a reset state."""
        with self.brain.averages.swapped_in("plastic"), self._all_steps():
            nats = self.brain.score(rows, torch.ones_like(rows, dtype=torch.bool))
        return float(nats.sum()) / rows.numel() / math.log(2)

    @contextmanager
    def _all_steps(self) -> Iterator[None]:
        """Exits are not obeyed meanwhile."""
        thinking = self.network.thinking
        halts = thinking is not None and thinking.halts
        if thinking is not None:
            thinking.halts = False
        yield
        if thinking is not None:
            thinking.halts = halts

    def halting(self, rows: torch.Tensor) -> dict[str, float]:
        """What its exits do."""
        with self.brain.averages.swapped_in("plastic"):
            pairs = [(part, torch.ones_like(part, dtype=torch.bool)) for part in torch.split(rows, 4)]
            found: dict[str, float] = inspect_thinking(self.brain, pairs)["halting"]
        return found

    def at(self, cpu_seconds: float) -> float:
        """Bits per byte of the held-out text after this many CPU seconds."""
        return float(np.interp(math.log(cpu_seconds), np.log(self.spent), self.held_out))

    def by_steps(self, rows: torch.Tensor) -> dict[str, float]:
        """Bits per byte by the number of thinking steps; untied steps are limited."""
        thinking, own = self.network.thinking, self.network.thinking_steps
        if thinking is None:
            return {}
        most = math.inf if thinking.most is None else thinking.most
        found = {}
        for steps in READ_WITH:
            if steps <= most:
                self.network.thinking_steps = steps
                found[str(steps)] = self.read(rows)
        self.network.thinking_steps = own
        return found


def run(*, long: bool) -> list[Result]:
    """Thinking at equal bytes and at equal CPU seconds; patches in bits and in CPU seconds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        num_bytes = LONG_BYTES if long else SHORT_BYTES
        arms, held_out = read_in_turns(num_bytes, ARMS)
        return results(arms, held_out, num_bytes, long=long)
    finally:
        torch.set_num_threads(threads)


def texts(num_bytes: int) -> tuple[torch.Tensor, torch.Tensor, str]:
    """Lanes of what is read, rows of what is held out, and what it is; of another text where enwik8 is not here."""
    try:
        name, first = "enwik8", HELD_OUT_FROM
        data = take(name, first + HELD_OUT_BYTES).data
    except MissingTextError:
        name, first = "python", num_bytes
        data = take(name, num_bytes + HELD_OUT_BYTES).data
    read = torch.frombuffer(bytearray(data[:num_bytes]), dtype=torch.uint8)
    rest = data[first:]
    rest = rest[: len(rest) // ROW_BYTES * ROW_BYTES]
    return (
        read.view(LANES, -1),
        torch.frombuffer(bytearray(rest), dtype=torch.uint8).view(-1, ROW_BYTES),
        name,
    )


def read_in_turns(
    num_bytes: int, settings: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Arm], torch.Tensor]:
    """All arms read the text, a step each in turn."""
    lanes, held_out, _ = texts(num_bytes)
    optimizer = OptimizerConfig(kind="muon", learning_rate=3e-3, muon_learning_rate=0.02)
    arms = {}
    for name, own in settings.items():
        brain = build_brain(
            "agiformer", {**BASE, **own}, optimizer=optimizer, lanes=LANES, device=torch.device("cpu"), seed=0
        )
        assert isinstance(brain, OnlineBrain)
        arms[name] = Arm(brain)
    steps = lanes.shape[1] // LENGTH
    looks = {steps * part // LOOKS for part in range(1, LOOKS + 1)}
    for step in range(steps):
        batch = Batch(
            bytes=lanes[:, step * LENGTH : (step + 1) * LENGTH].contiguous(),
            mask=torch.ones(LANES, LENGTH, dtype=torch.bool),
            lane=torch.arange(LANES),
            reset=torch.full((LANES,), step == 0),
            source=torch.zeros(LANES, dtype=torch.int64),
        )
        for arm in arms.values():
            arm.learn(batch)
        if step + 1 in looks:
            for arm in arms.values():
                arm.look(held_out)
            print(f"{(step + 1) * LANES * LENGTH:,} bytes:", *_shown(arms), sep="\n  ", flush=True)
    return arms, held_out


def results(arms: Mapping[str, Arm], held_out: torch.Tensor, num_bytes: int, *, long: bool) -> list[Result]:
    """What it came to, misses as misses."""
    budget = arms[NONE].cpu_seconds
    beside = [UNTIED, NONE, DEEPER, WIDER]
    details = {
        "bytes": num_bytes,
        "held_out_bytes": held_out.numel(),
        "cpu_seconds": {name: arm.cpu_seconds for name, arm in arms.items()},
        "parameters": {name: arm.brain.num_parameters() for name, arm in arms.items()},
        "held_out_at_fourths": {name: arm.held_out for name, arm in arms.items()},
        "read_with_steps": {name: arm.by_steps(held_out) for name, arm in arms.items()},
        "drawn": {"equal bytes": arms[DRAWN].held_out[-1], "equal CPU": arms[DRAWN].at(budget)},
        "share of a block's gain": _share(arms),
        "budget_cpu_seconds": budget,
        "seeds": 1,
    }
    size = f"{num_bytes // 1024} KiB of enwik8 read once"
    patches, plain, exits = arms[NONE], arms[PLAIN], arms[EXITS].halting(held_out)
    return [
        judged(
            "thinking.equal_bytes",
            measures=f"held-out bits per byte of three tied steps of thinking, {size}, at equal bytes",
            ours=arms[TIED].held_out[-1],
            peers={name: arms[name].held_out[-1] for name in beside},
            unit="bits per byte",
            at_most=1.0,
            of="ratio",
            long=long,
            details=details,
        ),
        judged(
            "thinking.equal_cpu",
            measures=f"the same at equal CPU seconds, those of K = 0, {size}",
            ours=arms[TIED].at(budget),
            peers={name: arms[name].at(budget) for name in beside},
            unit="bits per byte",
            at_most=1.0,
            of="ratio",
            long=long,
        ),
        judged(
            "thinking.patches",
            measures=f"held-out bits per byte of patches of four, K = 0, {size}",
            ours=patches.held_out[-1],
            peers={"plain bytes": plain.held_out[-1]},
            unit="bits per byte",
            at_most=1.0 + BITS_WORSE / plain.held_out[-1],
            of="ratio",
            long=long,
            details={"equal CPU": {"patches": patches.held_out[-1], "plain bytes": plain.at(budget)}},
        ),
        judged(
            "thinking.patches_cpu",
            measures=f"CPU seconds of patches of four, K = 0, {size}",
            ours=patches.cpu_seconds,
            peers={"plain bytes": plain.cpu_seconds},
            unit="CPU s",
            at_most=CPU_SHARE,
            of="ratio",
            long=long,
        ),
        judged(
            "thinking.exits",
            measures=f"share of the steps that exits take, if they keep {KEPT_GAIN:.0%} of the gain, else 1; {size}",
            ours=exits["share_of_steps"] if exits["share_of_gain"] >= KEPT_GAIN else 1.0,
            peers={"all steps": 1.0},
            unit="of the steps",
            at_most=STEPS_SHARE,
            long=long,
            details=exits,
        ),
    ]


def _share(arms: Mapping[str, Arm]) -> float | None:
    """What three tied steps gain on K = 0 at equal bytes, over what one more block gains; None where it gains none."""
    last = {name: arm.held_out[-1] for name, arm in arms.items()}
    gain = last[NONE] - last[DEEPER]
    return (last[NONE] - last[TIED]) / gain if gain > 0 else None


def _shown(arms: Mapping[str, Arm]) -> list[str]:
    return [f"{name}: {arm.held_out[-1]:.3f} BPC, {arm.cpu_seconds:.1f} CPU s" for name, arm in arms.items()]
