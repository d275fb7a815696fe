"""Initial weights: the distributions promised, bounds loose enough for any seed that is not a freak."""

import numpy as np
import pytest
from points import every_cell, gap, point, same_bits

from rnnlib import initialize
from rnnlib.cells import GRU, LSTM, TANH
from rnnlib.params import cast, leaves, map_tree

SHAPE = (200, 300)
INITIALIZERS = (
    initialize.gaussian,
    initialize.glorot,
    initialize.he,
    initialize.orthogonal,
    initialize.identity,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("shape", [(5, 5), (3, 5), (5, 3), (1, 4)])
@pytest.mark.parametrize("gain", [1.0, 1.7])
def test_orthogonal_has_orthonormal_rows_or_columns(shape, gain):
    Q = initialize.orthogonal(rng(), shape, gain) / gain
    assert Q.shape == shape
    short = Q @ Q.T if shape[0] <= shape[1] else Q.T @ Q
    assert np.abs(short - np.eye(min(shape))).max() < 1e-14


@pytest.mark.parametrize("n", [1, 2, 4])
def test_orthogonal_favours_no_sign(n):
    # Householder QR without the sign fix gives Q_11 < 0 nearly always
    r = rng()
    positive = np.mean([initialize.orthogonal(r, (n, n)).diagonal() > 0 for _ in range(600)], axis=0)
    assert (np.abs(positive - 0.5) < 0.08).all()


def test_orthogonal_is_uniform_in_its_second_moments():
    r, n = rng(), 3
    squares = np.mean([initialize.orthogonal(r, (n, n)) ** 2 for _ in range(2000)], axis=0)
    assert np.abs(squares - 1 / n).max() < 0.03


@pytest.mark.parametrize(
    ("init", "variance"),
    [(initialize.gaussian, 1 / 300), (initialize.glorot, 2 / 500), (initialize.he, 2 / 300)],
    ids=["gaussian", "glorot", "he"],
)
def test_random_weights_have_the_variance_promised(init, variance):
    W = init(rng(), SHAPE)
    assert W.shape == SHAPE
    assert W.var() == pytest.approx(variance, rel=0.03)
    assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)


def test_glorot_is_uniform_between_its_bounds():
    W, bound = initialize.glorot(rng(), SHAPE), np.sqrt(6 / 500)
    assert np.abs(W).max() <= bound
    assert np.mean(np.abs(W) < bound / 2) == pytest.approx(0.5, abs=0.02)


def test_gain_scales_a_gaussian_whose_spectral_radius_is_about_the_gain():
    W = initialize.gaussian(rng(), (300, 300), 1.5)
    assert gap(W, 1.5 * initialize.gaussian(rng(), (300, 300))) < 1e-15
    assert np.abs(np.linalg.eigvals(W)).max() == pytest.approx(1.5, rel=0.1)


def test_identity_is_scaled_and_draws_nothing():
    r = rng()
    assert (initialize.identity(r, (2, 3), 0.5) == [[0.5, 0, 0], [0, 0.5, 0]]).all()
    assert r.random() == rng().random()


def test_rescale_sets_the_spectral_radius_and_keeps_the_direction():
    W = rng().standard_normal((6, 6))
    scaled = initialize.rescale(W, 0.9)
    assert np.abs(np.linalg.eigvals(scaled)).max() == pytest.approx(0.9, rel=1e-12)
    assert np.ptp(scaled / W) < 1e-14


def test_rescale_refuses_a_nilpotent_matrix():
    with pytest.raises(ValueError, match="spectral radius 0"):
        initialize.rescale(np.triu(np.ones((3, 3)), 1), 1.0)


def test_forget_bias_touches_only_its_block():
    params = point(LSTM, sizes=(3, 1, 2, 4, 2)).weights.layers[0]
    before = params.b_h.copy()
    after = initialize.forget_bias(params, 1.5)
    assert (after.b_h[4:8] == 1.5).all()
    assert same_bits((after.b_h[:4], after.b_h[8:]), (before[:4], before[8:]))
    assert same_bits((after.W_hh, after.W_hx, params.b_h), (params.W_hh, params.W_hx, before))


