"""Outputs and every gradient against PyTorch on the CPU; with -s, the largest differences."""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pytest
from points import CELLS, LOSSES, gap, point
from test_exchange import LAYOUTS, stacks

from rnnlib import exchange, network, optimize, recurrence
from rnnlib.cells import logistic
from rnnlib.network import Network
from rnnlib.params import leaves, map_tree, scale

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional

BOUND = {"float64": 1e-12, "float32": 1e-5}
TORCH_LOSSES = {
    "softmax": lambda z, y: F.cross_entropy(z.flatten(0, 1), y.flatten(0, 1), reduction="sum"),
    "squared": lambda z, y: F.mse_loss(z, y, reduction="sum") / 2,
    "logistic": lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="sum"),
}
ACTIVATIONS = {
    "linear": lambda a: a,
    "logistic": torch.sigmoid,
    "leaky_relu": lambda a: F.leaky_relu(a, 0.01),
}
ORDER = {"lstm": (0, 1, 3, 2), "gru": (1, 0, 2)}  # ours i f o g and z r q; torch's i f g o and r z n


def by_module(cell, W_hh, W_hx, b_h, x, h, c=()):
    """Run torch's own layer: ours, with the gates in its order and its second bias 0."""
    hidden = W_hh.shape[1]
    if cell in ORDER:
        W_hh, W_hx, b_h = (torch.cat([W.split(hidden)[k] for k in ORDER[cell]]) for W in (W_hh, W_hx, b_h))
        module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](x.shape[2], hidden, dtype=x.dtype)
    else:
        module = torch.nn.RNN(x.shape[2], hidden, nonlinearity=cell, dtype=x.dtype)
    given = {
        "weight_hh_l0": W_hh,
        "weight_ih_l0": W_hx,
        "bias_ih_l0": b_h,
        "bias_hh_l0": torch.zeros_like(b_h),
    }
    start = (h[None], c[None]) if cell == "lstm" else h[None]
    return torch.func.functional_call(module, given, (x, start))[0]


def by_hand(cell, W_hh, W_hx, b_h, x, h, c=()):
    """Run the cells that torch has no layer for."""
    outputs = []
    for x_t in x:
        h = ACTIVATIONS[cell](x_t @ W_hx.T + h @ W_hh.T + b_h)
        outputs.append(h)
    return torch.stack(outputs)


def torch_gradients(cell, loss, p):
    """Return the outputs z, and dE/d(layers, readout, start states, x), as trees of arrays."""
    tree = p.weights.layers, p.weights.readout, p.start, p.x
    free = map_tree(lambda array: torch.tensor(array, requires_grad=True), tree)
    layers, readout, start, signal = free
    layer = by_hand if cell in ACTIVATIONS else by_module
    for params, state in zip(layers, start, strict=True):
        signal = layer(cell, *params[:3], signal, *state)
    z = signal @ readout.W_yh.T + readout.b_y
    TORCH_LOSSES[loss](z, torch.tensor(p.y)).backward()
    return z.detach().numpy(), map_tree(lambda tensor: tensor.grad.numpy(), free)


@pytest.fixture(scope="module")
def largest():
    """Collect the largest relative difference at each precision; print them at the end."""
    seen = {"float64": 0.0, "float32": 0.0}
    yield seen
    print("".join(f"\nlargest relative difference from torch, {key}: {seen[key]:.1e}" for key in seen))


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_gradients_agree_with_torch(cell, loss, layers, dtype, largest, record_property):
    p, net = (
        point(CELLS[cell], layers, sizes=(9, 4, 5, 7, 6), dtype=dtype),
        Network(CELLS[cell], LOSSES[loss]),
    )
    run = network.forward(net, p.weights, p.x, p.start)
    d_readout, *rest = network.backward(net, p.weights, run, net.loss(run.z, p.y)[1])
    difference = gap((run.z, (rest[0], d_readout, *rest[1:])), torch_gradients(cell, loss, p))
    record_property("largest relative difference", float(difference))
    largest[dtype] = max(largest[dtype], difference)
    assert difference < BOUND[dtype]


def functions_of(chapter, *names):
    """Return what a notebook defines, by name: the reset-before GRU, for one, stands there, not in rnnlib."""
    cells = nbformat.read(Path(__file__).parent.parent / "chapters" / f"{chapter}.ipynb", as_version=4).cells
    found = {"np": np, "logistic": logistic}
    for source in (cell.source for cell in cells if cell.cell_type == "code"):
        for item in ast.parse(source).body:
            targets = [ast.unparse(target) for target in getattr(item, "targets", [])]
            if {getattr(item, "name", ""), *targets} & set(names):
                exec(ast.unparse(item), found)
    return [found[name] for name in names]


