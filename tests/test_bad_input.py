"""Input that does not fit is refused once, at the border, by one ValueError that says what would fit."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import CELLS, LOSSES, B, M, N, O, T, every_cell, point

from rnnlib import initialize, jacobians, network, params, readout, recurrence, regularize, rtrl
from rnnlib.cells import LSTM
from rnnlib.network import Network
from rnnlib.params import flatten, leaves, map_tree, names
from rnnlib.recurrence import State

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
    layers = tuple(type(layer)(*(next(parts) for _ in leaves(layer))) for layer in GOOD.weights.layers)
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


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", [np.matrix, np.ma.array, np.recarray], ids=["matrix", "masked", "record"])
@pytest.mark.parametrize("path", ["layers.0.W_hh", "layers.1.W_hx", "readout.W_yh"])
def test_a_subclass_of_arrays_is_refused_among_the_weights(kind, path):
    subclass = lambda W: W.view(kind) if kind is np.recarray else kind(W)
    name = type(subclass(np.eye(2))).__name__
    text = refusal(**weights_with(path, subclass))
    assert text.startswith(f"{path.split('.')[-1]} is a {name}, but must be an array of shape (")


@pytest.mark.parametrize("argument", ["x", "y", "mask"])
def test_a_masked_array_is_refused_in_the_data(argument):
    text = refusal(**{argument: np.ma.array(ARGUMENTS[argument], mask=ARGUMENTS[argument] > 1)})
    assert text.startswith(f"{argument} is a MaskedArray, but must be an array of shape (")
    assert text.endswith(f": numpy.asarray({argument})")


@pytest.mark.parametrize("part", ["h", "c"])
def test_a_learned_start_for_every_sequence_is_refused(part):
    text = refusal(start=None, **weights_with(f"start.0.{part}", lambda row: np.tile(row, (B, 1))))
    assert text == f"{part}_0 has shape ({B}, {N}), but must have shape ({N},)"


def test_a_start_that_does_not_fit_x_is_refused_by_naming_both():
    text = refusal(x=GOOD.x[:, :1], y=GOOD.y[:, :1], mask=GOOD.mask[:, :1])
    assert text == f"h_0 has shape ({B}, {N}), but must have shape (1, {N}) for x of shape ({T}, 1, {M})"


def test_a_memory_that_is_missing_is_told_how_to_give_it():
    assert refusal(**start_with(0, c=())).endswith(": State(h_0, c_0)")


def test_no_units_and_no_inputs_are_not_called_an_empty_sequence():
    assert refusal(x=GOOD.x[..., :0]).endswith(f"but must have shape (T, B, {M})")
    assert refusal(**weights_with("layers.0.W_hh", lambda W: W[:, :0])).endswith(
        "but must have shape (G*n, n)"
    )


def test_overflow_within_the_network_names_the_layer_and_does_not_blame_x():
    p = point(CELLS["linear"], 2)
    weights = map_tree(lambda W: W + 1e200, p.weights)
    with (
        np.errstate(all="ignore"),
        pytest.raises(FloatingPointError, match=r"^layers.0 has states that are not"),
    ):
        network.loss_and_gradient(Network(CELLS["linear"]), weights, p.x, p.y)


def a_run():
    return network.forward(NET, GOOD.weights, GOOD.x, GOOD.start), np.ones((T, B, O))


WAYS_BACK = {
    "errors with the batch first": (lambda run, r: (run, np.ones((B, T, O))), "r has shape (2, 5, 6)"),
    "errors of other outputs": (lambda run, r: (run, r[..., 1:]), "r has shape (5, 2, 5)"),
    "a carry of one sequence": (
        lambda run, r: (run, r, tuple(State(np.ones((1, N)), np.ones((B, N))) for _ in range(2))),
        "the carry's dh has shape (1, 3), but must have shape (2, 3)",
    ),
    "a memory's carry of one sequence": (
        lambda run, r: (run, r, tuple(State(np.ones((B, N)), np.ones(N)) for _ in range(2))),
        "the carry's dc has shape (3,), but must have shape (2, 3)",
    ),
    "a carry for one layer of two": (lambda run, r: (run, r, (State(0.0, 0.0),)), "carry has 1 states"),
}


@pytest.mark.parametrize("name", WAYS_BACK)
def test_a_way_back_that_does_not_fit_the_run_is_refused(name):
    change, text = WAYS_BACK[name]
    with pytest.raises(ValueError, match=re.escape(text)):
        network.backward(NET, GOOD.weights, *change(*a_run()))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
def test_a_loss_refuses_targets_that_would_broadcast(loss):
    with pytest.raises(ValueError, match=re.escape("y has shape (3,), but must have shape (3, 1)")):
        loss(np.ones((3, 1)), np.ones(3))


OTHER_CALLS = {
    "readout.gradients": (
        lambda: readout.gradients(GOOD.weights.readout, np.ones((T, B, N)), np.ones((B, T, O))),
        "r has shape (2, 5, 6), but must have shape (5, 2, 6)",
    ),
    "a carry of three parts": (
        lambda: recurrence.deltas(
            LSTM, GOOD.weights.layers[0], a_run()[0].tapes[0], np.ones((T, B, N)), (0.0,) * 3
        ),
        "carry has 3 parts, but must be (dE/dh, dE/dc)",
    ),
    "recurrence.gradients": (
        lambda: recurrence.gradients(a_run()[0].tapes[0], *np.ones((2, B, T, 4 * N))),
        "delta has shape (2, 5, 12), but must have shape (5, 2, 12)",
    ),
    "params.add": (
        lambda: params.add((np.ones((3, 3)),), (np.ones(3),)),
        "an array of shape (3, 3) and one of shape (3,) cannot be added",
    ),
    "params.scale": (
        lambda: params.scale((np.array([3, 4]),), 0.2),
        "an array of int64 cannot be scaled: whole numbers would lose the fraction",
    ),
    "rescale, a radius below 0": (
        lambda: initialize.rescale(np.eye(2), -1),
        "radius is -1, but must be a finite number above 0",
    ),
    "rescale, not square": (lambda: initialize.rescale(np.ones((2, 3)), 1), "W has shape (2, 3), but must"),
    "no layers": (lambda: initialize.weights(None, LSTM, 1, 1, 1, 0), "layers is 0, but must be at least 1"),
    "no units": (lambda: initialize.layer(None, LSTM, 1, 0), "n is 0, but must be at least 1"),
    "a bias of NaN": (
        lambda: initialize.forget_bias(GOOD.weights.layers[0], np.nan),
        "the bias is nan, but must be finite",
    ),
    "lyapunov_exponents": (
        lambda: jacobians.lyapunov_exponents(np.ones((3, 2, 2)), skip=3),
        "skip is 3, but must be less than the 3 steps of J",
    ),
    "products": (lambda: jacobians.products(np.ones((3, 2, 1))), "J has shape (3, 2, 1), but must"),
    "lag_triangle": (
        lambda: jacobians.lag_triangle(np.ones((3, 2, 2)), np.ones((4, 2))),
        "dE has shape (4, 2), but must have shape (3, 2)",
    ),
    "omega": (
        lambda: regularize.omega(np.eye(2), np.ones((3, 1, 2)), np.ones((2, 1, 2))),
        "delta has shape (3, 1, 2), but must have shape (2, 1, 2)",
    ),
    "the strength of omega": (
        lambda: regularize.loss_and_gradient(NET, GOOD.weights, GOOD.x, GOOD.y, strength=-1),
        "strength is -1, but must be a finite number above 0",
    ),
}


@pytest.mark.parametrize("name", OTHER_CALLS)
def test_other_functions_refuse_what_does_not_fit_as_well(name):
    call, text = OTHER_CALLS[name]
    with pytest.raises(ValueError, match=re.escape(text)):
        call()


FORWARD_MODE = {
    "errors that are too long": ({"dE": np.ones((T + 1, N))}, f"dE has shape ({T + 1}, {N})"),
    "a batch": ({"x": GOOD.x}, f"x has shape ({T}, {B}, {M})"),
    "a state too large": ({"h_0": np.ones(N + 1)}, f"h_0 has shape ({N + 1},)"),
    "no memory": ({"c_0": ()}, "c_0 is a tuple, but must be an array of shape (3,)"),
    "a list": ({"x": GOOD.x[:, 0].tolist()}, f"x is a list, but must be an array of shape ({T}, {M})"),
    "errors without value": ({"dE": np.full((T, N), np.nan)}, "dE contains NaN or inf"),
}


@pytest.mark.parametrize("name", FORWARD_MODE)
@pytest.mark.parametrize("witness", ["rtrl", "uoro"])
def test_forward_mode_refuses_what_does_not_fit(name, witness):
    changes, text = FORWARD_MODE[name]
    good = {"x": GOOD.x[:, 0], "h_0": np.ones(N), "c_0": np.ones(N), "dE": np.ones((T, N))}
    arguments = [LSTM, GOOD.weights.layers[0], *(good | changes).values()]
    sign = [np.ones((T + 1, 2 * N))] if witness == "uoro" else []
    with pytest.raises(ValueError, match=re.escape(text)):
        getattr(rtrl, witness)(*arguments, *sign)


@pytest.mark.parametrize(
    ("b_r", "sentence"),
    [
        (np.full(4 * N, np.nan), "b_r contains NaN or inf"),
        (np.zeros(N), rf"b_r has shape \({N},\), but must have shape \({4 * N},\)"),
        ([0.0] * 4 * N, "b_r is a list"),
        (None, "b_r is a NoneType"),
    ],
    ids=["nan", "shape", "list", "none"],
)
def test_a_second_bias_has_to_be_an_array_of_the_shape_of_the_first(b_r, sentence):
    p = point(LSTM)
    with pytest.raises(ValueError, match=sentence):
        recurrence.forward(LSTM, p.weights.layers[0]._replace(b_r=b_r), p.x)
