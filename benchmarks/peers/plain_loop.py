"""A plain PyTorch loop over the default brain's architecture, written out; nothing of the project is imported.

It has the same network (byte embedding and bigram table, blocks of minGRU and window attention with squared-ReLU MLPs,
self model), the same batch (8 rows that continue their lanes, 2 from a reset state), the same loss and the same updates
(Muon for matrices between hidden layers, AdamW for the rest, sparse Adam for the table, clipped). It leaves out weight
averages, renewal of units, replay, vital signs, checkpoints and the exact memory.

`python plain_loop.py [SPIN]`: for each number of steps read from standard input, prints the steps per second.
"""

from __future__ import annotations

import math
import os
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":
    # As polite as a trainer, and with OpenMP workers that spin as long; read when torch loads.
    if hasattr(os, "nice"):
        os.nice(10)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE, HEADS, WINDOW, MLP_RATIO, BIGRAM, SELF_MODEL = 128, 2, 256, 4, 64, 128
LAYERS = ("mingru", "attention", "mingru", "attention")
LANES, REPLAYED, LENGTH = 8, 2, 128
LOGIT_CAP, EPSILON, PERIOD = 30.0, 1e-6, 8192
LEARNING_RATE, MUON_RATE, MOMENTUM, BETAS, WARM_UP, CLIP = 3e-3, 0.02, 0.95, (0.8, 0.95), 100, 1.0
TEXT_BYTES = 8_000_000
THREADS = 1

State = dict[str, Tensor]


class Reach(NamedTuple):
    """Where positions stand: what each may look at, (B, 1, T, W + T), and cosines and sines (T, D/2)."""

    mask: Tensor
    cos: Tensor
    sin: Tensor


