"""Each cell's derivative against SymPy's, and the unrolled network against the library."""

import mpmath
import numpy as np
import pytest
import sympy as sp
from points import CELLS, gap

from rnnlib import network, recurrence, symbolic
from rnnlib.cells import SLOPE, TANH
from rnnlib.network import Network, Weights
from rnnlib.readout import Readout, squared_error
from rnnlib.recurrence import Params, State

SCALAR_CELLS = {
    "linear": symbolic.activation(lambda a: a),
    "tanh": symbolic.activation(sp.tanh),
    "logistic": symbolic.activation(symbolic.logistic),
    "relu": symbolic.activation(lambda a: sp.Piecewise((a, a > 0), (0, True))),
    "leaky_relu": symbolic.activation(lambda a: sp.Piecewise((a, a > 0), (sp.Float(SLOPE, 30) * a, True))),
    "lstm": symbolic.lstm,
    "gru": symbolic.gru,
}


def symbols_of(gates):
    return [sp.symbols(f"{name}_:{gates}") for name in "dr"], sp.symbols("h c dh dc")


def at(expressions, values):
    """Evaluate with 30 digits, then round to float64."""
    with mpmath.workdps(30):
        exact = sp.lambdify(list(values), expressions, "mpmath", cse=True)(*map(mpmath.mpf, values.values()))
        return np.array([float(value) for value in exact])


@pytest.mark.parametrize("seed", range(4))  # the kinks have two sides
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_and_its_derivative_agree_with_sympy(name, seed):
    cell = CELLS[name]
    (d, r), (h, c, dh, dc) = symbols_of(cell.gates)
    h_new, c_new = SCALAR_CELLS[name](d, r, h, c)
    upstream = [dh * sp.diff(h_new, s) + dc * sp.diff(c_new, s) for s in (*d, *r, h, c)]
    rng = np.random.default_rng(seed)
    values = {symbol: rng.normal(scale=1.5) for symbol in (*d, *r, h, c, dh, dc)}
    row = lambda *symbols: np.array([[values[s] for s in symbols]])
    h_ours, c_ours, saved = cell.forward(row(*d), row(*r), row(h), row(c))
    ours = [np.ravel(part) for part in cell.backward(saved, row(dh), row(dc))]
    assert gap(np.array([h_ours.item(), c_ours.item()]), at([h_new, c_new], values)) < 1e-15
    assert gap(np.concatenate(ours), at(upstream, values)) < 1e-14


def test_the_points_lie_on_both_sides_of_the_kink():
    drives = [np.random.default_rng(seed).normal(scale=1.5, size=2).sum() for seed in range(4)]
    assert min(drives) < 0 < max(drives)


def test_the_logistic_function_is_the_one_of_the_text():
    a = sp.Symbol("a")
    s = symbolic.logistic(a)
    assert sp.simplify(sp.diff(s, a) - s * (1 - s)) == 0
    assert s.subs(a, 0) == sp.Rational(1, 2)


def test_unroll_writes_out_the_recurrence():
    net = symbolic.unroll(lambda a: a, 3)
    w, u, b, (h_0,) = net.w, net.u, net.b, net.h[:1]
    assert net.a[0] is None
    assert net.x[0] is None
    assert [len(part) for part in (net.x, net.a, net.h)] == [4, 4, 4]
    expected = w**3 * h_0 + sum(w ** (3 - t) * (u * net.x[t] + b) for t in (1, 2, 3))
    assert sp.expand(net.h[3] - expected) == 0
    assert sp.expand(net.a[2] - (w * net.h[1] + u * net.x[2] + b)) == 0


def test_unroll_keeps_the_function_unevaluated_when_it_is_a_symbol():
    f, net = sp.Function("f"), symbolic.unroll(sp.Function("f"), 2)
    assert net.h[2] == f(net.w * f(net.w * net.h[0] + net.u * net.x[1] + net.b) + net.u * net.x[2] + net.b)


def test_the_unrolled_network_has_the_gradient_of_bptt():
    T, rng = 4, np.random.default_rng(0)
    net = symbolic.unroll(sp.tanh, T)
    y = rng.standard_normal(T)
    E = sum((net.h[t] - y[t - 1]) ** 2 for t in range(1, T + 1)) / 2
    variables = (net.w, net.u, net.b, net.h[0])
    values = dict(zip((*variables, *net.x[1:]), rng.standard_normal(4 + T), strict=True))
    w, u, b, h_0 = (np.array([[values[s]]]) for s in variables)
    weights = Weights((Params(w, u, b[0]),), Readout(np.eye(1), np.zeros(1)), (State(h_0[0]),))
    x = np.array([values[s] for s in net.x[1:]]).reshape(T, 1, 1)
    loss, gradient = network.loss_and_gradient(Network(TANH, squared_error), weights, x, y.reshape(T, 1, 1))
    ours = [loss, *np.concatenate([np.ravel(p) for p in (*gradient.layers[0], gradient.start[0].h)])]
    assert gap(np.array(ours), at([E, *(sp.diff(E, s) for s in variables)], values)) < 1e-13
    tape = recurrence.forward(TANH, weights.layers[0], x, weights.start[0])
    assert gap(tape.h.ravel(), at(net.h, values)) < 1e-15
