"""One position of one row, for generation: the parts of blocks on plain arrays; loops that Numba compiles.

A pass over a single position is hundreds of small operations, each of which costs a framework more than its work.
All arrays are of one float type and contiguous. Activations are vectors; matrices are (outputs, inputs), or ternary
(`matrix_loops`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from brain.blocks.loops.matrix_loops import product
from brain.jit import vectorable

Array = Any
NORM_EPSILON = 1e-6  # as `brain.blocks.norm` has it


@vectorable
def normed(x: Array) -> Array:
    """X / √(mean x² + ε)."""
    total = x.dtype.type(0)
    for i in range(len(x)):
        total += x[i] * x[i]
    return x * x.dtype.type(1.0 / math.sqrt(total / len(x) + NORM_EPSILON))


@vectorable
def sigmoid(x: float) -> float:
    """1 / (1 + e⁻ˣ), at any size of x."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


@vectorable
def convolved(weight: Array, tail: Array, x: Array, new_tail: Array) -> Array:
    """A causal convolution over the last four inputs; `new_tail` (3, D) is the last three of them now."""
    y = np.empty_like(x)
    for j in range(len(x)):
        y[j] = weight[0, j] * tail[0, j] + weight[1, j] * tail[1, j] + weight[2, j] * tail[2, j]
        y[j] += weight[3, j] * x[j]
        new_tail[0, j], new_tail[1, j], new_tail[2, j] = tail[1, j], tail[2, j], x[j]
    return y


@vectorable
def squared_relu(x: Array) -> None:
    """max(x, 0)², in place."""
    for i in range(len(x)):
        kept = max(x[i], x.dtype.type(0))
        x[i] = kept * kept


def mingru_block(  # noqa: PLR0917 - a compiled loop takes what it needs by position
    x: Array, conv: Array, gate: Array, candidate: Array, out: Array, into: Array, mlp_out: Array,
    hidden: Array, tail: Array, new_hidden: Array, new_tail: Array,
) -> None:  # fmt: skip
    """A block of minGRU and MLP: the stream x (d,) in place; hidden (H,) and tail (3, d) are its state."""
    u = convolved(conv, tail, normed(x), new_tail)
    z, raw = product(gate, u), product(candidate, u)
    for i in range(len(z)):
        share, write = sigmoid(z[i]), sigmoid(min(raw[i], 0.0)) + max(raw[i], 0.0)
        new_hidden[i] = (1.0 - share) * hidden[i] + share * write
    x += product(out, new_hidden)
    units = product(into, normed(x))
    squared_relu(units)
    x += product(mlp_out, units)


