"""The recurrences of matrix states position by position, both ways; plain loops that Numba compiles.

On a CPU a state of 64 × 64 stays in the nearest cache, so that a position costs a few passes over it: a third of what
matrix products over chunks cost. Inner loops run along the last dimension, four or two rows of the state at a time,
and each writes to one array or two: of more, the compiler cannot tell that they lie apart, and makes no vectors.

Shapes: B rows, T positions, H heads, K rows and V columns of a state, C marks. All arrays are of one float type and
contiguous; results are written into arrays that are handed over. Work is on the pairs (row, head), or on the rows,
from `first` to `last`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
EVERY = 16  # a state is marked so often, and those between are computed again on the way back


def delta_forward(  # noqa: PLR0917 - a compiled loop takes what it needs by position
    w: Array, a: Array, b: Array, k: Array, v: Array, r: Array,
    state: Array, y: Array, marks: Array, first: int, last: int,
) -> None:  # fmt: skip
    """H ← diag(w) H + b (aᵀ H) + k vᵀ in `state` (B, H, K, V), y = Hᵀ r; `marks` (B, H, C, K, V), C may be 0."""
    length, heads, rows = w.shape[1:]
    columns, marked = v.shape[3], marks.shape[2] > 0
    u = np.empty(columns, w.dtype)
    for pair in range(first, last):
        n, h = pair // heads, pair % heads
        s = state[n, h]
        for t in range(length):
            if marked and t % EVERY == 0:
                marks[n, h, t // EVERY] = s
            at, wt, bt, kt = a[n, t, h], w[n, t, h], b[n, t, h], k[n, t, h]
            vt, rt, out = v[n, t, h], r[n, t, h], y[n, t, h]
            for j in range(columns):
                u[j] = 0
                out[j] = 0
            for i in range(0, rows, 4):
                a0, a1, a2, a3 = at[i], at[i + 1], at[i + 2], at[i + 3]
                for j in range(columns):
                    u[j] += a0 * s[i, j] + a1 * s[i + 1, j] + a2 * s[i + 2, j] + a3 * s[i + 3, j]
            for i in range(0, rows, 2):
                w0, b0, k0, r0 = wt[i], bt[i], kt[i], rt[i]
                w1, b1, k1, r1 = wt[i + 1], bt[i + 1], kt[i + 1], rt[i + 1]
                for j in range(columns):
                    s0 = w0 * s[i, j] + b0 * u[j] + k0 * vt[j]
                    s1 = w1 * s[i + 1, j] + b1 * u[j] + k1 * vt[j]
                    s[i, j] = s0
                    s[i + 1, j] = s1
                    out[j] += r0 * s0 + r1 * s1


def delta_backward(  # noqa: PLR0912, PLR0917
    w: Array, a: Array, b: Array, k: Array, v: Array, r: Array,
    marks: Array, dy: Array, d_state: Array,
    dw: Array, da: Array, db: Array, dk: Array, dv: Array, dr: Array, first: int, last: int,
) -> None:  # fmt: skip
    """Gradients of `delta_forward`; `d_state` is that of the last state and becomes that of the first."""
    length, heads, rows = w.shape[1:]
    columns = v.shape[3]
    zero = w.dtype.type(0)
    us, du = np.empty((EVERY, columns), w.dtype), np.empty(columns, w.dtype)
    states = np.empty((EVERY + 1, rows, columns), w.dtype)
    for pair in range(first, last):
        n, h = pair // heads, pair % heads
        d = d_state[n, h]
        for mark in range((length - 1) // EVERY, -1, -1):
            begin, end = mark * EVERY, min((mark + 1) * EVERY, length)
            states[0] = marks[n, h, mark]
            for t in range(begin, end):
                s, after, u = states[t - begin], states[t - begin + 1], us[t - begin]
                at, wt, bt, kt, vt = a[n, t, h], w[n, t, h], b[n, t, h], k[n, t, h], v[n, t, h]
                for j in range(columns):
                    u[j] = 0
                for i in range(0, rows, 4):
                    a0, a1, a2, a3 = at[i], at[i + 1], at[i + 2], at[i + 3]
                    for j in range(columns):
                        u[j] += a0 * s[i, j] + a1 * s[i + 1, j] + a2 * s[i + 2, j] + a3 * s[i + 3, j]
                for i in range(rows):
                    w0, b0, k0 = wt[i], bt[i], kt[i]
                    for j in range(columns):
                        after[i, j] = w0 * s[i, j] + b0 * u[j] + k0 * vt[j]
            for t in range(end - 1, begin - 1, -1):
                s, after, u = states[t - begin], states[t - begin + 1], us[t - begin]
                at, wt, bt, kt, vt = a[n, t, h], w[n, t, h], b[n, t, h], k[n, t, h], v[n, t, h]
                rt, g, dvt = r[n, t, h], dy[n, t, h], dv[n, t, h]
                for j in range(columns):
                    du[j] = 0
                    dvt[j] = 0
                for i in range(0, rows, 2):
                    r0, b0, k0, r1, b1, k1 = rt[i], bt[i], kt[i], rt[i + 1], bt[i + 1], kt[i + 1]
                    to_r0, to_b0, to_k0, to_w0 = zero, zero, zero, zero
                    to_r1, to_b1, to_k1, to_w1 = zero, zero, zero, zero
                    for j in range(columns):
                        d[i, j] += r0 * g[j]
                        d[i + 1, j] += r1 * g[j]
                    for j in range(columns):
                        to_r0 += after[i, j] * g[j]
                        to_r1 += after[i + 1, j] * g[j]
                        to_b0 += d[i, j] * u[j]
                        to_b1 += d[i + 1, j] * u[j]
                    for j in range(columns):
                        to_k0 += d[i, j] * vt[j]
                        to_k1 += d[i + 1, j] * vt[j]
                        to_w0 += d[i, j] * s[i, j]
                        to_w1 += d[i + 1, j] * s[i + 1, j]
                    for j in range(columns):
                        dvt[j] += k0 * d[i, j] + k1 * d[i + 1, j]
                        du[j] += b0 * d[i, j] + b1 * d[i + 1, j]
                    dr[n, t, h, i], db[n, t, h, i] = to_r0, to_b0
                    dk[n, t, h, i], dw[n, t, h, i] = to_k0, to_w0
                    dr[n, t, h, i + 1], db[n, t, h, i + 1] = to_r1, to_b1
                    dk[n, t, h, i + 1], dw[n, t, h, i + 1] = to_k1, to_w1
                for i in range(rows):
                    a0, w0 = at[i], wt[i]
                    to_a = zero
                    for j in range(columns):
                        to_a += s[i, j] * du[j]
                        d[i, j] = w0 * d[i, j] + a0 * du[j]
                    da[n, t, h, i] = to_a


def space_forward(  # noqa: PLR0917
    e: Array, q: Array, mixed: Array, skip: Array,
    state: Array, y: Array, marks: Array, first: int, last: int,
) -> None:  # fmt: skip
    """H ← e H + B (q x)ᵀ in `state` (B, H, N, P), y (B, T, H P) = Hᵀ C + D x, for mixed (B, T, H P + 2 N) = [x, B, C].

    e and q (B, T, H) are decay and time step, skip D (H); `marks` (B, H, C, N, P), C may be 0.
    """
    length, heads = e.shape[1:]
    rows, columns = state.shape[2:]
    inner, marked = heads * columns, marks.shape[2] > 0
    written = np.empty(columns, e.dtype)
    for n in range(first, last):
        for h in range(heads):
            s, d0 = state[n, h], skip[h]
            for t in range(length):
                if marked and t % EVERY == 0:
                    marks[n, h, t // EVERY] = s
                e0, q0 = e[n, t, h], q[n, t, h]
                x = mixed[n, t, h * columns : (h + 1) * columns]
                bt, ct = mixed[n, t, inner : inner + rows], mixed[n, t, inner + rows :]
                out = y[n, t, h * columns : (h + 1) * columns]
                for j in range(columns):
                    written[j] = x[j] * q0
                    out[j] = d0 * x[j]
                for i in range(0, rows, 2):
                    b0, c0, b1, c1 = bt[i], ct[i], bt[i + 1], ct[i + 1]
                    for j in range(columns):
                        s0 = e0 * s[i, j] + b0 * written[j]
                        s1 = e0 * s[i + 1, j] + b1 * written[j]
                        s[i, j] = s0
                        s[i + 1, j] = s1
                        out[j] += c0 * s0 + c1 * s1


def space_backward(  # noqa: PLR0912, PLR0917
    e: Array, q: Array, mixed: Array, skip: Array,
    marks: Array, dy: Array, d_state: Array,
    de: Array, dq: Array, d_mixed: Array, d_skip: Array, first: int, last: int,
) -> None:  # fmt: skip
    """Gradients of `space_forward`, into `d_mixed` and `d_skip` (B, H) that begin at zero."""
    length, heads = e.shape[1:]
    rows, columns = d_state.shape[2:]
    inner = heads * columns
    zero = e.dtype.type(0)
    written, dx = np.empty(columns, e.dtype), np.empty(columns, e.dtype)
    states = np.empty((EVERY + 1, rows, columns), e.dtype)
    for n in range(first, last):
        for h in range(heads):
            d, d0, fading = d_state[n, h], skip[h], e.dtype.type(1)
            for mark in range((length - 1) // EVERY, -1, -1):
                begin, end = mark * EVERY, min((mark + 1) * EVERY, length)
                states[0] = marks[n, h, mark]
                for t in range(begin, end):
                    s, after = states[t - begin], states[t - begin + 1]
                    e0, q0 = e[n, t, h], q[n, t, h]
                    x = mixed[n, t, h * columns : (h + 1) * columns]
                    bt = mixed[n, t, inner : inner + rows]
                    for j in range(columns):
                        written[j] = x[j] * q0
                    for i in range(rows):
                        b0 = bt[i]
                        for j in range(columns):
                            after[i, j] = e0 * s[i, j] + b0 * written[j]
                for t in range(end - 1, begin - 1, -1):
                    s, after = states[t - begin], states[t - begin + 1]
                    e0, q0 = e[n, t, h], q[n, t, h]
                    x = mixed[n, t, h * columns : (h + 1) * columns]
                    bt, ct = mixed[n, t, inner : inner + rows], mixed[n, t, inner + rows :]
                    d_bt, d_ct = d_mixed[n, t, inner : inner + rows], d_mixed[n, t, inner + rows :]
                    g = dy[n, t, h * columns : (h + 1) * columns]
                    to_e = zero
                    for j in range(columns):
                        written[j] = x[j] * q0
                        dx[j] = 0
                    for i in range(0, rows, 2):
                        b0, c0, b1, c1 = bt[i], ct[i], bt[i + 1], ct[i + 1]
                        to_b0, to_c0, to_b1, to_c1 = zero, zero, zero, zero
                        for j in range(columns):
                            d[i, j] = fading * d[i, j] + c0 * g[j]
                            d[i + 1, j] = fading * d[i + 1, j] + c1 * g[j]
                        for j in range(columns):
                            to_b0 += d[i, j] * written[j]
                            to_b1 += d[i + 1, j] * written[j]
                            to_c0 += after[i, j] * g[j]
                            to_c1 += after[i + 1, j] * g[j]
                            to_e += d[i, j] * s[i, j] + d[i + 1, j] * s[i + 1, j]
                        for j in range(columns):
                            dx[j] += b0 * d[i, j] + b1 * d[i + 1, j]
                        d_bt[i] += to_b0
                        d_ct[i] += to_c0
                        d_bt[i + 1] += to_b1
                        d_ct[i + 1] += to_c1
                    fading = e0
                    to_q, to_skip = zero, zero
                    for j in range(columns):
                        to_q += dx[j] * x[j]
                        to_skip += g[j] * x[j]
                        d_mixed[n, t, h * columns + j] = d0 * g[j] + dx[j] * q0
                    de[n, t, h], dq[n, t, h] = to_e, to_q
                    d_skip[n, h] += to_skip
            for i in range(rows):
                for j in range(columns):
                    d[i, j] *= fading


def conv_forward(reach: Array, weight: Array, y: Array, first: int, last: int) -> None:
    """y_t = Σ_k weight_k ⊙ reach_{t+k}: reach (B, T + 3, D), weight (4, D), y (B, T, D)."""
    length, size = y.shape[1:]
    for n in range(first, last):
        for t in range(length):
            x0, x1, x2, x3, out = reach[n, t], reach[n, t + 1], reach[n, t + 2], reach[n, t + 3], y[n, t]
            for j in range(size):
                out[j] = (
                    weight[0, j] * x0[j] + weight[1, j] * x1[j] + weight[2, j] * x2[j] + weight[3, j] * x3[j]
                )


def conv_backward(  # noqa: PLR0917
    reach: Array, weight: Array, dy: Array, d_reach: Array, d_weight: Array, first: int, last: int
) -> None:
    """Gradients of `conv_forward`, into `d_reach` and `d_weight` (B, 4, D) that begin at zero."""
    length, size = dy.shape[1:]
    for n in range(first, last):
        for t in range(length):
            g = dy[n, t]
            for k in range(4):
                to, x, w, d = d_weight[n, k], reach[n, t + k], weight[k], d_reach[n, t + k]
                for j in range(size):
                    to[j] += x[j] * g[j]
                for j in range(size):
                    d[j] += w[j] * g[j]