@pytest.mark.parametrize("variant", ["after", "before"])
def test_both_grus_of_the_chapter_agree_with_torch(variant, largest):
    step, back, run, gradient = functions_of("gru", variant, f"{variant}_back", "run", "gradient")
    rng, n, m, T = np.random.default_rng(5), 5, 4, 9
    shapes = (3 * n, n), (3 * n, m), (3 * n,), (n,)
    arrays, x, error = (
        [rng.standard_normal(shape) for shape in shapes],
        *map(rng.standard_normal, ((T, m), n)),
    )
    states = run(step, *arrays[:3], x, arrays[3])[0]
    ours = states, *gradient(step, back, *arrays[:3], x, arrays[3], error)

    free = W, U, b, h = [torch.tensor(array, requires_grad=True) for array in arrays]
    theirs = [h]
    for x_t in torch.tensor(x):
        (W_z, W_s, W_q), (d_z, d_s, d_q) = W.split(n), (U @ x_t + b).split(n)
        z, s = torch.sigmoid(W_z @ h + d_z), torch.sigmoid(W_s @ h + d_s)
        q = torch.tanh((s * (W_q @ h) if variant == "after" else W_q @ (s * h)) + d_q)
        h = z * h + (1 - z) * q
        theirs.append(h)
    (h @ torch.tensor(error)).backward()
    difference = gap(ours, (torch.stack(theirs).detach().numpy(), *(leaf.grad.numpy() for leaf in free)))
    largest["float64"] = max(largest["float64"], difference)
    assert difference < BOUND["float64"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_torch_makes_the_same_of_the_weights_that_go_to_it_and_has_the_same_gradients(cell, layout, largest):
    (depth, both), rng = LAYOUTS[layout], np.random.default_rng(3)
    kind = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    ours, ways = stacks(cell, depth, both), (1, -1)[: 1 + both]
    x, error = rng.standard_normal((9, 2, 4)), rng.standard_normal((9, 2, 5 * len(ways)))
    module = kind(4, 5, depth, bidirectional=both, dtype=torch.float64)
    module.load_state_dict({name: torch.tensor(a) for name, a in exchange.to_torch(*ours).items()})
    theirs = module(torch.tensor(x))[0]
    (theirs * torch.tensor(error)).sum().backward()
    gradient = exchange.from_torch({name: p.grad.numpy() for name, p in module.named_parameters()})

    levels, tapes, y = list(zip(*ours[: len(ways)], strict=True)), [], x
    for level in levels:
        run = [recurrence.forward(CELLS[cell], w, y[::way]) for w, way in zip(level, ways, strict=True)]
        y = np.concatenate([tape.h[1:][::way] for tape, way in zip(run, ways, strict=True)], axis=-1)
        tapes.append(run)
    difference = gap(y, theirs.detach().numpy())
    for k in reversed(range(depth)):
        parts, error = np.split(error, len(ways), axis=-1), 0.0
        for w, tape, way, dE, stack in zip(
            levels[k], tapes[k], ways, parts, gradient[: len(ways)], strict=True
        ):
            delta, delta_r, _ = recurrence.deltas(CELLS[cell], w, tape, dE[::way])
            difference = max(difference, gap(recurrence.gradients(tape, delta, delta_r, w.b_r), stack[k]))
            error = error + recurrence.to_inputs(w, delta)[::way]
    largest["float64"] = max(largest["float64"], difference)
    assert difference < BOUND["float64"]


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_clipping_by_norm_and_by_value_agree_with_torch(factor):
    gradient = scale(point(CELLS["lstm"]).weights, factor)

    def by_torch(clip, threshold):
        tensors = [torch.zeros(leaf.shape, dtype=torch.float64) for leaf in leaves(gradient)]
        for tensor, leaf in zip(tensors, leaves(gradient), strict=True):
            tensor.grad = torch.tensor(leaf)
        return clip(tensors, threshold), tuple(tensor.grad.numpy() for tensor in tensors)

    clipped, size = optimize.clip_by_norm(gradient, 2.0)
    their_size, theirs = by_torch(torch.nn.utils.clip_grad_norm_, 2.0)
    assert size == pytest.approx(float(their_size), rel=1e-12)
    assert gap(tuple(leaves(clipped)), theirs) < 1e-6  # torch adds 1e-6 to the norm it divides by
    by_value = optimize.clip_by_value(gradient, 0.5)
    assert gap(tuple(leaves(by_value)), by_torch(torch.nn.utils.clip_grad_value_, 0.5)[1]) == 0
