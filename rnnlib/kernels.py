"""Three cells once more, for speed: whole passes that fill given arrays.

`cells` says what a cell computes, and the loops of `recurrence` run any cell; the tests hold these passes to
them. Three things make them fast. A step writes into arrays that are there already. The way back is linear in
the error: what it is multiplied by does not depend on it, so these slopes are computed for a block of steps
at once, and a step only multiplies and adds. And since logistic(a) = (1 + tanh(a / 2)) / 2, the weights of
the logistic gates are halved once, so that one tanh serves all gates. Gates come first: (T, G, B, n).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy import add, multiply, subtract, tanh

from .cells import GRU, LSTM, TANH


class Kernel(NamedTuple):
    """The passes of a cell over a block of T steps; h and c are (T+1, B, n), from before the first step on.

    halved:   how many gates, the first ones, are logistic: their d and r arrive halved
    forward:  (W_hh^T, d, h, c) fills h[1:] and c[1:], returns what it keeps for the way back
    backward: (W_hh, kept, h, c, dE, dE/dd, dE/dr, dh, dc) fills dE/dd and dE/dr, moves dh and dc to before
    saved:    (kept, h, c) -> a list of what the cell would have saved
    apart:    whether dE/dr differs from dE/dd; if not, they are one array
    """

    halved: int
    forward: Callable
    backward: Callable
    saved: Callable
    apart: bool = False


def forward(kernel, params, x, h, c):
    """Fill h[1:] and c[1:] from h[0], c[0] and x (T, B, m); return (first, last + 1, kept) of every block."""
    rows, n = params.W_hh.shape
    scale, kept = np.ones(rows, h.real.dtype), []
    scale[: kernel.halved * n] = 0.5
    W_T, W_x, b = (multiply(w.T, scale, order="C") for w in params[:3])
    W_T = W_T.astype(h.dtype, copy=False)
    T, steps = len(x), max(1, 2**19 // (rows // n * h[0].nbytes))  # whose drives stay in a processor's cache
    for k in range(0, T, steps):
        end = min(k + steps, T)
        d = (x[k:end].reshape(-1, x.shape[-1]) @ W_x + b).reshape(end - k, -1, rows)
        kept.append((k, end, kernel.forward(W_T, by_gate(d, n), h[k : end + 1], c[k : end + 1])))
    return kept


def backward(kernel, params, tape, dE, dh, dc):
    """Return dE/dd and dE/dr (T, B, G n), and turn dh and dc into those of before the first step."""
    delta = np.empty((*dE.shape[:2], len(params.b_h)), dh.dtype)
    delta_r = np.empty_like(delta) if kernel.apart else delta
    W = params.W_hh.astype(dh.dtype, copy=False)
    for k, end, kept in reversed(tape.kept):
        block = tape.h[k : end + 1], tape.c[k : end + 1], dE[k:end], delta[k:end], delta_r[k:end]
        kernel.backward(W, kept, *block, dh, dc)
    return delta, delta_r


def saved(kernel, tape):
    """Return what the cell would have saved at step 1, 2, .. T."""
    blocks = [kernel.saved(kept, tape.h[k : end + 1], tape.c[k : end + 1]) for k, end, kept in tape.kept]
    return [step for block in blocks for step in block]


def by_gate(a, n):
    """View an array (..., B, G n) as (..., G, B, n)."""
    return a.reshape(*a.shape[:-1], -1, n).swapaxes(-3, -2)


def tanh_forward(W_T, d, h, c):
    """Fill h' = tanh(d + W h); keep nothing."""
    for d_t, h_t, h_new in zip(d[:, 0], h, h[1:], strict=False):
        h_t.dot(W_T, h_new)
        add(h_new, d_t, h_new)
        tanh(h_new, h_new)


def tanh_backward(W, kept, h, c, dE, dd, dr, dh, dc):
    """Fill dd = f'(a) dh'."""
    slope = 1 - h[1:] * h[1:]
    for slope_t, dE_t, d_t in zip(slope[::-1], dE[::-1], dd[::-1], strict=True):
        add(dh, dE_t, dh)
        multiply(slope_t, dh, d_t)
        d_t.dot(W, dh)


def lstm_forward(W_T, d, h, c):
    """Fill c' = f c + i g and h' = o tanh(c'); keep i, f, o, g and k = tanh(c')."""
    T, _, B, n = d.shape
    r, kept, half = np.empty((B, 4 * n), h.dtype), np.empty((T, 5, B, n), h.dtype), np.array(0.5, h.dtype)
    r_gates, views = by_gate(r, n), (kept[:, :4], kept[:, :3], *kept.swapaxes(0, 1))
    steps = zip(d, h, c, h[1:], c[1:], *views, strict=False)
    for d_t, h_t, c_t, h_new, c_new, gates, logistic, i, f, o, g, k in steps:
        h_t.dot(W_T, r)
        add(d_t, r_gates, gates)
        tanh(gates, gates)
        multiply(logistic, half, logistic)
        add(logistic, half, logistic)
        multiply(f, c_t, c_new)
        multiply(i, g, k)
        add(c_new, k, c_new)
        tanh(c_new, k)
        multiply(o, k, h_new)
    return kept