def test_forget_bias_reaches_the_forget_gate():
    layer = initialize.layer(rng(), LSTM, 2, 3)
    open_ = initialize.forget_bias(map_tree(np.zeros_like, layer), 50.0)  # f = 1, so c' = c + i g = c
    c = rng(1).standard_normal((1, 3))
    _, c_new, _ = LSTM.forward(open_.b_h[None], np.zeros((1, 12)), np.zeros((1, 3)), c)
    assert np.abs(c_new - c).max() < 1e-15


def test_update_bias_touches_only_its_block():
    params = point(GRU, sizes=(3, 1, 2, 4, 2)).weights.layers[0]
    before = params.b_h.copy()
    after = initialize.update_bias(params, 1.5)
    assert (after.b_h[:4] == 1.5).all()
    assert same_bits((after.b_h[4:], after.W_hh, after.W_hx), (before[4:], params.W_hh, params.W_hx))
    assert same_bits(params.b_h, before)


def test_update_bias_reaches_the_update_gate():
    layer = initialize.layer(rng(), GRU, 2, 3)
    kept = initialize.update_bias(map_tree(np.zeros_like, layer), 50.0)  # z = 1, so h' = z h + (1 - z) q = h
    h = rng(1).standard_normal((1, 3))
    h_new, _, _ = GRU.forward(kept.b_h[None], np.zeros((1, 9)), h, 0.0)
    assert np.abs(h_new - h).max() < 1e-15


@every_cell
@pytest.mark.parametrize("layers", [1, 3])
def test_weights_have_the_shapes_of_the_network(cell, layers):
    weights = initialize.weights(rng(), cell, 5, 3, 2, layers, learn_start=True)
    G = cell.gates
    expected = [((3 * G, 3), (3 * G, 5 if k == 0 else 3), (3 * G,)) for k in range(layers)]
    assert [tuple(p.shape for p in leaves(layer)) for layer in weights.layers] == expected
    assert [p.shape for p in weights.readout] == [(2, 3), (2,)]
    assert [p.shape for p in leaves(weights.start)] == [(3,)] * layers * (1 + cell.memory)
    assert initialize.weights(rng(), cell, 5, 3, 2).start == ()


def test_every_gate_gets_its_own_orthogonal_block_and_zero_biases():
    layer = initialize.layer(rng(), LSTM, 2, 3)
    blocks = np.split(layer.W_hh, 4)
    assert all(np.abs(Q @ Q.T - np.eye(3)).max() < 1e-14 for Q in blocks)
    assert len({Q[0, 0] for Q in blocks}) == 4
    assert not layer.b_h.any()


def test_the_initializers_given_are_the_ones_used():
    weights = initialize.weights(
        rng(), TANH, 3, 3, 2, recurrent=initialize.identity, inputs=initialize.identity
    )
    assert (weights.layers[0].W_hh == np.eye(3)).all()
    assert (weights.layers[0].W_hx == np.eye(3)).all()


@pytest.mark.parametrize("init", INITIALIZERS)
def test_initializers_return_float64_and_depend_on_the_rng_alone(init):
    assert init(rng(), (3, 4)).dtype == np.float64
    assert same_bits(init(rng(), (3, 4)), init(rng(), (3, 4)))
    if init is not initialize.identity:
        assert not same_bits(init(rng(), (3, 4)), init(rng(1), (3, 4)))


def test_cast_changes_precision_and_nothing_else():
    weights = initialize.weights(rng(), LSTM, 2, 3, 2, learn_start=True)
    single = cast(weights, np.float32)
    assert {p.dtype for p in leaves(single)} == {np.dtype(np.float32)}
    assert type(single) is type(weights)
    assert all(np.abs(a - b).max() < 1e-6 for a, b in zip(leaves(single), leaves(weights), strict=True))


def test_a_forget_bias_is_refused_where_there_is_no_forget_gate():
    layer = initialize.layer(np.random.default_rng(0), TANH, 2, 3)
    with pytest.raises(ValueError, match="W_hh has shape"):
        initialize.forget_bias(layer, 1.0)


def test_an_update_bias_is_refused_where_there_is_no_update_gate():
    layer = initialize.layer(np.random.default_rng(0), LSTM, 2, 3)
    with pytest.raises(ValueError, match="W_hh has shape"):
        initialize.update_bias(layer, 1.0)
