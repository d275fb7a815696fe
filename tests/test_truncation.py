"""Time, cut: against losses whose states are frozen at the cuts, and BPTT where nothing is cut."""

import numpy as np
import pytest
from points import CELLS, every_cell, gap, point, same_bits, sum_and_mean

from rnnlib import network, readout, truncation
from rnnlib.gradcheck import complex_step
from rnnlib.network import Network
from rnnlib.params import flatten, leaves, map_tree, zeros_like

TANH = CELLS["tanh"]
SIZES = (7, 2, 4, 3, 6)
T = SIZES[0]


def case(cell, mean=False, layers=2):
    return Network(cell, readout.softmax_cross_entropy, mean), point(cell, layers, sizes=SIZES)


def frozen(net, p, size, start=None):
    """Return E as a function of the weights, the states between windows held at the values they have at p."""
    weight = network.step_weights(net, p.mask.shape, p.mask)
    parts, state = [], start
    for now in truncation.windows(T, size):
        parts.append((now, state))
        state = network.forward(net, p.weights, p.x[now], state).end

    def loss(weights):
        runs = [(now, network.forward(net, weights, p.x[now], state)) for now, state in parts]
        return sum(network.weigh(net, run.z, p.y[now], weight[now])[0] for now, run in runs)

    return loss


@every_cell
@sum_and_mean
@pytest.mark.parametrize("size", [1, 3, 7, 9])
def test_truncated_bptt_is_the_exact_gradient_of_the_loss_with_frozen_boundaries(cell, mean, size):
    net, p = case(cell, mean)
    E, gradient = truncation.loss_and_gradient(
        net, p.weights, p.x, p.y, truncation.window_factors(T, size), p.mask
    )
    assert pytest.approx(network.loss(net, p.weights, p.x, p.y, p.mask), rel=1e-12) == E
    assert gap(gradient, complex_step(frozen(net, p, size), p.weights)) < 1e-12


@every_cell
@sum_and_mean
def test_with_factors_of_one_it_is_bptt(cell, mean):
    net, p = case(cell, mean)
    whole = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
    uncut = truncation.loss_and_gradient(net, p.weights, p.x, p.y, np.ones(T - 1), p.mask)
    assert gap(uncut, whole) < 1e-13
    assert gap(truncation.horizon(net, p.weights, p.x, p.y, 3, T, p.mask), whole) < 1e-12


@every_cell
@pytest.mark.parametrize("t", [1, 4, 6])
def test_a_factor_multiplies_the_error_that_passes_from_one_step_to_the_one_before(cell, t):
    net, p = case(cell)
    found = {}
    for factor in (0.0, 1.0, -2.5):
        factors = np.ones(T - 1)
        factors[t - 1] = factor
        found[factor] = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, p.mask)[1]
    cut, whole, other = (flatten(found[factor]) for factor in (0.0, 1.0, -2.5))
    assert np.linalg.norm(whole - cut) > 1e-3 * np.linalg.norm(whole)
    np.testing.assert_allclose(other - cut, -2.5 * (whole - cut), rtol=1e-9, atol=1e-12)


def test_what_is_cut_off_is_what_the_losses_after_the_cut_send_before_it():
    net, p = case(TANH, layers=1)
    for t in range(1, T):
        factors = np.ones(T - 1)
        factors[t - 1] = 0
        cut = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, p.mask)[1]
        late = p.mask * (np.arange(T) >= t)[:, None]
        run = network.forward(net, p.weights, p.x)
        r = network.weigh(net, run.z, p.y, late)[1]
        sent = network.backward(net, p.weights, run, r)
        kept = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, late)[1]
        whole = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)[1]
        lost = map_tree(np.subtract, sent[1], kept.layers)
        assert gap(map_tree(np.add, cut.layers, lost), whole.layers) < 1e-12


@every_cell
@pytest.mark.parametrize(
    ("every", "back"), [(1, 1), (2, 2), (3, 3), (2, 3), (1, 4), (3, 5), (7, 7), (9, 9), (3, 9)]
)
def test_a_horizon_adds_up_what_each_window_sends_back_so_far(cell, every, back):
    net, p = case(cell, mean=True)
    E, gradient = truncation.horizon(net, p.weights, p.x, p.y, every, back, p.mask)
    total, loss = zeros_like(p.weights), 0
    counts = network.step_weights(net, p.mask.shape, p.mask)
    for now in truncation.windows(T, every):
        steps = np.arange(T)
        ours = counts * ((steps >= now.start) & (steps < now.stop))[:, None]
        factors = np.ones(T - 1)
        first = now.stop - back
        factors[max(first - 1, 0) : max(first, 0)] = 0
        if not ours.any():
            continue
        part = truncation.loss_and_gradient(net._replace(mean=False), p.weights, p.x, p.y, factors, ours)
        loss, total = loss + part[0], map_tree(np.add, total, part[1])
    assert pytest.approx(loss, rel=1e-12) == E
    assert gap(gradient, total) < 1e-12


@every_cell
def test_a_horizon_that_goes_no_further_than_its_window_is_truncation_by_windows(cell):
    net, p = case(cell)
    for size in (1, 7):  # which divide the length
        factors = truncation.window_factors(T, size)
        windows = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, p.mask, p.start)
        assert gap(truncation.horizon(net, p.weights, p.x, p.y, size, size, p.mask, p.start), windows) < 1e-12


