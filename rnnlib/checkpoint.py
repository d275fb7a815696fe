"""Memory for time: keep a few states, and run again from them what the way back needs.

Of T steps, cut into segments, only the states before some segments are kept. With s states kept at a time
and no segment run more than r times before the way back reaches it, at most C(s + r, s) segments can be gone
back through, and `plan` reaches this [griewank2000]. The schedule of sqrt(T) is r = 1 [chen2016].
"""

from math import comb, sqrt

from .network import Weights, backward, counts, forward, learned_start, weigh
from .params import add, zeros_like
from .shapes import whole


def plan(length, slots):
    """Yield how to go back through segments 0 .. length-1 with `slots` states kept at a time.

    ("run", i, k): run on from the state kept before segment i, and keep the one before segment k.
    ("back", i, i + 1): run segment i, go back through it, and drop the state before it. As few segments are
    run as can be. The state before segment 0 takes a slot, one that is gone back from at once does not.
    """
    todo = [(0, whole("length", length, 1), whole("slots", slots, 1))]
    while todo:
        first, last, s = todo.pop()
        if last - first == 1:
            yield "back", first, last
        else:
            r = repeats(last - first, s)
            middle = first + min(comb(s + r - 1, s), last - first - comb(s + r - 2, s - 1))
            yield "run", first, middle
            todo += [(first, middle, s), (middle, last, s - 1)]


def repeats(length, slots):
    """Return how often `plan` runs a segment before its way back, at most: the least r that is enough."""
    r = 0
    while comb(slots + r, slots) < length:
        r += 1
    return r


def reruns(length, slots):
    """Return how many segments `plan` runs before their ways back: r length - C(slots + r, slots + 1)."""
    r = repeats(length, slots)
    return r * length - comb(slots + r, slots + 1)


def loss_and_gradient(network, weights, x, y, mask=None, start=None, budget=None):
    """Return E and dE/dweights as network.loss_and_gradient does, but keep at most `budget` bytes.

    Counted are states, tapes and errors, not what is given and returned. Of the plans that fit, the one
    that runs the fewest steps twice is taken; without a budget, the one of least memory that runs none more
    often, with some sqrt(T) states. Raises ValueError if the budget is too small, and says what a step takes.
    """
    count, T = counts(network, x, y, mask), len(x)
    size, slots = _segments(T, *sizes(network, weights, x, y, start), budget)
    kept, E, gradient, carry = {0: start}, 0.0, zeros_like(weights), None
    for action, i, k in plan(-(-T // size), slots):
        if action == "run":
            kept[k] = kept[i]
            for t in range(i * size, k * size, size):
                kept[k] = forward(network, weights, x[t : t + size], kept[k]).end
        else:
            now = slice(i * size, k * size)
            there = x[now], y[now], count[now], kept.pop(i)
            part, d_weights, carry = _there_and_back(network, weights, *there, carry)
            E, gradient = E + part, add(gradient, d_weights)
    return E, gradient._replace(start=learned_start(weights, carry, start))


def _there_and_back(network, weights, x, y, count, state, carry):
    """Return E, dE/dweights and the carry of a segment; its tape is gone with the return."""
    run = forward(network, weights, x, state)
    E, r = weigh(network, run.z, y, count)
    d_readout, layers, carry, _ = backward(network, weights, run, r, carry)
    return E, Weights(layers, d_readout, zeros_like(weights.start)), carry


def sizes(network, weights, x, y, start=None):
    """Return how many bytes a state of all layers takes, and at most a step there and back."""
    run = forward(network, weights, x[:1], start)
    state = _bytes(run.end)
    errors = 3 * y.shape[2] + sum(4 * len(w.W_hh) + sum(w.W_hx.shape) for w in weights.layers)  # and slopes
    return state, _bytes(run) - state + x.shape[1] * x.itemsize * errors


def _bytes(tree):
    """Return the bytes of all arrays of a tree of tuples and lists."""
    return sum(map(_bytes, tree)) if isinstance(tree, tuple | list) else getattr(tree, "nbytes", 0)


def _segments(T, state, step, budget):
    """Return the length of a segment, and the number of slots."""
    if budget is None:
        size = max(1, round(sqrt(T * state / step)))
        return size, -(-T // size)
    fits = []
    for size in {T, *(2**k for k in range(T.bit_length()))}:
        length, slots = -(-T // size), (whole("budget", budget, 1) - size * step) // state - 2
        if slots > 0:
            fits.append((size * reruns(length, min(slots, length)), -size, min(slots, length)))
    if not fits:
        raise ValueError(f"budget is {budget} bytes, but a step and three states take {step + 3 * state}")
    return -min(fits)[1], min(fits)[2]
