"""A network: recurrent layers, one above the other, a readout, and a loss.

E = sum_t sum_b mask[t, b] E_t, or its mean over the steps that count.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from . import readout as output
from . import recurrence
from .cells import Cell
from .params import map_tree
from .readout import Readout
from .recurrence import State
from .shapes import expect, fits


class Network(NamedTuple):
    """What does not learn: the cell of every layer, the loss, and whether E is a sum or a mean.

    The mean is over the steps that count. Means of windows add up to that of the whole if each is weighted by
    its share of these steps; sums add up as they are.
    """

    cell: Cell
    loss: Callable = output.softmax_cross_entropy
    mean: bool = False


class Weights(NamedTuple):
    """What learns: a `Params` per layer, the `Readout`, and a `State` of (n,) arrays per layer.

    With `start=()` the initial states are not learned: they are zero unless they are given.
    """

    layers: tuple
    readout: Readout
    start: tuple = ()


class Run(NamedTuple):
    """A forward pass: the logits z (T, B, o) and one Tape per layer."""

    z: np.ndarray
    tapes: tuple

    @property
    def end(self):
        """Return the State of every layer after the last step, padding included: see `after`."""
        return self.after(len(self.z))

    def after(self, steps):
        """Return the State of every layer after `steps` steps, from which a next window can start.

        `steps` is one number of 0 .. T, or one per sequence, (B,): the lengths of a padded batch.
        """
        T, B, _ = self.z.shape
        t = np.asarray(steps)
        if t.dtype.kind not in "iu" or t.shape not in ((), (B,)) or (t < 0).any() or (t > T).any():
            raise ValueError(f"steps is {steps!r}, but must be a whole number of 0 .. {T}, or {B} of them")
        rows = t, np.arange(B)  # advanced indexing copies
        return tuple(State(s.h[rows], s.c[rows] if s.c.size else ()) for s in self.tapes)


def forward(network, weights, x, start=None):
    """Run over x (T, B, m) from `start`, a State per layer, else from the learned one or 0. Returns a Run.

    Raises ValueError on input that does not fit, and FloatingPointError if a layer's states overflow.
    """
    tapes = []
    for params, state in zip(weights.layers, _states(network, weights, start), strict=True):
        if tapes and not np.isfinite(x).all():
            raise FloatingPointError(f"layers.{len(tapes) - 1} has states that are not finite")
        tapes.append(recurrence.forward(network.cell, params, x, state))
        x = tapes[-1].h[1:]
    return Run(output.logits(weights.readout, x), tuple(tapes))


def backward(network, weights, run, r, carry=None):
    """Backpropagate r = dE/dz (T, B, o) through a Run.

    Returns dE/dreadout and dE/dlayers, dE/dstart as a State (B, n) per layer, and dE/dx (T, B, m). `carry`
    is the dE/dstart of the window that follows: with it the gradients of two windows add up to that of the
    whole, without it BPTT is truncated here.
    """
    d_readout, layers, start, delta = _backward(network, weights, run, r, carry)
    return d_readout, layers, start, recurrence.to_inputs(weights.layers[0], delta)


def _backward(network, weights, run, r, carry=None):
    """Go back as `backward` does, but only to delta of the first layer: few ask for dE/dx."""
    fits("r", r, run.z.shape)
    d_readout, dE = output.gradients(weights.readout, run.tapes[-1].h[1:], r)
    layers, start, above, delta = [], [], None, None
    arriving = [State(0.0, 0.0)] * len(run.tapes) if carry is None else carry
    if len(arriving) != len(run.tapes):
        raise ValueError(f"carry has {len(arriving)} states, but the network has {len(run.tapes)} layers")
    for params, tape, late in reversed(list(zip(weights.layers, run.tapes, arriving, strict=True))):
        dE = dE if above is None else recurrence.to_inputs(above, delta)
        late = late.h, late.c if network.cell.memory else 0.0
        delta, delta_r, early = recurrence.deltas(network.cell, params, tape, dE, late)
        layers.insert(0, recurrence.gradients(tape, delta, delta_r, params.b_r))
        start.insert(0, State(*early) if network.cell.memory else State(early[0]))
        above = params
    return d_readout, tuple(layers), tuple(start), delta


def loss(network, weights, x, y, mask=None, start=None):
    """Return E alone; its arguments are those of `loss_and_gradient`."""
    return weighted_loss(network, forward(network, weights, x, start).z, y, mask)[0]


def loss_and_gradient(network, weights, x, y, mask=None, start=None):
    """Return E and dE/dweights.

    x (T, B, m), y (T, B, o); mask (T, B) says how much each step counts (default 1); `start` overrides
    the initial states, whose gradient is then 0. Raises ValueError on input that does not fit, and
    FloatingPointError if a layer's states overflow.
    """
    return pass_both_ways(network, weights, x, y, mask, start)[1:]


def pass_both_ways(network, weights, x, y, mask=None, start=None):
    """Return the Run, E and dE/dweights; its arguments are those of `loss_and_gradient`."""
    run = forward(network, weights, x, start)
    E, r = weighted_loss(network, run.z, y, mask)
    d_readout, layers, d_start, _ = _backward(network, weights, run, r)
    return run, E, Weights(layers, d_readout, learned_start(weights, d_start, start))


def learned_start(weights, d_start, start=None):
    """Return dE/d(weights.start) from dE/dstart (B, n) per layer: 0 if another `start` was given."""
    learned = 1.0 if start is None else 0.0
    return map_tree(lambda d: learned * d.sum(axis=0), d_start) if weights.start else ()


def weighted_loss(network, z, y, mask):
    """Return E and r = dE/dz (T, B, o), every step weighted by the mask; where it is 0, y does not matter."""
    expect("y", y, z.shape, like=z)
    return weigh(network, z, y, step_weights(network, z.shape[:2], mask))


def step_weights(network, shape, mask=None):
    """Return how much each step counts in E: the mask (T, B), or 1, over its sum if E is a mean.

    Without a mask this is one number, since all of `shape` (T, B) count alike.
    """
    if mask is None:
        return np.array(1 / np.prod(shape) if network.mean else 1.0)
    weight = expect("mask", _numbers(mask), shape)
    if (weight < 0).any() or not weight.any():
        raise ValueError("mask must not be negative, and must count at least one step")
    return weight / weight.sum() if network.mean else weight


def counts(network, x, y, mask=None):
    """Return how much each step counts in E, (T, B), or raise ValueError if x, y and the mask do not fit."""
    T, B, _ = expect("x", x, ("T", "B", "m")).shape
    expect("y", y, (T, B, "o"))
    return np.broadcast_to(step_weights(network, (T, B), mask), (T, B))


def weigh(network, z, y, weight):
    """Return E and r = dE/dz of some steps, each with its weight of `step_weights`."""
    weight = weight.astype(y.dtype)
    if weight.ndim:
        y = np.where(weight[..., None] > 0, y, 0)  # a fill value, squared, would be inf * 0
    E, r = network.loss(z, y)
    return (weight * E).sum(), weight[..., None] * r


def _numbers(mask):
    """Return the mask in float64; a subclass of arrays stays what it is, and is refused."""
    return np.asarray(mask, float) if type(mask) in (np.ndarray, list) else mask


def _states(network, weights, start):
    """Return one initial State per layer: given, else learned, else None for zero."""
    states = weights.start if start is None else start
    if isinstance(states, tuple) and not states:
        return (None,) * len(weights.layers)
    if not isinstance(states, tuple) or not all(hasattr(state, "h") for state in states):
        raise ValueError("start must be a tuple with one State per layer, e.g. (State(h_0),)")
    if len(states) != len(weights.layers):
        raise ValueError(f"start has {len(states)} states, but the network has {len(weights.layers)} layers")
    if start is None:  # a learned state is one row for every batch, or its gradient would not have its shape
        for state, params in zip(states, weights.layers, strict=True):
            _, n = recurrence.check_params(network.cell, params)
            expect("h_0", state.h, (n,), like=params.W_hh)
            if network.cell.memory:
                expect("c_0", state.c, (n,), like=params.W_hh)
    return states
