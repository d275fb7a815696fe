"""The passes written for speed compute what the cells and the loops of `recurrence` say."""

import csv
import runpy
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from points import gap, point

from rnnlib import recurrence
from rnnlib.cells import GRU, LSTM, TANH
from rnnlib.kernels import KERNELS

T = 300
fast_cell = pytest.mark.parametrize("cell", [TANH, LSTM, GRU], ids=["tanh", "lstm", "gru"])


def by_loops(cell):
    """Return the same cell as one for which nothing has been written."""
    return cell._replace(forward=lambda *drives: cell.forward(*drives))


def both(cell, B=8, n=64, dtype=float):
    """Run a long sequence both ways; return parameters, errors, and both tapes."""
    p = point(cell, sizes=(T, B, 3, n, 2), dtype=dtype)
    params, dE = p.weights.layers[0], np.random.default_rng(0).standard_normal((T, B, n)).astype(dtype)
    params = params._replace(W_hh=params.W_hh / np.sqrt(n).astype(dtype))
    return params, dE, *(recurrence.forward(one, params, p.x, p.start[0]) for one in (cell, by_loops(cell)))


def test_three_cells_have_a_pass_of_their_own():
    assert set(KERNELS) == {TANH, LSTM, GRU}


@fast_cell
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 1e-4)])
@pytest.mark.parametrize(("B", "n"), [(8, 64), (1, 3)])
def test_states_and_deltas_are_those_of_the_loops(cell, dtype, bound, B, n):
    params, dE, fast, slow = both(cell, B, n, dtype)
    carry = dE[0], dE[1]
    theirs = recurrence.deltas(by_loops(cell), params, slow, dE, carry)
    ours = recurrence.deltas(cell, params, fast, dE, carry)
    assert ours[0].dtype == ours[2][0].dtype == dtype
    assert gap((fast.h, fast.c), (slow.h, slow.c)) < bound
    assert gap(ours, theirs) < bound


@fast_cell
def test_long_sequences_are_cut_into_several_blocks(cell):
    _, _, fast, _ = both(cell)
    ends = [end for _, end, _ in fast.kept]
    assert len(ends) > 1
    assert ends[-1] == T
    assert [first for first, _, _ in fast.kept] == [0, *ends[:-1]]


@fast_cell
def test_the_tape_saves_what_the_cell_would_have_saved(cell):
    _, _, fast, slow = both(cell)
    assert len(fast.saved) == T
    assert gap(tuple(map(tuple, fast.saved)), tuple(map(tuple, slow.saved))) < 1e-12


@fast_cell
def test_another_way_back_through_the_same_run_is_taken(cell):
    params, dE, fast, _ = both(cell)
    deaf = cell._replace(backward=lambda saved, dh, dc: cell.backward(saved, 0 * dh, dc))
    assert not recurrence.deltas(deaf, params, fast, dE)[0].any()
    assert recurrence.deltas(cell, params, fast, dE)[0].any()


@fast_cell
def test_errors_may_be_complex(cell):
    params, dE, fast, slow = both(cell)
    turned = dE * np.exp(0.7j)
    theirs = recurrence.deltas(by_loops(cell), params, slow, turned, (turned[0], turned[1]))
    assert gap(recurrence.deltas(cell, params, fast, turned, (turned[0], turned[1])), theirs) < 1e-12


@fast_cell
def test_going_back_twice_gives_the_same_and_changes_neither_tape_nor_errors(cell):
    params, dE, fast, _ = both(cell)
    before, carry = dE.copy(), (dE[0].copy(), dE[1].copy())
    first, second = (recurrence.deltas(cell, params, fast, dE, carry) for _ in range(2))
    assert all(
        (a == b).all() for a, b in zip((*first[:2], *first[2]), (*second[:2], *second[2]), strict=True)
    )
    assert (dE == before).all()
    assert (carry[0] == before[0]).all()


def test_the_recorded_speeds_are_of_every_precision_cell_and_shape():
    root = Path(__file__).resolve().parent.parent
    bench = runpy.run_path(str(root / "benchmarks" / "speed.py"))
    cases = product(bench["TOLERANCE"], bench["CELLS"], bench["SHAPES"].values())
    with (root / "chapters" / "data" / "speed.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert [row[:6] for row in rows] == [[dtype, cell, *map(str, shape)] for dtype, cell, shape in cases]
