"""A recurrence without a matrix between the steps: h_t = a_t h_{t-1} + b_t, entry by entry.

Two steps are one of the same kind, (a, b) then (a', b') being (a' a, a' b + b'), and it does not matter which
two are joined first: so T steps are joined pairwise, in log2 T passes over whole arrays [blelloch1990].

The linear recurrent unit [orvieto2023] has n such entries, complex and the same at every step:

    h_t = lambda h_{t-1} + exp(gamma) (B x_t),   lambda = exp(-exp(nu) + i theta),   |lambda| < 1
    u_t = Re(C h_t) + D x_t + b

and its network reads z_t = W_yh tanh(u_t) + b_y. A complex error is dE/d(real part) + i dE/d(imaginary part).
"""

from typing import NamedTuple

import numpy as np

from . import network as net
from . import readout as output
from .readout import Readout
from .shapes import expect, fits, fraction, whole


class LRU(NamedTuple):
    """A linear recurrent unit of n complex entries over m inputs, with k outputs, as real arrays.

    Shapes: nu, theta, gamma (n,); B_re, B_im (n, m); C_re, C_im (k, n); D (k, m); b (k,).
    """

    nu: np.ndarray
    theta: np.ndarray
    gamma: np.ndarray
    B_re: np.ndarray
    B_im: np.ndarray
    C_re: np.ndarray
    C_im: np.ndarray
    D: np.ndarray
    b: np.ndarray


class Weights(NamedTuple):
    """What learns: the `LRU`, and the `Readout` of tanh(u)."""

    lru: LRU
    readout: Readout


def scan(a, b):
    """Return h (T, ...) with h_t = a_t h_{t-1} + b_t and h_0 = 0, by doubling: log2 T passes, T log2 T work.

    a and b (T, ...) are real or complex, and of one shape.
    """
    fits("b", b, np.shape(a))
    a, h, step = np.array(a), np.array(b), 1
    while step < len(h):
        h[step:] += a[step:] * h[:-step]
        a[step:] = a[step:] * a[:-step]
        step *= 2
    return h


def adjoint(a, h, dE):
    """Return dE/da and dE/db of h = scan(a, b), given dE (T, ...), dE/dh_t of the losses at t alone.

    The errors obey the same recurrence, read backwards: delta_t = dE_t/dh_t + conj(a_{t+1}) delta_{t+1}.
    """
    late = np.conj(np.concatenate([a[1:], np.zeros_like(a[:1])]))
    delta = scan(late[::-1], dE[::-1])[::-1]
    before = np.concatenate([np.zeros_like(h[:1]), h[:-1]])
    return delta * np.conj(before), delta


def eigenvalues(lru):
    """Return lambda (n,), inside of the unit circle whatever nu and theta are."""
    return np.exp(-np.exp(lru.nu) + 1j * lru.theta)


def weights(rng, m, n, k, o, least=0.9, most=0.999, angle=2 * np.pi):
    """Return Weights in float64, with lambda uniform in a ring: least < |lambda| < most, 0 <= theta < angle.

    gamma starts at log sqrt(1 - |lambda|^2), so that white noise at the input gives states of one size.
    """
    sizes = [whole(name, size, 1) for name, size in (("m", m), ("n", n), ("k", k), ("o", o))]
    m, n, k, o = sizes
    least, most = fraction("least", least), fraction("most", most)
    radius = np.sqrt(rng.uniform(least**2, most**2, n))
    draw = lambda size, *shape: rng.standard_normal(shape) / np.sqrt(size)
    lru = LRU(
        np.log(-np.log(radius)),
        rng.uniform(0, angle, n),
        np.log(1 - radius**2) / 2,
        *(draw(2 * m, n, m) for _ in range(2)),
        *(draw(n, k, n) for _ in range(2)),
        draw(m, k, m),
        np.zeros(k),
    )
    return Weights(lru, Readout(draw(k, o, k), np.zeros(o)))


def forward(weights, x):
    """Return z (T, B, o), and h and v = tanh(u), which the way back needs; x (T, B, m)."""
    lru = weights.lru
    expect("x", x, ("T", "B", lru.D.shape[1]), like=lru.D)
    drive = x @ (np.exp(lru.gamma)[:, None] * (lru.B_re + 1j * lru.B_im)).T
    h = scan(np.broadcast_to(eigenvalues(lru), drive.shape), drive)
    v = np.tanh(h.real @ lru.C_re.T - h.imag @ lru.C_im.T + x @ lru.D.T + lru.b)
    return output.logits(weights.readout, v), h, v


def loss_and_gradient(network, weights, x, y, mask=None):
    """Return E and dE/dweights for the loss of a `Network`; the arguments are those of its function."""
    z, h, v = forward(weights, x)
    E, r = net.weighted_loss(network, z, y, mask)
    d_readout, dv = output.gradients(weights.readout, v, r)
    return E, Weights(_backward(weights.lru, x, h, (1 - v * v) * dv), d_readout)


def _backward(lru, x, h, du):
    """Return dE/dlru from du = dE/du (T, B, k)."""
    rows = lambda array: array.reshape(-1, array.shape[-1])
    lam, size = eigenvalues(lru), np.exp(lru.gamma)[:, None]
    along, delta = adjoint(np.broadcast_to(lam, h.shape), h, du @ (lru.C_re - 1j * lru.C_im))
    d_log = np.conj(lam) * along.sum(axis=(0, 1))  # dE/d(log lambda), whose parts are -exp(nu) and theta
    d_B = rows(delta).T @ rows(x)  # of exp(gamma) B
    d_C = rows(du).T @ rows(np.conj(h))
    B = lru.B_re + 1j * lru.B_im
    return LRU(
        -np.exp(lru.nu) * d_log.real,
        d_log.imag,
        (size * B * np.conj(d_B)).real.sum(axis=1),
        size * d_B.real,
        size * d_B.imag,
        d_C.real,
        d_C.imag,
        rows(du).T @ rows(x),
        rows(du).sum(axis=0),
    )
