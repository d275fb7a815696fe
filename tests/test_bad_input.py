"""Input that does not fit is refused once, at the border, by one ValueError that says what would fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import CELLS, B, M, N, O, T, every_cell, point

from rnnlib import network
from rnnlib.cells import LSTM
from rnnlib.gradcheck import names
from rnnlib.network import Network
from rnnlib.params import flatten, leaves, map_tree

NET = Network(LSTM)
GOOD = point(LSTM, 2)
ARGUMENTS = GOOD._asdict()
single = lambda array: array.astype(np.float32)


def refusal(**changes):
    """Return the text of the one ValueError that input with `changes` raises, forward and with a gradient."""
    arguments = ARGUMENTS | changes
    texts = []
    for function in (network.loss_and_gradient, network.loss):
        with pytest.raises(ValueError) as refused:  # noqa: PT011, the caller looks at the text
            function(NET, **arguments)
        assert refused.value.__context__ is None
        texts.append(str(refused.value))
    assert texts[0] == texts[1]
    return texts[0]


def start_with(layer, **changes):
    states = list(GOOD.start)
    states[layer] = states[layer]._replace(**changes)
    return {"start": tuple(states)}


def weights_with(path, change):
    """Return the weights with one array, named by its path, replaced by change(array)."""
    flat = dict(zip(names(GOOD.weights), leaves(GOOD.weights), strict=True))
    flat[path] = change(flat[path])
    parts = iter(flat.values())
    layers = tuple(type(layer)(*(next(parts) for _ in layer)) for layer in GOOD.weights.layers)
    readout = type(GOOD.weights.readout)(next(parts), next(parts))
    start = tuple(type(state)(next(parts), next(parts)) for state in GOOD.weights.start)
    return {"weights": type(GOOD.weights)(layers, readout, start)}


def a_nan_in(array, value=np.nan):
    spoiled = array.copy()
    spoiled.flat[-1] = value
    return spoiled


BAD_SHAPES = {
    "an empty sequence": ({"x": GOOD.x[:0]}, "x", (0, B, M), "(T, B, 4)"),
    "an empty batch": ({"x": GOOD.x[:, :0]}, "x", (T, 0, M), "(T, B, 4)"),
    "x without a batch": ({"x": GOOD.x[:, 0]}, "x", (T, M), "(T, B, 4)"),
    "x of another size": ({"x": GOOD.x[..., 1:]}, "x", (T, B, M - 1), "(T, B, 4)"),
    "y of another size": ({"y": GOOD.y[..., 1:]}, "y", (T, B, O - 1), (T, B, O)),
    "y that is too short": ({"y": GOOD.y[1:]}, "y", (T - 1, B, O), (T, B, O)),
    "y that would broadcast": ({"y": GOOD.y[:1]}, "y", (1, B, O), (T, B, O)),
    "y without a batch": ({"y": GOOD.y[:, 0]}, "y", (T, O), (T, B, O)),
    "a mask per sequence": ({"mask": GOOD.mask[0]}, "mask", (B,), (T, B)),
    "a mask per output": ({"mask": GOOD.mask[..., None]}, "mask", (T, B, 1), (T, B)),
    "a mask the wrong way round": ({"mask": GOOD.mask.T}, "mask", (B, T), (T, B)),
    "a start of another batch": (start_with(0, h=GOOD.start[0].h[:1]), "h_0", (1, N), (B, N)),
    "a start of another size": (start_with(1, h=GOOD.start[1].h[:, 1:]), "h_0", (B, N - 1), (B, N)),
    "a memory of another size": (start_with(1, c=GOOD.start[1].c[0, 1:]), "c_0", (N - 1,), (N,)),
    "a matrix that is not G n by n": (
        weights_with("layers.0.W_hh", lambda W: W[1:]),
        "W_hh",
        (4 * N - 1, N),
        (4 * N, N),
    ),
    "input weights of too few rows": (
        weights_with("layers.0.W_hx", lambda W: W[1:]),
        "W_hx",
        (4 * N - 1, M),
        "(12, m)",
    ),
    "a bias as a column": (
        weights_with("layers.1.b_h", lambda b: b[:, None]),
        "b_h",
        (4 * N, 1),
        (4 * N,),
    ),
    "a readout of other states": (
        weights_with("readout.W_yh", lambda W: W[:, 1:]),
        "W_yh",
        (O, N - 1),
        "(o, 3)",
    ),
    "an output bias too many": (weights_with("readout.b_y", lambda b: b[1:]), "b_y", (O - 1,), (O,)),
    "a learned start of another size": (
        {"start": None} | weights_with("start.0.h", lambda h: h[1:]),
        "h_0",
        (N - 1,),
        (N,),
    ),
}


@pytest.mark.parametrize("name", BAD_SHAPES)
def test_a_wrong_shape_is_refused_by_naming_it_and_the_right_one(name):
    changes, argument, has, needs = BAD_SHAPES[name]
    assert refusal(**changes).startswith(f"{argument} has shape {has}, but must have shape {needs}")


def test_an_empty_sequence_is_told_why():
    assert refusal(x=GOOD.x[:0]).endswith("(an empty sequence has no loss)")


@pytest.mark.parametrize("argument", ["x", "y"])
def test_integers_are_refused_where_one_hot_rows_are_expected(argument):
    text = refusal(**{argument: ARGUMENTS[argument].astype(int)})
    assert text == f"{argument} has dtype int64, but must be floating point (tokens: see tasks.one_hot)"


@pytest.mark.parametrize("argument", ["x", "y"])
def test_lists_are_refused_where_arrays_are_expected(argument):
    text = refusal(**{argument: ARGUMENTS[argument].tolist()})
    assert text.startswith(f"{argument} is a list, but must be an array of shape (")


@pytest.mark.parametrize(
    ("argument", "changes"),
    [
        ("x", {"x": single(GOOD.x)}),
        ("y", {"y": single(GOOD.y)}),
        ("h_0", start_with(1, h=single(GOOD.start[1].h))),
        ("c_0", start_with(1, c=single(GOOD.start[1].c))),
        ("W_hx", weights_with("layers.1.W_hx", single)),
        ("b_h", weights_with("layers.1.b_h", single)),
        ("W_yh", weights_with("readout.W_yh", single)),
        ("b_y", weights_with("readout.b_y", single)),
    ],
)
def test_mixed_precision_is_refused_by_naming_both(argument, changes):
    text = refusal(**changes)
    assert text.startswith(f"{argument} has dtype float32, but the parameters have float64")
    assert text.endswith(f"{argument}.astype(np.float64)")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("argument", ["x", "y", "mask"])
def test_nan_and_infinity_are_refused_in_the_data(argument, value):
    assert refusal(**{argument: a_nan_in(ARGUMENTS[argument], value)}) == f"{argument} contains NaN or inf"


@pytest.mark.parametrize("part", ["h", "c"])
@pytest.mark.parametrize("layer", [0, 1])
def test_nan_is_refused_in_a_start(layer, part):
    changes = start_with(layer, **{part: a_nan_in(getattr(GOOD.start[layer], part))})
    assert refusal(**changes) == f"{part}_0 contains NaN or inf"


@pytest.mark.parametrize("path", names(GOOD.weights))
def test_nan_is_refused_in_the_weights(path):
    name = path.split(".")[-1]
    text = refusal(start=None, **weights_with(path, a_nan_in))
    assert text == f"{name if '_' in name else name + '_0'} contains NaN or inf"


@pytest.mark.parametrize(
    "mask", [-GOOD.mask, np.zeros((T, B)), a_nan_in(GOOD.mask, -1e-3)], ids=["negative", "zero", "one entry"]
)
def test_a_mask_that_weighs_nothing_or_less_is_refused(mask):
    assert refusal(mask=mask) == "mask must not be negative, and must count at least one step"


@pytest.mark.parametrize("count", [1, 3])
def test_a_start_with_another_number_of_layers_is_refused(count):
    start = (GOOD.start * 2)[:count]
    assert refusal(start=start) == f"start has {count} states, but the network has 2 layers"


@pytest.mark.parametrize("start", [(1.0, 2.0), np.zeros(3)])
def test_a_start_without_states_is_refused(start):
    assert refusal(start=start) == "start must be a tuple with one State per layer, e.g. (State(h_0),)"


def test_a_memory_that_is_missing_is_refused():
    assert refusal(**start_with(0, c=())).startswith("c_0 is a tuple, but must be an array of shape (")


SHAPES = {path: leaf.shape for path, leaf in zip(names(GOOD.weights), leaves(GOOD.weights), strict=True)}
steady = settings(derandomize=True, database=None, deadline=None, max_examples=60)
shapes = st.lists(st.integers(0, 6), max_size=4).map(tuple)


@steady
@given(name=st.sampled_from(["x", "y", "mask"]), shape=shapes)
def test_any_other_shape_of_the_data_raises_a_value_error_and_nothing_else(name, shape):
    if shape != ARGUMENTS[name].shape:
        assert str(shape) in refusal(**{name: np.ones(shape)})


@steady
@given(name=st.sampled_from("hc"), layer=st.integers(0, 1), shape=shapes)
def test_any_other_shape_of_a_start_raises_a_value_error_and_nothing_else(name, layer, shape):
    if shape not in [(N,), (B, N)]:
        text = refusal(**start_with(layer, **{name: np.ones(shape)}))
        assert text.startswith(f"{name}_0 has shape {shape}, but must have shape (")


@steady
@given(path=st.sampled_from([path for path in SHAPES if path != "readout.W_yh"]), shape=shapes)
def test_any_other_shape_of_a_weight_raises_a_value_error_and_nothing_else(path, shape):
    # W_yh is left out because it may choose o, which then does not fit y
    if shape != SHAPES[path]:
        refusal(start=None, **weights_with(path, lambda _: np.ones(shape)))


sizes = st.tuples(*[st.integers(1, 4)] * 5)


@steady
@given(name=st.sampled_from(list(CELLS)), layers=st.integers(1, 3), sizes=sizes)
def test_right_shapes_of_any_size_are_accepted(name, layers, sizes):
    p = point(CELLS[name], layers, sizes=sizes)
    E, gradient = network.loss_and_gradient(Network(CELLS[name]), p.weights, p.x, p.y, p.mask + 1, p.start)
    assert np.isfinite(E)
    assert [g.shape for g in leaves(gradient)] == [w.shape for w in leaves(p.weights)]
    assert np.isfinite(flatten(gradient)).all()


@every_cell
def test_one_state_for_the_whole_batch_is_accepted(cell):
    p = point(cell)
    row = p.weights.start
    every_row = map_tree(lambda state: np.tile(state, (B, 1)), row)
    one, all_ = (network.forward(Network(cell), p.weights, p.x, start).z for start in (row, every_row))
    assert np.array_equal(one, all_)
