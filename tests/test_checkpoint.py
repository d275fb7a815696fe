"""Memory for time: the same gradient from recomputed segments, within the budget, with the fewest reruns."""

import tracemalloc
from functools import cache
from math import comb

import numpy as np
import pytest
from points import CELLS, every_cell, gap, point, same_bits, sum_and_mean

from rnnlib import checkpoint, initialize, network, readout
from rnnlib.network import Network
from rnnlib.params import leaves, map_tree

TANH = CELLS["tanh"]
SIZES = (23, 2, 4, 3, 6)


def case(cell, mean=False, layers=2):
    net, p = Network(cell, readout.softmax_cross_entropy, mean), point(cell, layers, sizes=SIZES)
    p.mask[4:9] = 0  # whole segments that do not count
    return net, p


@cache
def fewest(length, slots):
    """Try every place for the next state that is kept."""
    if length == 1:
        return 0
    if slots == 1:
        return length * (length - 1) // 2
    return min(k + fewest(length - k, slots - 1) + fewest(k, slots) for k in range(1, length))


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7, 40])
def test_no_plan_with_as_many_slots_runs_fewer_segments(slots):
    for length in range(1, 60):
        runs = [k - i for action, i, k in checkpoint.plan(length, slots) if action == "run"]
        assert sum(runs) == fewest(length, slots) == checkpoint.reruns(length, slots)


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 7, 40])
def test_a_plan_goes_back_from_the_last_segment_to_the_first_and_only_from_states_it_has(slots):
    for length in (1, 2, 5, 12, 59):
        there, most, back, visits = {0}, 1, [], np.zeros(length, int)
        for action, i, k in checkpoint.plan(length, slots):
            assert i in there
            if action == "run":
                visits[i:k] += 1
                there.add(k)
                most = max(most, len(there))
            else:
                assert k == i + 1
                there.remove(i)
                back.append(i)
        assert back == list(reversed(range(length)))
        assert not there
        assert most <= slots + 1
        assert max(visits) == checkpoint.repeats(length, slots)


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
@pytest.mark.parametrize("r", [1, 2, 3, 5])
def test_as_many_segments_as_pascals_triangle_says_are_run_r_times_at_most(slots, r):
    longest = comb(slots + r, slots)
    assert checkpoint.repeats(longest, slots) == r
    assert checkpoint.repeats(longest + 1, slots) == r + 1


def budgets(net, p):
    state, step = checkpoint.sizes(net, p.weights, p.x, p.y)
    return [None, step + 3 * state, step + 4 * state, 2 * step + 6 * state, 23 * step + 3 * state]


@every_cell
@sum_and_mean
@pytest.mark.parametrize("which", range(5))
def test_every_budget_gives_the_gradient_of_one_pass(cell, mean, which):
    net, p = case(cell, mean)
    budget = budgets(net, p)[which]
    for start in (None, p.start):
        whole = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask, start)
        found = checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, p.mask, start, budget)
        assert found[0] == pytest.approx(whole[0], rel=1e-12)
        assert gap(found[1], whole[1]) < 1e-12


@every_cell
def test_the_same_segments_give_the_same_bits_whether_they_are_run_once_or_many_times(cell):
    net, p = case(cell)
    state, step = checkpoint.sizes(net, p.weights, p.x, p.y)
    few, many = step + 3 * state, step + 25 * state  # one step a segment, with one slot and with all of them
    found = [
        checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, p.mask, budget=budget)
        for budget in (few, many)
    ]
    assert same_bits(*found)


def test_a_budget_for_everything_is_one_segment_and_the_same_bits_as_one_pass():
    net, p = case(TANH)
    state, step = checkpoint.sizes(net, p.weights, p.x, p.y)
    ample = checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, budget=23 * step + 3 * state)[1]
    assert same_bits(ample.layers, network.loss_and_gradient(net, p.weights, p.x, p.y)[1].layers)


def peak(function):
    """Return the most bytes that were held at a time while a function ran."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cell", [CELLS[name] for name in ("tanh", "relu", "lstm", "gru")])
@pytest.mark.parametrize("layers", [1, 2])
def test_what_is_held_at_a_time_stays_within_the_budget(cell, layers):
    rng, T = np.random.default_rng(0), 1024
    net = Network(cell, readout.squared_error)
    weights = initialize.weights(rng, cell, 3, 32, 2, layers)
    x, y = rng.standard_normal((T, 8, 3)), rng.standard_normal((T, 8, 2))
    state, step = checkpoint.sizes(net, weights, x, y)
    beside = 4 * sum(leaf.nbytes for leaf in leaves(weights)) + 100_000  # gradients, and Python's own objects
    full = peak(lambda: network.loss_and_gradient(net, weights, x, y))
    for budget in (full // 16, full // 4, 2 * full):
        held = peak(lambda b=budget: checkpoint.loss_and_gradient(net, weights, x, y, budget=b))
        assert held < budget + beside
    assert full < T * step + beside + state  # what a step takes is no guess that is too small
    assert peak(lambda: checkpoint.loss_and_gradient(net, weights, x, y)) < full / 8


def test_the_fewest_steps_that_the_budget_allows_are_run_again():
    (net, p), steps = case(TANH, layers=1), [0]

    def counting(*step):
        steps[0] += 1
        return TANH.forward(*step)

    net, ran = net._replace(cell=TANH._replace(forward=counting)), []
    for budget in budgets(net, p)[1:]:
        steps[0] = -1  # one step tells how large it is
        checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, budget=budget)
        ran.append(steps[0])
    assert ran == sorted(ran, reverse=True)
    assert ran[0] == 23 + 23 * 22 // 2
    assert ran[-1] == 23


def test_a_budget_below_one_step_is_refused_and_what_a_step_takes_is_said():
    net, p = case(TANH)
    state, step = checkpoint.sizes(net, p.weights, p.x, p.y)
    least = step + 3 * state
    with pytest.raises(
        ValueError, match=f"budget is {least - 1} bytes, but a step and three states take {least}"
    ):
        checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, budget=least - 1)
    checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, budget=least)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda net, p: next(checkpoint.plan(0, 3)), "length is 0"),
        (lambda net, p: next(checkpoint.plan(3, 0)), "slots is 0"),
        (
            lambda net, p: checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, budget=1e6),
            "budget is 1000000.0",
        ),
        (lambda net, p: checkpoint.loss_and_gradient(net, p.weights, p.x[:0], p.y), "an empty sequence"),
        (
            lambda net, p: checkpoint.loss_and_gradient(net, p.weights, p.x, p.y[1:]),
            r"y has shape \(22, 2, 6\)",
        ),
        (
            lambda net, p: checkpoint.loss_and_gradient(net, p.weights, p.x, p.y, p.mask[1:]),
            r"mask has shape \(22, 2\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call(*case(TANH))


def test_one_step_is_one_segment_and_precision_is_kept():
    net, p = Network(TANH), point(TANH, dtype=np.float32)
    before = map_tree(np.copy, (p.weights, p.x, p.y))
    one = checkpoint.loss_and_gradient(net, p.weights, p.x[:1], p.y[:1])
    assert gap(one, network.loss_and_gradient(net, p.weights, p.x[:1], p.y[:1])) < 1e-6
    assert {leaf.dtype for leaf in leaves(one[1])} == {np.dtype(np.float32)}
    assert same_bits(before, (p.weights, p.x, p.y))
