"""Arithmetic on trees of arrays."""

import numpy as np
import pytest
from points import gap, point, same_bits

from rnnlib import params
from rnnlib.cells import LSTM, TANH
from rnnlib.recurrence import Params, State


def test_map_tree_keeps_the_types_of_the_branches():
    tree = (Params(np.ones((2, 2)), np.ones((2, 1)), np.ones(2)), (np.ones(3), ()), State(np.ones(1)))
    doubled = params.map_tree(lambda leaf: 2 * leaf, tree)
    assert [type(branch) for branch in doubled] == [Params, tuple, State]
    assert doubled[1][1] == ()
    assert doubled[2].c == ()
    assert all((leaf == 2).all() for leaf in params.leaves(doubled))


def test_map_tree_refuses_trees_of_different_structure():
    with pytest.raises(ValueError, match="zip"):
        params.map_tree(np.add, (np.ones(1), np.ones(1)), (np.ones(1),))


def test_leaves_are_in_order_and_empty_tuples_have_none():
    a, b, c = np.zeros(1), np.ones(1), np.full(1, 2.0)
    assert [leaf.item() for leaf in params.leaves(((a, (b,)), (), c))] == [0, 1, 2]
    assert params.leaves(()) == []
    assert params.leaves(a) == [a]


def test_flatten_and_unflatten_are_inverse():
    weights = point(LSTM, 2).weights
    vector = params.flatten(weights)
    assert vector.shape == (sum(leaf.size for leaf in params.leaves(weights)),)
    assert same_bits(params.unflatten(vector, weights), weights)
    assert gap(params.unflatten(vector, weights), weights) == 0
    assert params.unflatten(params.flatten(()), ()) == ()


@pytest.mark.parametrize("change", [-1, 1])
def test_unflatten_refuses_a_vector_of_another_length(change):
    weights = point(TANH).weights
    size = len(params.flatten(weights))
    with pytest.raises(ValueError, match=f"vector has {size + change} entries, the tree has {size}"):
        params.unflatten(np.zeros(size + change), weights)


def test_unflatten_refuses_entries_where_there_is_no_leaf():
    with pytest.raises(ValueError, match="vector has 1 entries, the tree has 0"):
        params.unflatten(np.zeros(1), ())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zeros_add_and_scale_keep_structure_and_precision(dtype):
    weights = point(LSTM, 2, dtype=dtype).weights
    assert gap(params.add(weights, params.zeros_like(weights)), weights) == 0
    assert gap(params.scale(weights, 2.0), params.add(weights, weights)) == 0
    for tree in (params.zeros_like(weights), params.scale(weights, np.float64(0.1))):
        assert [leaf.dtype for leaf in params.leaves(tree)] == [dtype] * len(params.leaves(weights))


def test_norm_is_the_length_of_the_flat_vector():
    weights = point(LSTM, 2).weights
    assert params.norm(weights) == pytest.approx(np.linalg.norm(params.flatten(weights)), rel=1e-14)
    assert params.norm((np.array([3.0]), (np.array([[4j]]),))) == 5


def test_norm_of_nothing_is_zero():
    assert params.norm(()) == params.norm(np.zeros(0)) == params.norm(np.zeros(3)) == 0


def test_norm_neither_overflows_nor_underflows():
    for size in (1e200, 1e-200):
        assert params.norm((np.array([3 * size]), np.array([4 * size]))) == pytest.approx(5 * size)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("other", [0.0, 1.0])
@pytest.mark.parametrize("first", [True, False])
def test_norm_shows_that_an_entry_is_not_finite(bad, other, first):
    tree = (np.array([bad]), np.array([other]))
    assert not np.isfinite(params.norm(tree if first else tree[::-1]))


def test_names_are_paths():
    tree = Params(np.ones((2, 2)), (np.ones(1), ()), np.ones(2))
    assert params.names(tree) == ["W_hh", "W_hx.0", "b_h"]
    assert params.names(((), np.zeros(1))) == ["1"]
    assert params.names(np.zeros(1)) == [""]


def test_arrays_that_are_not_finite_are_listed_by_their_names():
    tree = Params(np.ones((2, 2)), np.array([[1, np.inf]]), np.array([np.nan]))
    assert params.not_finite(tree) == ["W_hx", "b_h"]
    assert params.not_finite(()) == []
