"""Cells: the elementwise half of a recurrent network, each formula beside its derivative.

A cell gets the input drive d = W_hx x + b_h, the recurrent drive r = W_hh h, and the old (h, c). It knows
nothing of matrices or of time; recurrence.py knows nothing of gates. Arrays have shape (B, n), drives
(B, G n). `forward` also returns what `backward` needs; `backward` turns dE/dh', dE/dc' into
dE/dd, dE/dr and the parts of dE/dh, dE/dc that do not pass through W_hh.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Cell(NamedTuple):
    """A pair of elementwise functions.

    gates:    G, the blocks of n rows that W_hh, W_hx and b_h have
    memory:   whether the cell keeps a second state c; if not, c passes through untouched
    forward:  (d, r, h, c) -> h', c', saved
    backward: (saved, dh', dc') -> dd, dr, dh, dc
    """

    gates: int
    memory: bool
    forward: Callable
    backward: Callable


def logistic(a):
    """Return 1 / (1 + exp(-a)), written with tanh so that no a overflows."""
    return 0.5 + 0.5 * np.tanh(0.5 * a)


def blocks(a, n):
    """Cut a (..., G n) into its G blocks of n columns, one per gate."""
    return [a[..., k : k + n] for k in range(0, a.shape[-1], n)]


def elementwise(f, f_prime):
    """Return the cell h' = f(d + r), where f_prime gives f'(a) *from the output* h' = f(a)."""

    def forward(d, r, h, c):
        h = f(d + r)
        return h, c, h

    def backward(h, dh, dc):
        delta = f_prime(h) * dh
        return delta, delta, 0.0, dc

    return Cell(1, False, forward, backward)


SLOPE = 0.01  # of LEAKY_RELU left of zero

LINEAR = elementwise(lambda a: a, lambda h: 1.0)
TANH = elementwise(np.tanh, lambda h: 1 - h * h)
LOGISTIC = elementwise(logistic, lambda h: h * (1 - h))
RELU = elementwise(lambda a: np.where(a.real > 0, a, 0), lambda h: (h.real > 0).astype(h.real.dtype))
LEAKY_RELU = elementwise(
    lambda a: np.where(a.real > 0, a, SLOPE * a),
    lambda h: np.where(h.real > 0, 1, SLOPE).astype(h.real.dtype),
)  # at the kink both take the derivative from the left


def lstm_forward(d, r, h, c):
    """Compute c' = f c + i g, h' = o tanh(c'); i, f, o = logistic, g = tanh of d + r [gers2000]."""
    a, n = d + r, h.shape[-1]
    i, f, o = blocks(logistic(a[..., : 3 * n]), n)
    g = np.tanh(a[..., 3 * n :])
    c_new = f * c + i * g
    k = np.tanh(c_new)
    return o * k, c_new, (i, f, o, g, k, c)


def lstm_backward(saved, dh, dc):
    """Go back through `lstm_forward`: return dE/dd, dE/dr, 0 (h acts through r alone) and dE/dc."""
    i, f, o, g, k, c = saved
    dc = dc + dh * o * (1 - k * k)  # the cell is read through h' = o tanh(c')
    delta = np.concatenate(
        [
            dc * g * i * (1 - i),
            dc * c * f * (1 - f),
            dh * k * o * (1 - o),
            dc * i * (1 - g * g),
        ],
        axis=-1,
    )
    return delta, delta, 0.0, dc * f


def gru_forward(d, r, h, c):
    """Compute h' = z h + (1 - z) q, q = tanh(d_q + s r_q); z, s = logistic of d + r [cho2014].

    The reset gate s acts after the product W_hh h, as in cuDNN and PyTorch.
    """
    d_z, d_s, d_q = blocks(d, h.shape[-1])
    r_z, r_s, r_q = blocks(r, h.shape[-1])
    z, s = logistic(d_z + r_z), logistic(d_s + r_s)
    q = np.tanh(d_q + s * r_q)
    return z * h + (1 - z) * q, c, (z, s, q, r_q, h)


def gru_backward(saved, dh, dc):
    """Go back through `gru_forward`: return dE/dd, dE/dr, dE/dh of the direct path z h, and dE/dc."""
    z, s, q, r_q, h = saved
    dq = dh * (1 - z) * (1 - q * q)
    dz = dh * (h - q) * z * (1 - z)
    ds = dq * r_q * s * (1 - s)
    dd = np.concatenate([dz, ds, dq], axis=-1)
    dr = np.concatenate([dz, ds, dq * s], axis=-1)  # r_q reaches q through the reset gate
    return dd, dr, dh * z, dc


LSTM = Cell(4, True, lstm_forward, lstm_backward)
GRU = Cell(3, False, gru_forward, gru_backward)
