"""Time, cut: the error that goes back from step t + 1 to step t is multiplied by a factor.

    dE/dh_t = dE_t/dh_t + factor_t (dE/dh_t through step t + 1), and dE/dc_t likewise, t = 1 .. T-1

With ones this is BPTT; with zeros between windows, truncated BPTT [williams1990]; with random factors of mean
one, its unbiased relative [tallec2017]. The states are carried on in every case.
"""

from functools import reduce
from itertools import pairwise

import numpy as np

from .network import Weights, backward, counts, forward, learned_start, weigh
from .params import add, scale, zeros_like
from .shapes import expect, fraction, whole


def windows(length, size):
    """Return the slices of windows of `size` steps, one after the other; the last one may be shorter."""
    length, size = whole("length", length, 1), whole("size", size, 1)
    return [slice(t, min(t + size, length)) for t in range(0, length, size)]


def window_factors(length, size):
    """Return the factors (length - 1,) of truncated BPTT: 0 between windows of `size` steps, else 1."""
    factors = np.ones(whole("length", length, 1) - 1)
    factors[whole("size", size, 1) - 1 :: size] = 0
    return factors


def random_factors(rng, length, rate):
    """Return independent factors (length - 1,): 0 with probability `rate`, else 1 / (1 - rate).

    Their mean is 1, so that the mean of the gradient is that of BPTT [tallec2017].
    """
    rate = fraction("rate", rate)
    return (rng.random(whole("length", length, 1) - 1) >= rate) / (1 - rate)


def loss_and_gradient(network, weights, x, y, factors, mask=None, start=None):
    """Return E and the gradient in which the error from step t + 1 to step t is multiplied by factor_t.

    factors (T-1,) holds factor_1 .. factor_{T-1}. The other arguments, and what is raised, are those of
    network.loss_and_gradient. What lies between two zeros is kept in memory, not more.
    """
    count = counts(network, x, y, mask)
    expect("factors", factors, (len(x) - 1,))
    E, gradient, state, d_start = 0.0, zeros_like(weights), start, None
    for first, end in pairwise([0, *np.flatnonzero(factors == 0) + 1, len(x)]):
        now = slice(first, end)
        between = x[now], y[now], count[now], factors[first : end - 1]
        part, d_weights, early, state = _stretch(network, weights, *between, state)
        E, gradient = E + part, add(gradient, d_weights)
        d_start = early if first == 0 else d_start
    return E, gradient._replace(start=learned_start(weights, d_start, start))


def _stretch(network, weights, x, y, count, factors, state):
    """Go through steps between zeros; return E, dE/dweights, dE/dstart, and the states after."""
    runs, E, gradient, carry = [], 0.0, zeros_like(weights), None
    for first, end in pairwise([0, *np.flatnonzero(factors != 1) + 1, len(x)]):
        run = forward(network, weights, x[first:end], state)
        runs.append((run, *weigh(network, run.z, y[first:end], count[first:end]), end))
        state = run.end
    for run, part, r, end in reversed(runs):
        late = scale(carry, factors[end - 1]) if carry else None
        d_readout, layers, carry, _ = backward(network, weights, run, r, late)
        E, gradient = E + part, add(gradient, Weights(layers, d_readout, gradient.start))
    return E, gradient, carry, state


def horizon(network, weights, x, y, every, back, mask=None, start=None):
    """Return E and the gradient of BPTT(back; every) [williams1990], with (k_1, k_2) = (every, back).

    The losses of each window of `every` steps go back together, down to the last `back` >= every steps before
    its end. With back = every the windows do not overlap, which is truncated BPTT; with back >= T it is BPTT.
    Where ways back overlap, steps are run again.
    """
    every, back = whole("every", every, 1), whole("back", back, 1)
    if back < every:
        raise ValueError(f"back is {back}, but must be at least every, {every}: no loss may be left out")
    count = counts(network, x, y, mask)
    E, gradient, begun, run, starts = 0.0, zeros_like(weights), 0, None, []
    for now in windows(len(x), every):
        first = max(0, now.stop - back)
        state = run.after(first - begun) if run else start
        begun, run = first, forward(network, weights, x[first : now.stop], state)
        ours = np.where(np.arange(first, now.stop)[:, None] < now.start, 0, count[first : now.stop])
        part, r = weigh(network, run.z, y[first : now.stop], ours)
        d_readout, layers, early, _ = backward(network, weights, run, r)
        E, gradient = E + part, add(gradient, Weights(layers, d_readout, gradient.start))
        starts += [early] if first == 0 else []
    d_start = reduce(add, starts)
    return E, gradient._replace(start=learned_start(weights, d_start, start))
