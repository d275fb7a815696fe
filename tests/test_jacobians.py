"""Step Jacobians against the complex step, and what their products do against arithmetic of many digits."""

import mpmath
import numpy as np
import pytest
from points import LOSSES, every_cell, gap, point

from rnnlib import jacobians, network, readout, recurrence
from rnnlib.cells import LINEAR, TANH
from rnnlib.network import Network
from rnnlib.recurrence import Params, State

T, n = 7, 4


def run(cell):
    """Return a point with one sequence, the parameters of its layer, its Tape, and J."""
    p = point(cell, sizes=(T, 1, 3, n, 2))
    params = p.weights.layers[0]
    tape = recurrence.forward(cell, params, p.x, p.start[0])
    return p, params, tape, jacobians.steps(cell, params, tape)


def driven(size=8, steps=100, noise=1.0, seed=0):
    """Return J of a tanh network driven by noise, whose products span more than a hundred decades."""
    rng = np.random.default_rng(seed)
    W, h, J = rng.standard_normal((size, size)) / np.sqrt(size), rng.standard_normal(size), []
    for _ in range(steps):
        a = W @ h + noise * rng.standard_normal(size)
        h = np.tanh(a)
        J.append((1 / np.cosh(a) ** 2)[:, None] * W)
    return np.array(J)


def final_state(cell, params, x, start):
    tape = recurrence.forward(cell, params, x, start)
    return np.concatenate([tape.h[-1, 0], tape.c[-1, 0] if cell.memory else []])


@every_cell
def test_the_product_is_the_derivative_of_the_last_state_by_the_first(cell):
    p, params, _, J = run(cell)
    start = np.concatenate([np.ravel(part) for part in p.start[0]])
    columns = []
    for k in range(len(start)):
        bumped = (start + 1e-30j * np.eye(len(start))[k])[None]
        state = State(bumped[:, :n], bumped[:, n:] if cell.memory else ())
        columns.append(final_state(cell, params, p.x, state).imag / 1e-30)
    assert gap(jacobians.products(J)[-1], np.array(columns).T) < 1e-13
    assert gap(jacobians.products(J)[2], J[2] @ J[1] @ J[0]) < 1e-14


def test_a_step_of_an_elementwise_cell_is_slopes_times_weights():
    _, params, tape, J = run(TANH)
    assert gap(J, (1 - tape.h[1:, 0, :, None] ** 2) * params.W_hh) < 1e-15


def test_jacobians_are_those_of_one_sequence():
    p = point(TANH)
    tape = recurrence.forward(TANH, p.weights.layers[0], p.x, p.start[0])
    with pytest.raises(ValueError, match="holds 2 sequences, but must hold one"):
        jacobians.steps(TANH, p.weights.layers[0], tape)


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 100), (5.0, 40)])
def test_singular_values_are_right_to_the_smallest_where_a_plain_product_flattens(noise, steps):
    J = driven(8, steps, noise)
    with mpmath.workdps(400):
        product = mpmath.eye(8)
        for J_t in J:
            product = mpmath.matrix(J_t.tolist()) * product
        truth = sorted((float(mpmath.log(s)) for s in mpmath.svd_r(product, compute_uv=False)), reverse=True)
    ours = jacobians.log_singular_values(J)[-1]
    assert truth[0] - truth[-1] > 100 * np.log(10)
    assert np.abs(ours - truth).max() < 1e-11
    with np.errstate(divide="ignore"):
        plain = np.log(np.linalg.svd(jacobians.products(J)[-1], compute_uv=False))
    assert np.abs(plain - truth).max() > 50 * np.log(10)


@every_cell
def test_at_every_length_singular_values_are_those_of_the_product(cell):
    J = run(cell)[3]
    ours = np.exp(jacobians.log_singular_values(J))
    truth = np.linalg.svd(jacobians.products(J), compute_uv=False)
    assert (np.abs(ours - truth) <= 1e-13 * truth[:, :1]).all()


def test_units_that_are_off_have_singular_value_zero_and_the_others_keep_theirs():
    J = np.array([np.diag([2.0, 1.0, 3.0]), np.diag([2.0, 0.0, 3.0]), np.diag([2.0, 5.0, 3.0])])
    with np.errstate(divide="ignore"):
        expected = np.log([[3, 2, 1], [9, 4, 0], [27, 8, 0]])
    assert np.allclose(jacobians.log_singular_values(J), expected, rtol=0, atol=1e-14)
    dead = jacobians.log_singular_values(np.array([np.eye(2), np.zeros((2, 2)), np.eye(2)]))
    assert (dead == [[0, 0], [-np.inf, -np.inf], [-np.inf, -np.inf]]).all()


def test_singular_values_survive_products_that_overflow():
    J = np.tile(np.diag([1e10, 1e8]), (50, 1, 1))
    assert gap(jacobians.log_singular_values(J)[-1], np.array([500, 400]) * np.log(10)) < 1e-14


def test_a_value_that_underflows_is_minus_infinity_and_takes_no_other_with_it():
    factors = np.array([1.0, 0.5, 0.15])
    logs = jacobians.log_singular_values(np.tile(np.diag(factors), (400, 1, 1)))
    truth = np.arange(1, 401)[:, None] * np.log(factors)
    kept = truth > np.log(1e-300)
    assert not kept.all()
    assert np.allclose(logs[kept], truth[kept], rtol=1e-13, atol=1e-13)
    assert (logs[~kept] == -np.inf).all()


def test_lyapunov_exponents_are_the_growth_of_all_directions_per_step():
    powers = np.tile(np.array([[2.0, 5.0, 1.0], [0.0, 0.5, 7.0], [0.0, 0.0, 0.1]]), (400, 1, 1))
    rates = jacobians.lyapunov_exponents(powers, skip=50)
    assert gap(rates, np.log([2, 0.5, 0.1])) < 1e-12
    J = driven(steps=200)
    assert np.abs(jacobians.lyapunov_exponents(J) - jacobians.log_singular_values(J)[-1] / 200).max() < 0.02


@every_cell
def test_the_lag_triangle_holds_the_errors_that_each_loss_sends_to_each_state(cell):
    p, _, tape, J = run(cell)
    net = Network(cell, LOSSES["squared"])
    forward = network.Run(readout.logits(p.weights.readout, tape.h[1:]), (tape,))
    r = net.loss(forward.z, p.y)[1]
    dE = readout.gradients(p.weights.readout, tape.h[1:], r)[1][:, 0]
    dE = np.hstack([dE, np.zeros_like(dE)]) if cell.memory else dE
    triangle = jacobians.lag_triangle(J, dE)
    assert not np.triu(triangle, 1).any()
    for t in range(T):
        error = dE[t]
        for k in reversed(range(t + 1)):
            assert triangle[t, k] == pytest.approx(np.linalg.norm(error), rel=1e-12)
            error = error @ J[k]


def test_linear_identity_keeps_every_singular_value():
    params = Params(np.eye(3), np.zeros((3, 1)), np.zeros(3))
    tape = recurrence.forward(LINEAR, params, np.ones((50, 1, 1)), State(np.ones(3)))
    assert (jacobians.log_singular_values(jacobians.steps(LINEAR, params, tape)) == 0).all()
