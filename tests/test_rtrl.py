"""Forward mode equals backward mode; its noisy cousin does so on average."""

from functools import reduce
from itertools import product

import numpy as np
import pytest
from points import T, every_cell, gap, point

from rnnlib import recurrence
from rnnlib.cells import GRU, LSTM, TANH
from rnnlib.params import add, scale
from rnnlib.recurrence import State
from rnnlib.rtrl import rtrl, uoro


def one_sequence(cell, T, n, m=2):
    """Return params, x (T, m), h_0, c_0 (n,) and dE (T, n)."""
    p = point(cell, sizes=(T, 1, m, n, 2))
    c = p.start[0].c[0] if cell.memory else np.zeros(n)
    return p.weights.layers[0], p.x[:, 0], p.start[0].h[0], c, np.random.default_rng(3).normal(size=(T, n))


@every_cell
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("biases", [1, 2])
def test_rtrl_equals_backpropagation_through_time(cell, n, biases):
    params, x, h, c, dE = one_sequence(cell, T, n)
    if biases == 2:
        params = params._replace(b_r=np.linspace(-1, 1, len(params.b_h)))
    tape = recurrence.forward(cell, params, x[:, None], State(h, c))
    *delta, (dh, dc) = recurrence.deltas(cell, params, tape, dE[:, None])
    bptt = recurrence.gradients(tape, *delta, params.b_r), dh[0], dc[0] if cell.memory else np.zeros(n)
    assert gap(rtrl(cell, params, x, h, c, dE), bptt) < 1e-12


@pytest.mark.parametrize(
    ("cell", "T", "n"),
    [(TANH, 3, 1), (LSTM, 3, 1), (GRU, 3, 1), (GRU, 2, 2)],
    ids=["tanh", "lstm", "gru", "gru-of-two-units"],
)
def test_uoro_is_rtrl_on_average_over_all_signs(cell, T, n):
    arguments = one_sequence(cell, T, n)
    signs = [np.reshape(s, (T + 1, 2 * n)) for s in product([-1, 1], repeat=2 * n * (T + 1))]
    estimates = [uoro(cell, *arguments, sign) for sign in signs]
    truth = rtrl(cell, *arguments)
    assert gap(scale(reduce(add, estimates), 1 / len(signs)), truth) < 1e-10
    assert gap(estimates[0], truth) > 0.1
