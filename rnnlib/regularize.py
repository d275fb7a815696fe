"""Pascanu's regularizer: an error should keep its norm from one step to the step before [pascanu2013]."""

import numpy as np

from . import readout, recurrence
from .network import Weights, forward, weighted_loss
from .shapes import fits, positive


def omega(W_hh, delta, dE):
    """Return Omega = sum_t (|W_hh^T delta_t| / |dE/dh_t| - 1)^2, mean over the batch, and its dW_hh.

    W_hh^T delta_t is J_t^T dE/dh_t, what step t hands on. The derivative is the immediate one, states and
    errors held fixed. delta, dE (T, B, n): error signals, and dE_t/dh_t of the loss at t alone. A step
    whose error is exactly 0, or that hands on exactly 0, has no direction to follow and no derivative.
    """
    fits("delta", delta, dE.shape)
    handed_on = delta @ W_hh
    arrived = dE + np.concatenate([handed_on[1:], np.zeros_like(handed_on[:1])])
    into, out = _norm(arrived), _norm(handed_on)
    off = _over(out, into, otherwise=1) - 1
    d_W = np.einsum("tbi,tbj->ij", off * _over(delta, into), _over(handed_on, out))
    return float((off**2).sum() / dE.shape[1]), 2 / dE.shape[1] * d_W


def _norm(v):
    largest = np.abs(v).max(axis=-1, keepdims=True)  # divided out, so that tiny errors do not underflow
    return largest * np.linalg.norm(_over(v, largest), axis=-1, keepdims=True)


def _over(v, size, otherwise=0):
    return np.divide(v, size, out=np.full_like(v, otherwise), where=size > 0)


def loss_and_gradient(network, weights, x, y, mask=None, strength=1.0):
    """Return E, and dE/dweights with strength * dOmega/dW_hh added, for one layer of an elementwise cell.

    Arguments as in `network.loss_and_gradient`; the initial state is 0. Raises ValueError for other networks.
    """
    strength = positive("strength", strength)
    if len(weights.layers) != 1 or network.cell.gates != 1 or weights.start:
        raise ValueError("omega is for one layer of an elementwise cell, without a learned start")
    run = forward(network, weights, x)
    E, r = weighted_loss(network, run.z, y, mask)
    (params,), (tape,) = weights.layers, run.tapes
    d_readout, dE = readout.gradients(weights.readout, tape.h[1:], r)
    delta, delta_r, _ = recurrence.deltas(network.cell, params, tape, dE)
    layer = recurrence.gradients(tape, delta, delta_r)
    d_W = omega(params.W_hh, delta, dE)[1].astype(layer.W_hh.dtype)
    return E, Weights((layer._replace(W_hh=layer.W_hh + strength * d_W),), d_readout)
