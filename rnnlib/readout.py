"""From state to loss: z_t = W_yh h_t + b_y, and three losses that share one output error.

Each loss is matched with its output function (softmax, identity, logistic), so that
r_t = dE_t/dz_t = y_hat_t - y_t for all three [bishop2006] (with softmax, for targets that sum to 1). All are
computed from the logits z, and raise ValueError if y has another shape.
"""

from typing import NamedTuple

import numpy as np

from .cells import logistic
from .shapes import expect, fits


class Readout(NamedTuple):
    """The output layer: W_yh (o, n), b_y (o,)."""

    W_yh: np.ndarray
    b_y: np.ndarray


def logits(readout, h):
    """Return z = W_yh h + b_y for h (T, B, n): shape (T, B, o)."""
    expect("W_yh", readout.W_yh, ("o", h.shape[-1]), like=h)
    expect("b_y", readout.b_y, (len(readout.W_yh),), like=h)
    return (h.reshape(-1, h.shape[-1]) @ readout.W_yh.T + readout.b_y).reshape(*h.shape[:-1], -1)


def gradients(readout, h, r):
    """Return dE/dW_yh = sum_t r_t h_t^T, dE/db_y = sum_t r_t (as a Readout), and dE/dh = W_yh^T r."""
    fits("r", r, (*h.shape[:-1], len(readout.W_yh)))
    rows = r.reshape(-1, r.shape[-1])
    gradient = Readout(rows.T @ h.reshape(-1, h.shape[-1]), np.ones(len(rows), r.dtype) @ rows)
    return gradient, (rows @ readout.W_yh).reshape(h.shape)


def softmax(z):
    """Return exp(z_i) / sum_j exp(z_j) over the last axis; the largest logit is taken out first."""
    e = np.exp(z - z.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_cross_entropy(z, y):
    """Return E = -y^T log softmax(z) in nats, shape z.shape[:-1], and r = (sum_i y_i) softmax(z) - y.

    y holds one-hot or probability rows; a row may also weigh its step by its sum, and a row of zeros leaves
    it out.
    """
    fits("y", y, z.shape)
    z, y = z.T.copy(), y.T.copy()  # classes first: NumPy is slow along a short last axis
    z -= z.real.max(axis=0)
    e = np.exp(z)
    total, weight = e.sum(axis=0), y.sum(axis=0)
    E = weight * np.log(total) - (y * z).sum(axis=0)
    r = e * (weight / total) - y
    return E.T, r.T.copy()


def squared_error(z, y):
    """Return E = |z - y|^2 / 2, shape z.shape[:-1], and r = z - y."""
    fits("y", y, z.shape)
    r = z - y
    return 0.5 * (r * r).sum(axis=-1), r


def logistic_cross_entropy(z, y):
    """Return E = sum_i log(1 + exp(z_i)) - y_i z_i in nats, shape z.shape[:-1], and r = logistic(z) - y."""
    fits("y", y, z.shape)
    top = np.maximum(z.real, 0)
    return (top + np.log(np.exp(-top) + np.exp(z - top)) - y * z).sum(axis=-1), logistic(z) - y
