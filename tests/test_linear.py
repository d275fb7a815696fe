"""Linear recurrences: the scan, its adjoint, and the unit built on them, against loops and real networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from points import gap

from rnnlib import gradcheck, linear, network, readout, recurrence
from rnnlib.cells import LINEAR
from rnnlib.params import add, leaves, map_tree
from rnnlib.recurrence import Params

NET = network.Network(LINEAR, readout.squared_error)


def normal(seed, *shape, kind=complex):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if kind is complex else 0)


def loop(a, b):
    h, state = [], np.zeros_like(b[0])
    for a_t, b_t in zip(a, b, strict=True):
        state = a_t * state + b_t
        h.append(state)
    return np.array(h)


def unit(seed=0, m=3, n=5, k=4, o=2):
    """Return generic weights: nothing zero, |lambda| from 0.4 to 0.95."""
    rng = np.random.default_rng(seed)
    drawn = linear.weights(rng, m, n, k, o, least=0.4, most=0.95)
    return map_tree(lambda p: p + 0.2 * rng.standard_normal(p.shape), drawn)


@pytest.mark.parametrize("T", [1, 2, 3, 4, 7, 8, 9, 100])
@pytest.mark.parametrize("kind", [float, complex])
def test_a_scan_is_the_loop(T, kind):
    a, b = normal([T, 0], T, 2, 3, kind=kind), normal([T, 1], T, 2, 3, kind=kind)
    kept = a.copy(), b.copy()
    assert gap((linear.scan(a, b),), (loop(a, b),)) < 1e-12
    assert (a == kept[0]).all()
    assert (b == kept[1]).all()


@given(st.lists(st.tuples(*[st.integers(-9, 9)] * 2), min_size=3, max_size=3))
def test_two_steps_are_one_of_the_same_kind_and_it_does_not_matter_which_are_joined_first(steps):
    def join(first, then):
        return then[0] * first[0], then[0] * first[1] + then[1]

    one, two, three = steps
    assert join(join(one, two), three) == join(one, join(two, three))
    joined = join(join(one, two), three)
    a, b = np.array(steps, float).T
    assert linear.scan(a, b)[-1] == joined[1]


@pytest.mark.parametrize("T", [1, 2, 5, 8])
def test_the_adjoint_of_a_scan_is_its_derivative(T):
    a, b, weight = (normal([T, k], T, 3, kind=float) for k in range(3))
    E = lambda p: (weight * np.sin(loop(*p))).sum()
    h = linear.scan(a, b)
    ours = linear.adjoint(a, h, weight * np.cos(h))
    assert gap(ours, gradcheck.complex_step(E, (a, b))) < 1e-12


def test_a_scan_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match=r"b has shape \(3, 2\), but must have shape \(3, 1\)"):
        linear.scan(np.ones((3, 1)), np.ones((3, 2)))


def as_real_network(weights, x):
    """Return h as 2 n real units of a linear network whose W_hh turns and shrinks pairs of them."""
    lru, n = weights.lru, len(weights.lru.nu)
    lam = linear.eigenvalues(lru)
    W_hh = np.block([[np.diag(lam.real), -np.diag(lam.imag)], [np.diag(lam.imag), np.diag(lam.real)]])
    W_hx = np.exp(np.tile(lru.gamma, 2))[:, None] * np.concatenate([lru.B_re, lru.B_im])
    h = recurrence.forward(LINEAR, Params(W_hh, W_hx, np.zeros(2 * n)), x).h[1:]
    return h[..., :n] + 1j * h[..., n:]


def test_a_unit_is_a_real_linear_network_of_turning_pairs():
    w, x = unit(), normal(1, 6, 2, 3, kind=float)
    z, h, v = linear.forward(w, x)
    assert gap((h,), (as_real_network(w, x),)) < 1e-12
    u = (h @ (w.lru.C_re + 1j * w.lru.C_im).T).real + x @ w.lru.D.T + w.lru.b
    assert gap((v,), (np.tanh(u),)) < 1e-12
    assert gap((z,), (v @ w.readout.W_yh.T + w.readout.b_y,)) < 1e-12


@pytest.mark.parametrize("T", [1, 2, 7])
@pytest.mark.parametrize("mean", [False, True])
def test_the_gradient_is_that_of_central_differences(T, mean):
    w, x, y = unit(), normal([T, 1], T, 2, 3, kind=float), normal([T, 2], T, 2, 2, kind=float)
    mask, net = np.random.default_rng(3).uniform(0.5, 2, (T, 2)), NET._replace(mean=mean)
    E = lambda v: linear.loss_and_gradient(net, v, x, y, mask)[0]
    _, ours = linear.loss_and_gradient(net, w, x, y, mask)
    assert gap(ours, gradcheck.central_difference(E, w)) < 1e-7


@pytest.mark.parametrize("name", linear.LRU._fields)
def test_a_gradient_without_one_of_its_arrays_is_noticed(name):
    w, x, y = unit(), normal(1, 5, 2, 3, kind=float), normal(2, 5, 2, 2, kind=float)
    E = lambda v: linear.loss_and_gradient(NET, v, x, y)[0]
    _, ours = linear.loss_and_gradient(NET, w, x, y)
    wrong = ours._replace(lru=ours.lru._replace(**{name: -getattr(ours.lru, name)}))
    assert gap(wrong, gradcheck.central_difference(E, w)) > 1


def test_eigenvalues_start_in_their_ring_and_no_step_takes_them_out_of_the_unit_circle():
    w = linear.weights(np.random.default_rng(0), 2, 4000, 3, 1, least=0.8, most=0.95, angle=1.0)
    radius, angle = np.abs(linear.eigenvalues(w.lru)), np.angle(linear.eigenvalues(w.lru))
    assert (radius > 0.8).all()
    assert (radius < 0.95).all()
    assert (angle >= 0).all()
    assert (angle < 1).all()
    assert np.mean(radius**2) == pytest.approx((0.8**2 + 0.95**2) / 2, rel=0.01)  # uniform in area
    moved = add(w, map_tree(lambda p: 3 * np.ones(p.shape), w))
    assert (np.abs(linear.eigenvalues(moved.lru)) < 1).all()


def test_white_noise_gives_states_of_about_one_size_whatever_lambda_is():
    rng = np.random.default_rng(0)
    w = linear.weights(rng, 4, 200, 3, 1, least=0.5, most=0.99)
    h = linear.forward(w, rng.standard_normal((2000, 4, 4)))[1][500:]
    size = np.mean(np.abs(h) ** 2, axis=(0, 1)) / (np.abs(w.lru.B_re + 1j * w.lru.B_im) ** 2).sum(axis=1)
    assert np.median(size) == pytest.approx(1, abs=0.1)
    assert (np.abs(np.log(size)) < np.log(3)).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"n": 0}, "n is 0, but must be at least 1"),
        ({"most": 1.0}, "most is 1.0, but must be a number of"),
        ({"least": -0.1}, "least is -0.1, but must be a number of"),
    ],
)
def test_sizes_and_radii_that_cannot_be_are_refused(change, text):
    given = {"m": 2, "n": 3, "k": 2, "o": 1} | change
    with pytest.raises(ValueError, match=text):
        linear.weights(np.random.default_rng(0), **given)


def test_inputs_that_do_not_fit_are_refused():
    w, x, y = unit(), normal(1, 5, 2, 3, kind=float), normal(2, 5, 2, 2, kind=float)
    with pytest.raises(ValueError, match="x has shape"):
        linear.forward(w, x[..., :2])
    with pytest.raises(ValueError, match="x contains NaN"):
        linear.forward(w, np.nan * x)
    with pytest.raises(ValueError, match="y has shape"):
        linear.loss_and_gradient(NET, w, x, y[..., :1])
    assert all(np.isfinite(leaf).all() for leaf in leaves(linear.loss_and_gradient(NET, w, x, y)[1]))
