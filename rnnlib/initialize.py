"""Initial weights. Every function draws from the `rng` it is given, a numpy.random.Generator.

A matrix initializer is called as init(rng, shape) with shape (rows, columns) and returns float64.
"""

import numpy as np

from .network import Weights
from .readout import Readout
from .recurrence import Params, State
from .shapes import expect, positive, whole


def gaussian(rng, shape, gain=1.0):
    """Return W with W_ij ~ N(0, gain^2 / columns): a random matrix of spectral radius about `gain`."""
    return gain / np.sqrt(shape[1]) * rng.standard_normal(shape)


def glorot(rng, shape):
    """Return W with variance 2 / (rows + columns), uniform [glorot2010]."""
    bound = np.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, shape)


def he(rng, shape):
    """Return W with W_ij ~ N(0, 2 / columns), which keeps the mean square through relu [he2015]."""
    return gaussian(rng, shape, np.sqrt(2))


def orthogonal(rng, shape, gain=1.0):
    """Return gain * Q, Q with orthonormal rows or columns, uniform over all such [mezzadri2007].

    QR alone is not uniform: LAPACK's Q_11 is never positive. The signs of R's diagonal, moved to Q, mend it.
    """
    rows, columns = shape
    Q, R = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
    Q = Q * np.sign(np.diag(R))
    return gain * (Q if rows >= columns else Q.T)


def identity(rng, shape, gain=1.0):
    """Return gain * I; draws nothing from `rng` [le2015]."""
    return gain * np.eye(*shape)


def rescale(W, radius):
    """Return the square W scaled so that its spectral radius max |eigenvalue| is `radius`, above 0.

    Raises ValueError if the spectral radius of W is 0.
    """
    expect("W", W, (len(W), len(W)))
    radius = positive("radius", radius)
    largest = np.abs(np.linalg.eigvals(W)).max()
    if largest == 0:
        raise ValueError("W has spectral radius 0: no factor can change that")
    return W * (radius / largest)


def layer(rng, cell, m, n, recurrent=orthogonal, inputs=glorot):
    """Return the Params of a layer of n units over m inputs, gate by gate, with zero biases."""
    m, n = whole("m", m, 1), whole("n", n, 1)
    blocks = [(recurrent(rng, (n, n)), inputs(rng, (n, m))) for _ in range(cell.gates)]
    W_hh, W_hx = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Params(W_hh, W_hx, np.zeros(cell.gates * n))


def weights(rng, cell, m, n, o, layers=1, recurrent=orthogonal, inputs=glorot, learn_start=False):
    """Return Weights for m inputs, `layers` layers of n units and o outputs, in float64."""
    o, layers = whole("o", o, 1), whole("layers", layers, 1)
    stack = tuple(layer(rng, cell, m if k == 0 else n, n, recurrent, inputs) for k in range(layers))
    start = (
        tuple(State(np.zeros(n), np.zeros(n) if cell.memory else ()) for _ in stack) if learn_start else ()
    )
    return Weights(stack, Readout(glorot(rng, (o, n)), np.zeros(o)), start)


def forget_bias(params, value):
    """Return the LSTM layer `params` with its forget gate's bias set to `value` [gers2000]."""
    return _gate_bias(params, value, gates=4, gate=1)  # the gates are stacked i, f, o, g


def update_bias(params, value):
    """Return the GRU layer `params` with its update gate's bias set to `value`; a large one keeps h."""
    return _gate_bias(params, value, gates=3, gate=0)  # the gates are stacked z, s, q


def _gate_bias(params, value, gates, gate):
    n = params.W_hh.shape[1]
    expect("W_hh", params.W_hh, (gates * n, n))
    if not np.isfinite(value).all():
        raise ValueError(f"the bias is {value}, but must be finite")
    b_h = params.b_h.copy()
    b_h[gate * n : (gate + 1) * n] = value
    return params._replace(b_h=b_h)
