"""Generic points, shared by the tests: nothing zero, nothing symmetric, n >= 2, T >= 3, and weights so large
that f' is not about 1. In each special case some wrong gradient looks right (test_the_tests.py)."""

from typing import NamedTuple

import numpy as np
import pytest

from rnnlib import cells, initialize, readout
from rnnlib.params import cast, leaves, map_tree
from rnnlib.recurrence import State

CELLS = {
    "linear": cells.LINEAR,
    "tanh": cells.TANH,
    "logistic": cells.LOGISTIC,
    "relu": cells.RELU,
    "leaky_relu": cells.LEAKY_RELU,
    "lstm": cells.LSTM,
    "gru": cells.GRU,
}
LOSSES = {
    "softmax": readout.softmax_cross_entropy,
    "squared": readout.squared_error,
    "logistic": readout.logistic_cross_entropy,
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=list(CELLS))
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
sum_and_mean = pytest.mark.parametrize("mean", [False, True], ids=["sum", "mean"])

T, B, M, N, O = 5, 2, 4, 3, 6  # all different: a slip of axes does not fit


class Point(NamedTuple):
    """Weights with learned starts, a batch whose y holds probabilities, and a start (B, n) per layer."""

    weights: tuple
    x: np.ndarray
    y: np.ndarray
    mask: np.ndarray
    start: tuple


def point(cell, layers=1, seed=1, sizes=(T, B, M, N, O), dtype=float):
    """Return a generic point of a network of `cell`."""
    T, B, m, n, o = sizes
    rng = np.random.default_rng(seed)
    shaped = initialize.weights(rng, cell, m, n, o, layers, learn_start=True)
    mask = rng.uniform(0.5, 2, (T, B))
    mask[T // 2, 0] = 0
    state = State(np.zeros((B, n)), np.zeros((B, n)) if cell.memory else ())
    drawn = Point(
        map_tree(lambda p: 0.6 * rng.standard_normal(p.shape), shaped),
        rng.standard_normal((T, B, m)),
        rng.dirichlet(np.ones(o), (T, B)),
        mask,
        map_tree(lambda p: rng.standard_normal(p.shape), (state,) * layers),
    )
    return cast(drawn, dtype)


def gap(ours, theirs):
    """Return the largest |ours - theirs| / |theirs| over the arrays of two trees; NaN if any is NaN."""
    pairs = list(zip(leaves(ours), leaves(theirs), strict=True))
    assert [np.shape(a) for a, _ in pairs] == [np.shape(b) for _, b in pairs]
    return np.max([np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0) for a, b in pairs])


def same_bits(a, b):
    """Return whether two trees hold exactly the same numbers."""
    return all(np.array_equal(u, v) for u, v in zip(leaves(a), leaves(b), strict=True))