def test_over_all_ways_the_coins_can_fall_the_mean_of_randomised_truncation_is_bptt():
    net, p = case(TANH)
    rate, mean = 0.3, zeros_like(p.weights)
    for coins in np.ndindex(*(2,) * (T - 1)):
        chance = np.prod(np.where(coins, 1 - rate, rate))
        factors = np.array(coins) / (1 - rate)
        gradient = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, p.mask)[1]
        mean = map_tree(lambda m, g, chance=chance: m + chance * g, mean, gradient)
    assert gap(mean, network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)[1]) < 1e-12


def test_random_factors_are_zero_at_their_rate_and_have_mean_one():
    factors = truncation.random_factors(np.random.default_rng(0), 20_001, 0.25)
    assert factors.shape == (20_000,)
    assert set(factors) == {0.0, 1 / 0.75}
    assert abs(np.mean(factors == 0) - 0.25) < 0.02
    a, b = factors[1:] - 1, factors[:-1] - 1
    assert abs(np.mean(a * b)) < 0.02  # independent
    assert truncation.random_factors(np.random.default_rng(0), 9, 0).tolist() == [1] * 8


@pytest.mark.parametrize("length", [1, 2, 5, 6])
@pytest.mark.parametrize("size", [1, 2, 3, 6, 9])
def test_windows_cover_every_step_once_and_the_factors_are_zero_between_them(length, size):
    windows = truncation.windows(length, size)
    assert [t for now in windows for t in range(now.start, now.stop)] == list(range(length))
    assert max(now.stop - now.start for now in windows) == min(size, length)
    factors = truncation.window_factors(length, size)
    assert factors.shape == (length - 1,)
    assert [t + 1 for t in np.flatnonzero(factors == 0)] == [now.stop for now in windows[:-1]]


@every_cell
def test_a_given_start_is_used_and_the_learned_one_then_has_no_gradient(cell):
    net, p = case(cell)
    for size in (2, 9):
        factors = truncation.window_factors(T, size)
        E, gradient = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, p.mask, p.start)
        assert pytest.approx(network.loss(net, p.weights, p.x, p.y, p.mask, p.start), rel=1e-12) == E
        assert gap(gradient, complex_step(frozen(net, p, size, p.start), p.weights)) < 1e-12
        assert not any(leaf.any() for leaf in leaves(gradient.start))


def test_windows_without_a_counted_step_add_nothing_and_stop_nothing():
    net, p = case(TANH)
    mask = np.zeros_like(p.mask)
    mask[-1] = 1
    whole = network.loss_and_gradient(net, p.weights, p.x, p.y, mask)
    assert gap(truncation.loss_and_gradient(net, p.weights, p.x, p.y, np.ones(T - 1), mask), whole) < 1e-12
    factors = np.full(T - 1, 1.0)
    factors[2] = 0
    E, gradient = truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors, mask)
    assert pytest.approx(whole[0]) == E
    assert not any(leaf.any() for leaf in leaves(gradient.start))


def test_one_step_has_nothing_to_cut():
    net, p = case(TANH)
    one = p.x[:1], p.y[:1]
    whole = network.loss_and_gradient(net, p.weights, *one)
    assert gap(truncation.loss_and_gradient(net, p.weights, *one, np.ones(0)), whole) < 1e-15
    assert gap(truncation.horizon(net, p.weights, *one, 1, 1), whole) < 1e-15


def test_precision_is_kept_and_nothing_that_is_given_is_changed():
    net, p = Network(TANH), point(TANH, dtype=np.float32)
    before = map_tree(np.copy, (p.weights, p.x, p.y))
    factors = truncation.random_factors(np.random.default_rng(0), len(p.x), 0.4)
    for _, gradient in (
        truncation.loss_and_gradient(net, p.weights, p.x, p.y, factors),
        truncation.horizon(net, p.weights, p.x, p.y, 2, 3),
    ):
        assert {leaf.dtype for leaf in leaves(gradient)} == {np.dtype(np.float32)}
    assert same_bits(before, (p.weights, p.x, p.y))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda net, p: truncation.windows(0, 3), "length is 0"),
        (lambda net, p: truncation.windows(3, 0), "size is 0"),
        (lambda net, p: truncation.window_factors(3, 1.5), "size is 1.5"),
        (lambda net, p: truncation.random_factors(np.random.default_rng(0), 5, 1.0), r"rate is 1\.0"),
        (
            lambda net, p: truncation.loss_and_gradient(net, p.weights, p.x, p.y, np.ones(T)),
            r"factors has shape \(7,\), but must have shape \(6,\)",
        ),
        (
            lambda net, p: truncation.loss_and_gradient(net, p.weights, p.x, p.y, np.full(T - 1, np.inf)),
            "factors contains NaN or inf",
        ),
        (
            lambda net, p: truncation.loss_and_gradient(net, p.weights, p.x, p.y[:3], np.ones(T - 1)),
            r"y has shape \(3, 2, 6\)",
        ),
        (
            lambda net, p: truncation.horizon(net, p.weights, p.x, p.y, 3, 2),
            "back is 2, but must be at least",
        ),
        (lambda net, p: truncation.horizon(net, p.weights, p.x[:0], p.y, 3, 3), "an empty sequence"),
        (
            lambda net, p: truncation.horizon(net, p.weights, p.x, p.y, 3, 3, 0 * p.mask),
            "mask must not be negative",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call(*case(TANH))