class Matrix(nn.Module):
    """A matrix without bias, kept in float32 and applied in the precision of its input."""

    def __init__(self, into: int, out: int, *, zero: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(out, into) if zero else torch.randn(out, into) * into**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the matrix."""
        return functional.linear(x, self.weight.to(x.dtype))


class Scan(torch.autograd.Function):
    """h_t = a_t h_{t−1} + b_t, position by position, and backwards the same way."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, initial: Tensor) -> Tensor:
        """All states (B, T, H)."""
        states, hidden = torch.empty_like(b), initial
        for t in range(b.shape[1]):
            hidden = torch.addcmul(b[:, t], a[:, t], hidden, out=states[:, t])
        ctx.save_for_backward(a, states, initial)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """By a and b."""
        a, states, initial = ctx.saved_tensors
        (gradient,) = gradients
        delta = torch.empty_like(gradient)
        delta[:, -1] = gradient[:, -1]
        for t in range(a.shape[1] - 2, -1, -1):
            torch.addcmul(gradient[:, t], a[:, t + 1], delta[:, t + 1], out=delta[:, t])
        return delta * torch.cat([initial[:, None], states[:, :-1]], dim=1), delta, None


class Convolution(nn.Module):
    """Each channel mixes its own last four inputs."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, size) * 0.1)
        self.weight.data[-1] += 1.0

    def forward(self, x: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, d) behind a tail of three inputs (B, 3, d), and the next tail."""
        reach, weight = torch.cat([tail.to(x.dtype), x], dim=1), self.weight.to(x.dtype)
        length = x.shape[1]
        y = sum((reach[:, k : k + length] * weight[k] for k in range(1, 4)), reach[:, :length] * weight[0])
        return y, reach[:, length:].detach()


class MinGRU(nn.Module):
    """h_t = (1 − z_t) h_{t−1} + z_t g(h̃_t)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = Convolution(size)
        self.gate, self.candidate = Matrix(size, size), Matrix(size, size)
        self.out = Matrix(size, size, zero=True)

    def forward(self, x: Tensor, state: State, _reach: Reach) -> tuple[Tensor, State]:
        """Mix (B, T, d)."""
        u, tail = self.conv(x, state["tail"])
        z, h = torch.sigmoid(self.gate(u).float()), self.candidate(u).float()
        g = torch.sigmoid(h.clamp(max=0.0)) + torch.relu(h)
        states = Scan.apply(1.0 - z, z * g, state["hidden"])  # type: ignore[no-untyped-call]
        return self.out(states.to(x.dtype)), {"hidden": states[:, -1].detach(), "tail": tail}

    def new_state(self, rows: int, dtype: torch.dtype) -> State:
        """Zeros."""
        size = self.gate.weight.shape[1]
        return {"hidden": torch.zeros(rows, size), "tail": torch.zeros(rows, 3, size, dtype=dtype)}


class Attention(nn.Module):
    """Window attention with normalised queries and keys and rotary positions; the window before is a constant."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.qkv, self.out = Matrix(size, 3 * size), Matrix(size, size, zero=True)

    def forward(self, x: Tensor, state: State, reach: Reach) -> tuple[Tensor, State]:
        """Mix (B, T, d)."""
        rows, length, size = x.shape
        head = size // HEADS
        q, k, v = self.qkv(x).view(rows, length, 3, HEADS, head).permute(2, 0, 3, 1, 4)
        q, k = (
            rotate(functional.rms_norm(each.float(), (head,), eps=EPSILON), reach).to(x.dtype)
            for each in (q, k)
        )
        keys, values = torch.cat([state["keys"], k], dim=2), torch.cat([state["values"], v], dim=2)
        weight = (q * head**-0.5 @ keys.transpose(2, 3) + reach.mask).softmax(-1)
        y = (weight @ values).transpose(1, 2).reshape(rows, length, size)
        after = {"keys": keys[:, :, -WINDOW:].detach(), "values": values[:, :, -WINDOW:].detach()}
        return self.out(y), after

    def new_state(self, rows: int, dtype: torch.dtype) -> State:
        """An empty window."""
        size = self.out.weight.shape[0]
        empty = torch.zeros(rows, HEADS, WINDOW, size // HEADS, dtype=dtype)
        return {"keys": empty, "values": empty.clone()}


class MLP(nn.Module):
    """Two matrices with a squared ReLU between them."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.into, self.out = Matrix(size, hidden), Matrix(hidden, size, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both."""
        y: Tensor = self.out(torch.relu(self.into(x)).square())
        return y


class Block(nn.Module):
    """A mixer, then an MLP, each behind a norm and beside the stream."""

    def __init__(self, size: int, kind: str) -> None:
        super().__init__()
        self.mixer: MinGRU | Attention = MinGRU(size) if kind == "mingru" else Attention(size)
        self.mlp = MLP(size, MLP_RATIO * size)


class Bigram(nn.Module):
    """A row for each pair of bytes, with sparse gradients."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(65536, width, sparse=True)
        self.table.weight.data.zero_()
        self.out = Matrix(width, size)


class Brain(nn.Module):
    """Predicts each byte from those before it, and its own next state from this one."""

    def __init__(self, *, size: int = SIZE, bigram: int = BIGRAM, self_model: int = SELF_MODEL) -> None:
        super().__init__()
        self.size = size
        self.embedding = nn.Parameter(torch.randn(257, size) * 0.1)
        self.bigram = Bigram(size, bigram)
        self.blocks = nn.ModuleList(Block(size, kind) for kind in LAYERS)
        self.head = Matrix(size, 256, zero=True)
        self.self_model = MLP(size, self_model)

    def forward(
        self, rows: Tensor, before: Tensor, states: list[State], reach: Reach, dtype: torch.dtype
    ) -> tuple[Tensor, list[State]]:
        """Loss of uint8 rows (B, T) behind the two bytes (B, 2) read before, 256 for none; and what is carried on."""
        read = torch.cat([before, rows.long()], dim=1)
        length = rows.shape[1]
        previous, last = read[:, :length], read[:, 1 : length + 1]
        known = (previous != 256) & (last != 256)
        pair = self.bigram.table(torch.where(known, previous * 256 + last, 0)) * known.unsqueeze(-1)
        x = norm(functional.embedding(last, self.embedding) + self.bigram.out(pair.to(dtype)))
        after = []
        for block, state in zip(self.blocks, states, strict=True):
            y, carried = block.mixer(norm(x).to(dtype), state, reach)  # type: ignore[operator]
            x = x + y
            x = x + block.mlp(norm(x).to(dtype))  # type: ignore[operator]
            after.append(carried)
        out = norm(x)
        logits = LOGIT_CAP * torch.tanh(self.head(out.to(dtype)).float() / LOGIT_CAP)
        loss = functional.cross_entropy(logits.flatten(0, 1), rows.long().flatten())
        own = out.detach()
        predicted = self.self_model(own[:, :-1].to(dtype)).float()
        return loss + functional.mse_loss(predicted, own[:, 1:]), after


def norm(x: Tensor) -> Tensor:
    """Root-mean-square norm without weights."""
    return functional.rms_norm(x, (x.shape[-1],), eps=EPSILON)


def rotate(x: Tensor, reach: Reach) -> Tensor:
    """Rotary positions."""
    cos, sin = reach.cos, reach.sin
    left, right = x.chunk(2, dim=-1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Loop:
    """Learns batch after batch; the first `lanes` rows of each read on."""

    def __init__(self, brain: Brain, *, lanes: int, dtype: torch.dtype) -> None:
        self.brain, self.lanes, self.dtype = brain, lanes, dtype
        self.step, self.position = 0, 0
        self.before = torch.full((lanes, 2), 256)
        self.states = [block.mixer.new_state(lanes, dtype) for block in brain.blocks]  # type: ignore[operator,union-attr]
        pairs = brain.size // HEADS // 2
        slowest = min(1.0, 2 * math.pi / (4 * WINDOW))
        exponents = torch.arange(pairs, dtype=torch.float64) / max(pairs - 1, 1)
        turns = (slowest**exponents * PERIOD / (2 * math.pi)).round().clamp(min=1.0)
        angles = torch.arange(2 * PERIOD, dtype=torch.float64)[:, None] * turns * (2 * math.pi / PERIOD)
        self.cos, self.sin = angles.cos().float(), angles.sin().float()
        self._optimizers(brain)

    def _optimizers(self, brain: Brain) -> None:
        table = brain.bigram.table.weight
        matrices = [
            p
            for name, p in brain.named_parameters()
            if name.startswith(("blocks.", "self_model.")) and "conv" not in name
        ]
        chosen = {id(p) for p in (*matrices, table)}
        others = [p for p in brain.parameters() if id(p) not in chosen]
        own = {id(p) for p in brain.self_model.parameters()}
        self.table = table
        self.clipped = [
            [p for p in brain.parameters() if id(p) not in own and p is not table],
            list(brain.self_model.parameters()),
        ]
        self.optimizers = [
            (torch.optim.Muon(matrices, lr=MUON_RATE, momentum=MOMENTUM, weight_decay=0.0), MUON_RATE),
            (
                torch.optim.AdamW(others, lr=LEARNING_RATE, betas=BETAS, weight_decay=0.0, fused=True),
                LEARNING_RATE,
            ),
            (torch.optim.SparseAdam([table], lr=LEARNING_RATE, betas=BETAS), LEARNING_RATE),
        ]

    def mask(self, rows: int, length: int) -> Tensor:
        """0 where a position may look, −∞ elsewhere: (B, 1, T, W + T); rows behind the lanes have no window."""
        age = torch.arange(length)[:, None] + WINDOW - torch.arange(WINDOW + length)
        seen = (age >= 0) & (age < WINDOW)
        slot = torch.arange(WINDOW + length)
        lane = seen & (slot >= WINDOW - min(self.position, WINDOW))
        fresh = seen & (slot >= WINDOW)
        both = torch.cat([lane.expand(self.lanes, -1, -1), fresh.expand(rows - self.lanes, -1, -1)])
        return torch.zeros(both.shape, dtype=self.dtype).masked_fill_(~both, -math.inf)[:, None]

    def learn(self, rows: Tensor) -> float:
        """Score a batch (B, T), learn from it, carry the lanes' states on; its loss."""
        fresh, length = len(rows) - self.lanes, rows.shape[1]
        before = torch.cat([self.before, torch.full((fresh, 2), 256)])
        new = [block.mixer.new_state(fresh, self.dtype) for block in self.brain.blocks]  # type: ignore[operator,union-attr]
        states = [
            {name: torch.cat([own[name], none[name]]) for name in own}
            for own, none in zip(self.states, new, strict=True)
        ]
        at = self.position % PERIOD
        reach = Reach(self.mask(len(rows), length), self.cos[at : at + length], self.sin[at : at + length])
        loss, after = self.brain(rows, before, states, reach, self.dtype)
        loss.backward()
        self._update()
        self.states = [{name: t[: self.lanes] for name, t in state.items()} for state in after]
        self.before = rows[: self.lanes, -2:].long()
        self.position += length
        self.step += 1
        return float(loss.item())

    def _update(self) -> None:
        assert self.table.grad is not None
        self.table.grad = self.table.grad.coalesce()
        values = self.table.grad._values()  # the public form copies
        for extra, part in zip(([values], []), self.clipped, strict=True):
            gradients = [*(p.grad for p in part if p.grad is not None), *extra]
            scale = (CLIP / (nn.utils.get_total_norm(gradients) + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(gradients, scale)
        warmth = min(1.0, (self.step + 1) / WARM_UP)
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * warmth
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def batches(text: Tensor, rows: int, length: int) -> Any:
    """Endless: rows that read on from places spread over the text."""
    start = torch.arange(rows) * (len(text) // rows)
    step = 0
    while True:
        place = (start[:, None] + step * length + torch.arange(length)) % len(text)
        yield text[place]
        step += 1


def read_text() -> Tensor:
    """The standard library's source, as the default stream reads it."""
    text = bytearray()
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).rglob("*.py")):
        text += path.read_bytes()
        if len(text) >= TEXT_BYTES:
            break
    return torch.from_numpy(np.frombuffer(bytes(text), np.uint8).copy())


def main() -> None:
    """Answer numbers of steps with steps a second."""
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    loop = Loop(Brain(), lanes=LANES, dtype=torch.bfloat16)
    rows = batches(read_text(), LANES + REPLAYED, LENGTH)
    for line in sys.stdin:
        steps, began = int(line), time.perf_counter()
        for _ in range(steps):
            loop.learn(next(rows))
        sys.stdout.write(f"{steps / (time.perf_counter() - began)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