def lstm_backward(W, kept, h, c, dE, dd, dr, dh, dc):
    """Fill da_i, da_f and da_g from dc', which the memory also has through h' = o tanh(c'), da_o from dh'."""
    i, f, o, g, k = kept.swapaxes(0, 1)
    per_dc, per_dh, read = np.empty_like(kept[:, :4]), h[1:] * (1 - o), o * (1 - k * k)
    per_dc[:, 0] = g * i * (1 - i)
    per_dc[:, 1] = c[:-1] * f * (1 - f)
    per_dc[:, 2] = 0
    per_dc[:, 3] = i * (1 - g * g)
    gates = by_gate(dd, h.shape[-1])
    steps, through = (dE, dd, gates, gates[:, 2], per_dc, per_dh, read, f), np.empty_like(dh)
    for dE_t, d_t, all_t, o_t, per_dc_t, per_dh_t, read_t, f_t in zip(*(s[::-1] for s in steps), strict=True):
        add(dh, dE_t, dh)
        multiply(read_t, dh, through)
        add(dc, through, dc)
        multiply(per_dc_t, dc, all_t)
        multiply(per_dh_t, dh, o_t)
        multiply(dc, f_t, dc)
        d_t.dot(W, dh)


def gru_forward(W_T, d, h, c):
    """Fill h' = q + z (h - q), q = tanh(d_q + s r_q); keep z, s, q, and r."""
    T, _, B, n = d.shape
    r, gates, half = np.empty((T, B, 3 * n), h.dtype), np.empty((T, 3, B, n), h.dtype), np.array(0.5, h.dtype)
    views = gates[:, :2], *gates.swapaxes(0, 1), r, by_gate(r, n)[:, :2], by_gate(r, n)[:, 2]
    steps = zip(d[:, :2], d[:, 2], h, h[1:], *views, strict=False)
    for d_t, d_q, h_t, h_new, logistic, z, s, q, r_t, r_logistic, r_q in steps:
        h_t.dot(W_T, r_t)
        add(d_t, r_logistic, logistic)
        tanh(logistic, logistic)
        multiply(logistic, half, logistic)
        add(logistic, half, logistic)
        multiply(s, r_q, q)
        add(q, d_q, q)
        tanh(q, q)
        subtract(h_t, q, h_new)
        multiply(h_new, z, h_new)
        add(h_new, q, h_new)
    return *gates.swapaxes(0, 1), by_gate(r, n)[:, 2]


def gru_backward(W, kept, h, c, dE, dd, dr, dh, dc):
    """Fill dr, and dd, which the reset gate lets differ in q; z dh' goes past the gates."""
    z, s, q, r_q = kept
    n, dq, per_dh = h.shape[-1], (1 - z) * (1 - q * q), np.empty((len(q), 3, *q.shape[1:]), q.dtype)
    per_dh[:, 0] = (h[:-1] - q) * z * (1 - z)
    per_dh[:, 1] = dq * r_q * s * (1 - s)
    per_dh[:, 2] = dq * s
    arrived, past = np.empty((len(q), *dh.shape), dh.dtype), np.empty_like(dh)
    steps = dE, arrived, dr, by_gate(dr, n), per_dh, z
    for dE_t, dh_t, r_t, gates_t, per_dh_t, z_t in zip(*(s[::-1] for s in steps), strict=True):
        add(dh, dE_t, dh_t)
        multiply(per_dh_t, dh_t, gates_t)
        multiply(z_t, dh_t, past)
        r_t.dot(W, dh)
        add(dh, past, dh)
    dd[..., : 2 * n] = dr[..., : 2 * n]
    multiply(dq, arrived, dd[..., 2 * n :])


def gru_saved(kept, h, c):
    """Return z, s, q, r_q, h of every step."""
    return list(zip(*kept, h[:-1], strict=True))


def lstm_saved(kept, h, c):
    """Return i, f, o, g, k, c of every step."""
    return list(zip(*kept.swapaxes(0, 1), c[:-1], strict=True))


# From now on glibc keeps up to 48 MB that are freed, and does not ask the system for them anew at every pass.
np.empty(3_000_000)

KERNELS = {
    TANH: Kernel(0, tanh_forward, tanh_backward, lambda kept, h, c: list(h[1:])),
    LSTM: Kernel(3, lstm_forward, lstm_backward, lstm_saved),
    GRU: Kernel(2, gru_forward, gru_backward, gru_saved, apart=True),
}