@vectorable
def space_position(  # noqa: PLR0917
    x: Array, into: Array, conv: Array, log_rate: Array, dt_bias: Array, skip: Array,
    hidden: Array, tail: Array, new_hidden: Array, new_tail: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """What a state space reads at one position (2 d,), and its gate; hidden (H, P, N) and tail are its state."""
    heads, columns, states = hidden.shape
    inner = heads * columns
    raw = product(into, x)
    mixed = convolved(conv, tail, raw[inner : 2 * inner + 2 * states], new_tail)
    for i in range(len(mixed)):
        mixed[i] *= sigmoid(mixed[i])
    b, c = mixed[inner : inner + states], mixed[inner + states :]
    y = np.empty(inner, x.dtype)
    for h in range(heads):
        time = raw[2 * inner + 2 * states + h] + dt_bias[h]
        dt = x.dtype.type(max(time, 0.0) + math.log1p(math.exp(-abs(time))))
        fade = x.dtype.type(math.exp(-math.exp(log_rate[h]) * dt))
        for p in range(columns):
            own = mixed[h * columns + p]
            written, read = own * dt, x.dtype.type(0)
            s, new = hidden[h, p], new_hidden[h, p]
            for i in range(states):
                new[i] = fade * s[i] + written * b[i]
            for i in range(states):
                read += new[i] * c[i]
            y[h * columns + p] = read + skip[h] * own
    return y, raw[:inner]


@vectorable
def wkv_position(  # noqa: PLR0912, PLR0917
    x: Array, shift: Array, read: Array, key: Array, value: Array,
    decay_down: Array, decay_up: Array, decay_bias: Array, rate_down: Array, rate_up: Array, rate_bias: Array,
    mixing_down: Array, mixing_up: Array, mixing_bias: Array, gate_down: Array, gate_up: Array,
    erased: Array, kept: Array, bonus: Array, gain: Array, bias: Array, out: Array,
    fastest: float, epsilon: float, first_value: Array,
    hidden: Array, tail: Array, new_hidden: Array, new_tail: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """What a WKV gives at one position, and its own values (d,); hidden (H, K, V) and tail (1, d) are its state.

    Without `first_value`, which is empty then, its values are its own.
    """
    heads, rows, columns = hidden.shape
    size = len(x)
    mixes = np.empty((6, size), x.dtype)
    for number in range(6):
        for j in range(size):
            mixes[number, j] = x[j] + (tail[0, j] - x[j]) * shift[number, j]
    new_tail[0] = x
    r, k, v = product(read, mixes[0]), product(key, mixes[2]), product(value, mixes[3])
    own_value = v.copy()
    narrow = product(decay_down, mixes[1])
    for i in range(len(narrow)):
        narrow[i] = math.tanh(narrow[i])
    w, rate = product(decay_up, narrow), product(rate_up, product(rate_down, mixes[4]))
    if len(first_value):
        mixing = product(mixing_up, product(mixing_down, mixes[3]))
        for j in range(size):
            v[j] += sigmoid(mixing[j] + mixing_bias[j]) * (first_value[j] - v[j])
    narrow = product(gate_down, mixes[5])
    for i in range(len(narrow)):
        narrow[i] = sigmoid(narrow[i])
    gate = product(gate_up, narrow)
    y, u, read_out = np.empty(size, x.dtype), np.empty(columns, x.dtype), np.empty(columns, x.dtype)
    for h in range(heads):
        begin = h * rows
        total, met = x.dtype.type(0), x.dtype.type(0)
        for i in range(rows):
            total += (k[begin + i] * erased[h, i]) ** 2
        scale = 1.0 / max(math.sqrt(total), 1e-12)
        u[:] = 0
        read_out[:] = 0
        for i in range(rows):
            a0, s = x.dtype.type(-k[begin + i] * erased[h, i] * scale), hidden[h, i]
            for j in range(columns):
                u[j] += a0 * s[j]
        for i in range(rows):
            at = begin + i
            eta = sigmoid(rate[at] + rate_bias[at])
            back = x.dtype.type(k[at] * erased[h, i] * scale * eta)
            own = x.dtype.type(k[at] * (1.0 + (eta - 1.0) * kept[h, i]))
            fade = x.dtype.type(math.exp(fastest * sigmoid(w[at] + decay_bias[at])))
            s, new, seen, r0 = hidden[h, i], new_hidden[h, i], v[h * columns : (h + 1) * columns], r[at]
            met += r0 * own * bonus[h, i]
            for j in range(columns):
                new[j] = fade * s[j] + back * u[j] + own * seen[j]
            for j in range(columns):
                read_out[j] += r0 * new[j]
        mean = read_out.mean()
        spread = 1.0 / math.sqrt(((read_out - mean) ** 2).mean() + epsilon)
        for j in range(columns):
            at = h * columns + j
            y[at] = ((read_out[j] - mean) * spread * gain[at] + bias[at] + met * v[at]) * gate[at]
    return product(out, y), own_value


@vectorable
def fused_position(  # noqa: PLR0917
    recalled: Array, tracked: Array, gate: Array, fuse_down: Array, fuse_up: Array, out: Array
) -> Array:
    """State space and WKV fused by a gate of their own, gated norm and out-projection: (d,)."""
    narrow = product(fuse_down, np.concatenate((recalled, tracked)))
    for i in range(len(narrow)):
        narrow[i] = 0.5 * narrow[i] * (1.0 + math.erf(narrow[i] / math.sqrt(2.0)))
    share = product(fuse_up, narrow)
    for j in range(len(share)):
        mix = tracked[j] + sigmoid(share[j]) * (recalled[j] - tracked[j])
        share[j] = mix * gate[j] * sigmoid(gate[j])
    return product(out, normed(share))


@vectorable
def turn(x: Array, rotation: Array) -> None:
    """The first channels of x turned, in place."""
    channels = len(rotation)
    x[:channels] = product(rotation, x[:channels].copy())


@vectorable
def add_experts(x: Array, router: Array, down: Array, up: Array, active: int) -> None:
    """What the best adapters add to the stream x, in place."""
    inputs = normed(x)
    score = product(router, inputs)
    score = np.exp(score - score.max())
    narrow = product(down, inputs)
    rank, chosen, total = len(narrow) // len(score), np.zeros(len(score), np.bool_), x.dtype.type(0)
    for _ in range(active):
        best = -1
        for expert in range(len(score)):
            if not chosen[expert] and (best < 0 or score[expert] > score[best]):
                best = expert
        chosen[best] = True
        total += score[best]
    for i in range(len(narrow)):
        expert = i // rank
        narrow[i] *= score[expert] / total if chosen[expert] else x.dtype.type(0)
    x += product(up, narrow)


@vectorable
def refine(  # noqa: PLR0917
    x: Array, going: float, gate: Array, into: Array, out: Array, least: float
) -> float:
    """One refinement step of the stream x, in place, and how open the gates of the position are still."""
    inputs = normed(x)
    openness = x.dtype.type(0)
    for i in range(len(x)):
        openness += inputs[i] * gate[0, i]
    going *= sigmoid(openness)
    if going < least:
        return 0.0
    units = product(into, inputs)
    squared_relu(units)
    x += x.dtype.type(going) * product(out, units)
    return going


def fused_block(  # noqa: PLR0917
    x: Array, first_value: Array, space: Array, wkv: Array, fastest: float, epsilon: float, fuse: Array,
    rotation: Array, experts: Array, active: int, pool: Array, least: float,
    space_state: Array, wkv_state: Array,
) -> Array:  # fmt: skip
    """A block of TARS: the stream x (d,) in place, and the values of its WKV.

    `space`, `wkv`, `fuse`, `experts` and each step of `pool` are tuples of what the functions above take;
    `space_state` and `wkv_state` of state and new state.
    """
    inputs = normed(x)
    recalled, gate = space_position(inputs, *space, *space_state)
    tracked, value = wkv_position(inputs, *wkv, fastest, epsilon, first_value, *wkv_state)  # type: ignore[call-arg]
    x += fused_position(recalled, tracked, gate, *fuse)
    turn(x, rotation)
    add_experts(x, *experts, active)  # type: ignore[call-arg]
    going = 1.0
    for step in pool:
        if going > 0.0:
            going = refine(x, going, *step, least)  # type: ignore[call-arg]
    return value


def read_out(x: Array, readout: Array, head: Array) -> tuple[Array, Array]:
    """Normed state and logits: head · readout · norm x; without a readout, which is empty then, head · norm x."""
    state = normed(x)
    return state, product(head, product(readout, state) if len(readout) else state)
