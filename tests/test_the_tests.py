"""The tests are tested: bugs are planted in a copy of the library, and the check beside each must catch it.

Sizes are all 3, so that no bug is caught only because a shape does not fit.
"""

import importlib
import shutil
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from points import CELLS, LOSSES, gap, point, same_bits

import rnnlib
from rnnlib import gradcheck as witness
from rnnlib.params import flatten, leaves

LIBRARY = Path(rnnlib.__file__).parent
MODULES = [
    path.stem
    for path in LIBRARY.glob("*.py")
    if path.stem not in ("symbolic", "figures", "interactive", "__init__")
]
SQUARE = (4, 3, 3, 3, 3)  # T, B, m, n, o


def gradients(lib):
    """Loss and gradient of every cell and loss, in two layers, against an independent forward pass."""
    for name in CELLS:
        cell = getattr(lib.cells, name.upper())
        for kind, mean in zip(LOSSES, (False, True, False), strict=True):
            p = point(cell, 2, sizes=SQUARE)
            loss = getattr(lib.readout, LOSSES[kind].__name__)
            net = lib.network.Network(cell, loss, mean)
            weight = p.mask / p.mask.sum() if mean else p.mask
            E, gradient = lib.network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
            truth = reference.loss(np, name, kind, leaves(p.weights), 2, p.x, p.y, weight)
            assert abs(E - truth) < 1e-12 * abs(truth)
            direction = witness.random_direction(np.random.default_rng(0), p.weights)
            E_of = lambda w, net=net, p=p: lib.network.loss(net, w, p.x, p.y, p.mask)
            slope = witness.directional(E_of, p.weights, direction)
            assert abs(flatten(gradient) @ flatten(direction) - slope) < 1e-10 * abs(slope)


def kernels(lib):
    """What is written for speed computes what the cells and the loops say, forwards and back."""
    for name in ("tanh", "lstm", "gru"):
        cell, p = getattr(lib.cells, name.upper()), point(CELLS[name], sizes=SQUARE)
        slow = cell._replace(forward=lambda *drives, forward=cell.forward: forward(*drives))
        params, start, dE = p.weights.layers[0], p.start[0], np.random.default_rng(0).normal(size=(4, 3, 3))
        found = []
        for one in (cell, slow):
            tape = lib.recurrence.forward(one, params, p.x, start)
            saved = tuple(map(tuple, tape.saved))
            found.append(
                (tape.h, tape.c, saved, lib.recurrence.deltas(one, params, tape, dE, (dE[0], dE[1])))
            )
        assert gap(*found) < 1e-13


def given_start(lib):
    """With a given start, the learned one has no gradient."""
    p, net = point(CELLS["tanh"], sizes=SQUARE), lib.network.Network(lib.cells.TANH)
    _, gradient = lib.network.loss_and_gradient(net, p.weights, p.x, p.y, start=p.start)
    assert not any(leaf.any() for leaf in leaves(gradient.start))


def extremes(lib):
    """Losses of huge logits are exact, and no warning hides in them."""
    z, y = np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([[1.0, 0.0], [1.0, 0.0]])
    with np.errstate(all="ignore"):
        for loss in (lib.readout.softmax_cross_entropy, lib.readout.logistic_cross_entropy):
            E, r = loss(z, y)
            assert E.tolist() == [0, 2e4]
            assert r.tolist() == [[0, 0], [-1, 1]]
        assert lib.readout.softmax(z).tolist() == [[1, 0], [0, 1]]


def cutting(lib):
    """A cut is where the factors say, a horizon as long as it says, and the learned start keeps its share."""
    p = point(CELLS["lstm"], 2, sizes=SQUARE)
    net, given = lib.network.Network(lib.cells.LSTM, mean=True), (p.weights, p.x, p.y)
    whole = lib.network.loss_and_gradient(net, *given, p.mask)
    uncut = lib.truncation.loss_and_gradient(net, *given, np.array([1, 1.0, 1]), p.mask)
    halves, run = [], None
    for now in lib.truncation.windows(4, 2):
        run = lib.network.forward(net, p.weights, p.x[now], run.end if run else None)
        r = lib.network.weigh(net, run.z, p.y[now], (p.mask / p.mask.sum())[now])[1]
        halves.append(lib.network.backward(net, p.weights, run, r))
    readout, layers = (lib.params.add(*(half[k] for half in halves)) for k in (0, 1))
    early = lib.params.map_tree(lambda d: d.sum(axis=0), halves[0][2])
    factors = lib.truncation.window_factors(4, 2)
    cut = lib.truncation.loss_and_gradient(net, *given, factors, p.mask)
    assert gap(uncut, whole) < 1e-13
    assert gap(cut, (whole[0], lib.network.Weights(layers, readout, early))) < 1e-13
    assert gap(lib.truncation.horizon(net, *given, 2, 2, p.mask), cut) < 1e-13
    assert gap(lib.truncation.horizon(net, *given, 3, 4, p.mask), whole) < 1e-13
    half = lib.truncation.loss_and_gradient(net, *given, (1 + factors) / 2, p.mask)
    assert gap(lib.params.add(half[1], half[1]), lib.params.add(cut[1], whole[1])) < 1e-13
    assert set(lib.truncation.random_factors(np.random.default_rng(0), 99, 0.2)) == {0, 1.25}


def recomputing(lib):
    """Whatever the budget, the gradient is that of one pass, and as few segments as can be are run again."""
    p = point(CELLS["lstm"], 2, sizes=(9, 3, 3, 3, 3))
    net, given = lib.network.Network(lib.cells.LSTM, mean=True), (p.weights, p.x, p.y, p.mask)
    whole = lib.network.loss_and_gradient(net, *given)
    state, step = lib.checkpoint.sizes(net, *given[:3])
    assert step > state
    for budget in (None, step + 3 * state, 2 * step + 4 * state, 9 * step + 3 * state):
        assert gap(lib.checkpoint.loss_and_gradient(net, *given, budget=budget), whole) < 1e-13
    refuses(ValueError, lib.checkpoint.loss_and_gradient, net, *given, budget=step + 2 * state)
    for slots, fewest in ((1, 36), (2, 17), (3, 13), (9, 8)):
        runs = [k - i for action, i, k in lib.checkpoint.plan(9, slots) if action == "run"]
        assert sum(runs) == fewest == lib.checkpoint.reruns(9, slots)


def border(lib):
    """What does not fit is refused."""
    p, net = point(CELLS["tanh"], sizes=SQUARE), lib.network.Network(lib.cells.TANH)
    spoiled = p.x.copy()
    spoiled[0, 0, 0] = np.nan
    bad = [
        {"x": spoiled},
        {"y": p.y[:1]},
        {"mask": -p.mask},
        {"x": p.x.astype(np.float32)},
        {"y": np.ma.array(p.y)},
        {"weights": p.weights._replace(start=p.start), "start": None},
    ]
    for changes in bad:
        refuses(ValueError, lib.network.loss_and_gradient, net, **p._asdict() | changes)
    refuses(ValueError, lib.recurrence.forward, net.cell, p.weights.layers[0], p.x[:0], p.start[0])


def refuses(error, function, *arguments, **options):
    try:
        function(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{function.__name__} accepts what it should refuse")


def accepts(function, *arguments):
    try:
        function(*arguments)
    except AssertionError:
        raise AssertionError(f"{function.__name__} refuses what it should accept") from None


def optimizers(lib):
    """Three updates of every optimizer, worked out by hand for one number."""
    g = [np.array([v]) for v in (0.5, -1.0, 2.0)]
    m = 0.2 * (0.8**2 * 0.5 + 0.8 * -1.0 + 2.0) / (1 - 0.8**3)
    v = 0.1 * (0.9**2 * 0.25 + 0.9 * 1.0 + 4.0) / (1 - 0.9**3)
    s = 0.3 * (0.7**2 * 0.25 + 0.7 * 1.0 + 4.0)
    third = {
        lib.optimize.sgd(0.3): -0.3 * 2,
        lib.optimize.momentum(0.3, 0.8): -0.3 * (0.64 * 0.5 - 0.8 + 2),
        lib.optimize.rmsprop(0.3, 0.7, 0.1): -0.3 * 2 / (np.sqrt(s) + 0.1),
        lib.optimize.adam(0.3, 0.8, 0.9, 0.1): -0.3 * m / (np.sqrt(v) + 0.1),
    }
    for optimizer, expected in third.items():
        state = optimizer.init(g[0])
        for g_k in g:
            state, update = optimizer.update(state, g_k)
        assert abs(update[0] - expected) < 1e-14


def clipping(lib):
    """Clipped gradients have the length and the direction promised, however large they were."""
    for size, threshold in ((1.0, 2.0), (1.0, 20.0), (1e200, 2.0)):
        gradient = (np.array([3.0 * size, 0.0]), np.array([-4.0 * size]))
        with np.errstate(over="ignore", invalid="ignore"):
            clipped, before = lib.optimize.clip_by_norm(gradient, threshold)
        length = min(5 * size, threshold)
        assert abs(before / (5 * size) - 1) < 1e-14
        assert gap(clipped, (np.array([0.6 * length, 0.0]), np.array([-0.8 * length]))) < 1e-14
    each = lib.optimize.clip_each_by_norm((np.array([3.0, 4.0]), np.array([0.5])), 1.0)
    assert gap(each, (np.array([0.6, 0.8]), np.array([0.5]))) < 1e-14
    assert lib.optimize.clip_by_value(np.array([-3.0, 0.5, 3.0]), 1.0).tolist() == [-1, 0.5, 1]


def checker(lib):
    """The checker accepts a right gradient and refuses wrong ones; its witnesses agree with the formula."""
    p = (np.array([0.5, -1.5]), np.array([[1e-3]]))
    E = lambda p: 1e6 * (p[0] ** 3).sum() + np.sin(p[1]).sum()
    right = (3e6 * p[0] ** 2, np.cos(p[1]))
    accepts(lib.gradcheck.assert_gradient, E, p, right)
    for factor in (1 + 1e-9, -1.0, np.nan):
        refuses(AssertionError, lib.gradcheck.assert_gradient, E, p, (right[0], factor * right[1]))
    assert gap(lib.gradcheck.complex_step(E, p), right) < 1e-14
    cube = lambda x: (x**3).sum()
    assert gap(lib.gradcheck.central_difference(cube, p[0]), 3 * p[0] ** 2) < 1e-9
    direction = lib.gradcheck.random_direction(np.random.default_rng(0), p)
    assert abs(np.linalg.norm(np.concatenate([direction[0], direction[1][0]])) - 1) < 1e-14
    slope = sum((g * d).sum() for g, d in zip(right, direction, strict=True))
    assert abs(lib.gradcheck.directional(E, p, direction) / slope - 1) < 1e-14


def forward_mode(lib):
    """RTRL is BPTT, UORO is RTRL over all signs."""
    for name in ("tanh", "lstm", "gru"):
        cell = getattr(lib.cells, name.upper())
        p = point(cell, sizes=(4, 1, 3, 3, 3))
        params, start = p.weights.layers[0], p.start[0]
        c = start.c if cell.memory else np.zeros((1, 3))
        dE = np.random.default_rng(0).standard_normal((4, 1, 3))
        tape = lib.recurrence.forward(cell, params, p.x, start)
        *delta, (dh, dc) = lib.recurrence.deltas(cell, params, tape, dE)
        bptt = lib.recurrence.gradients(tape, *delta), dh[0], (dc + 0 * c)[0]
        assert gap(lib.rtrl.rtrl(cell, params, p.x[:, 0], start.h[0], c[0], dE[:, 0]), bptt) < 1e-12
    one = point(lib.cells.TANH, sizes=(2, 1, 1, 1, 1))
    arguments = one.weights.layers[0], one.x[:, 0], one.start[0].h[0], np.zeros(1), np.array([[0.7], [-1.1]])
    total = 0.0
    for k in range(64):
        sign = np.where(np.array([k >> bit & 1 for bit in range(6)]), 1, -1).reshape(3, 2)
        total = total + flatten(lib.rtrl.uoro(lib.cells.TANH, *arguments, sign)) / 64
    assert gap(total, flatten(lib.rtrl.rtrl(lib.cells.TANH, *arguments))) < 1e-12


def interruption(lib):
    """A resumed run has the same bits; foreign files are refused; a save that dies leaves the last one."""
    scratch = Path(lib.train.__file__).parent
    weights = lib.initialize.weights(np.random.default_rng(0), lib.cells.TANH, 2, 3, 2)
    optimizer, path, drawn = lib.optimize.adam(0.1), scratch / "run.npz", []

    def run(steps, path=None, seed=1, length=3):
        def sample(rng):
            x, y, mask = lib.tasks.recall(rng, length, 4)
            drawn.append(x[1, 0, 1])
            return x, y, mask

        net = lib.network.Network(lib.cells.TANH)
        return lib.train.train(net, weights, sample, steps, optimizer, seed, 0.1, path=path, every=2)

    whole = run(5)
    assert len(set(drawn)) == 5
    assert whole[1].norm.max() > 0.2
    run(3, path)
    refuses(ValueError, lib.train.load, path, (weights, optimizer.init(weights)), {"seed": 2})
    refuses(ValueError, run, 5, path, length=4)
    saved = path.read_bytes()
    refuses(Dies, lib.files.write, path, {"array": Dies()})
    assert path.read_bytes() == saved
    assert same_bits(run(5, path), whole)
    assert path.with_name(f"{path.name}.bak").exists()
    np.savez(path, array=np.array([None]))
    refuses(ValueError, lib.files.read, path)


def not_finite(lib):
    """A gradient that is not finite is refused, or its step is skipped."""
    gradient = (np.ones(2), np.array([1.0, np.inf]))
    for clip in (lib.optimize.clip_by_norm, lib.optimize.clip_each_by_norm, lib.optimize.clip_by_value):
        with np.errstate(invalid="ignore"):
            refuses(FloatingPointError, clip, gradient, 1.0)
    weights = lib.initialize.weights(np.random.default_rng(0), lib.cells.TANH, 2, 3, 2)
    net = lib.network.Network(lib.cells.TANH, lib.readout.squared_error)

    def sample(rng):
        x, y, mask = lib.tasks.recall(rng, 3, 4)
        return x, 1e200 * y, mask

    arguments = net, weights, sample, 2, lib.optimize.sgd(0.1)
    refuses(FloatingPointError, lib.train.train, *arguments)
    kept, history = lib.train.train(*arguments, skip_nonfinite=True)
    assert same_bits(kept, weights)
    assert history.skipped == 2


def windows(lib):
    """Windows carry states and errors on, and share no memory with what they are given."""
    p, net = point(lib.cells.LSTM, sizes=SQUARE), lib.network.Network(lib.cells.LSTM)
    whole = lib.network.forward(net, p.weights, p.x, p.start)
    r, x = np.ones_like(whole.z), p.x.copy()
    first = lib.network.forward(net, p.weights, x[:2], p.start)
    end = first.end
    second = lib.network.forward(net, p.weights, x[2:], end)
    x[:], end[0].h[:] = 9, 9
    *late, carry, _ = lib.network.backward(net, p.weights, second, r[2:])
    *early, _, _ = lib.network.backward(net, p.weights, first, r[:2], carry)
    truth = lib.network.backward(net, p.weights, whole, r)[:2]
    assert gap(flatten(tuple(early)) + flatten(tuple(late)), flatten(truth)) < 1e-12
    assert gap(whole.after([2, 2, 2]), first.end) < 1e-12
    weights, sample = p.weights._replace(start=()), lambda rng: (p.x, p.y, p.mask)
    steps = lambda window: lib.train.train(net, weights, sample, 1, lib.optimize.sgd(1e-300), window=window)
    assert abs(steps(2)[1].loss[0] / steps(None)[1].loss[0] - 1) < 1e-12


def targets(lib):
    """The output error is dE/dz whatever targets sum up to; fill values that do not count change nothing."""
    z, y, v = np.array([[0.3, -1.0, 0.2]]), np.array([[1.0, 1.0, 0.5]]), np.array([1.0, 2.0, -1.0])
    slope = lib.readout.softmax_cross_entropy(z + 1e-30j * v, y)[0].imag / 1e-30
    assert abs(lib.readout.softmax_cross_entropy(z, y)[1] @ v - slope) < 1e-14
    net = lib.network.Network(lib.cells.TANH, lib.readout.squared_error)
    y, mask = np.array([[[1.0]], [[1e200]]]), np.array([[1.0], [0.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        assert lib.network.weighted_loss(net, np.zeros((2, 1, 1)), y, mask)[0] == 0.5


class Dies(Exception):
    """An array that cannot be written."""

    def __array__(self, dtype=None, copy=None):
        raise self


def first_weights(lib):
    """Initial weights have the law promised."""
    rng, init = np.random.default_rng(0), lib.initialize
    Q = [init.orthogonal(rng, (3, 3)) for _ in range(400)]
    assert max(np.abs(q @ q.T - np.eye(3)).max() for q in Q) < 1e-14
    assert abs(np.mean([q[0, 0] > 0 for q in Q]) - 0.5) < 0.1
    for draw, variance in ((init.he, 2 / 200), (init.glorot, 2 / 300), (init.gaussian, 1 / 200)):
        assert abs(draw(rng, (100, 200)).var() / variance - 1) < 0.05
    assert abs(np.abs(np.linalg.eigvals(init.rescale(rng.normal(size=(4, 4)), 0.9))).max() - 0.9) < 1e-12
    layer = init.layer(rng, lib.cells.LSTM, 2, 2)
    assert init.forget_bias(layer, 1.0).b_h.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    layer = init.layer(rng, lib.cells.GRU, 2, 2)
    assert init.update_bias(layer, 1.0).b_h.tolist() == [1, 1, 0, 0, 0, 0]


def first_answers(lib):
    """Tasks give the answers that their inputs ask for."""
    x, y, _ = lib.tasks.adding(np.random.default_rng(0), 9, 50)
    assert (x[..., 1].sum(axis=0) == 2).all()
    assert gap(y[-1, :, 0], (x[..., 0] * x[..., 1]).sum(axis=0)) == 0
    x, y, _ = lib.tasks.copy_memory(np.random.default_rng(0), 3, 50, 4, 2)
    assert (y[-2:].argmax(axis=2) == x[:2].argmax(axis=2)).all()
    x, y, _ = lib.tasks.recall(np.random.default_rng(0), 3, 50)
    assert (y[-1].argmax(axis=1) == (x[0, :, 0] > 0)).all()
    refuses(ValueError, lib.tasks.one_hot, np.array([-1]), 3)


def products_of_jacobians(lib):
    """Singular values, exponents and the lag triangle of matrices whose answers are known."""
    rng, jacobians = np.random.default_rng(0), lib.jacobians
    J = rng.standard_normal((4, 3, 3)) * np.array([[1e-4, 1.0, 1e4]])
    with np.errstate(all="ignore"):
        logs = jacobians.log_singular_values(np.concatenate([J, J[::-1]]))
        rates = jacobians.lyapunov_exponents(np.tile(J[0], (40, 1, 1)), skip=30)
    assert abs(logs[7].sum() - 2 * np.log(np.abs(np.linalg.det(J))).sum()) < 1e-6
    assert gap(np.exp(logs[0]), np.linalg.svd(J[0], compute_uv=False)) < 1e-9
    slopes = np.array([[1e-15], [1.0], [1e-5]])
    mixed = jacobians.log_singular_values(np.array([slopes * np.linalg.qr(J[0])[0]]))
    assert gap(mixed[0], np.log([1.0, 1e-5, 1e-15])) < 1e-12
    mild = rng.standard_normal((5, 3, 3))
    plain = np.linalg.svd(jacobians.products(mild), compute_uv=False)
    assert gap(np.exp(jacobians.log_singular_values(mild)), plain) < 1e-9
    assert gap(rates, np.log(np.sort(np.abs(np.linalg.eigvals(J[0])))[::-1])) < 1e-6
    assert gap(jacobians.products(J)[1], J[1] @ J[0]) < 1e-12
    triangle = jacobians.lag_triangle(J, np.eye(4, 3))
    assert abs(triangle[2, 1] - np.linalg.norm(J[2, 2])) < 1e-12 * triangle[2, 1]
    for cell in (lib.cells.TANH, lib.cells.LSTM, lib.cells.GRU):
        p = point(cell, sizes=(2, 1, 3, 3, 3))
        params, (start,) = p.weights.layers[0], p.start
        tape = lib.recurrence.forward(cell, params, p.x, start)
        bumped = lib.recurrence.forward(
            cell, params, p.x, start._replace(h=start.h + 1e-30j * np.eye(3)[1:2])
        )
        product = jacobians.products(jacobians.steps(cell, params, tape))[-1]
        assert gap(product[:3, 1], bumped.h[-1, 0].imag / 1e-30) < 1e-12


def keeping_norms(lib):
    """Omega and its derivative in a case worked out by hand."""
    W, e = np.array([[2.0, 0.0], [1.0, 3.0]]), np.array([[[3.0, 4.0]]])
    value, d_W = lib.regularize.omega(W, 0.5 * e, e)
    out = 0.5 * e[0, 0] @ W
    ratio = np.linalg.norm(out) / 5
    assert abs(value - (ratio - 1) ** 2) < 1e-14
    assert gap(d_W, 2 * (ratio - 1) * np.outer(0.5 * e / 5, out / np.linalg.norm(out))) < 1e-14
    twice = lib.regularize.omega(
        W, np.tile([[[0.25]], [[0.5]]] * e, (1, 3, 1)), np.tile([[[0]], [[1]]] * e, (1, 3, 1))
    )
    once = lib.regularize.omega(W, 0.25 * e, out[None, None])[0] + value
    assert abs(twice[0] - once) < 1e-13


def book(lib):
    """The checks of the book accept what holds and refuse what does not."""
    one = np.ones(3)
    accepts(lib.checks.check, "", one, one)
    accepts(lib.checks.check, "", 3, 3)
    accepts(lib.checks.refute, "", 2 * one, one, 0.5)
    accepts(lib.checks.within, "", 1, 0, 2)
    refuses(AssertionError, lib.checks.check, "", one, one + 1e-11)
    refuses(AssertionError, lib.checks.check, "", one, one[None])
    refuses(AssertionError, lib.checks.check, "", 3, 4)
    refuses(AssertionError, lib.checks.refute, "", one, one, 0.5)
    refuses(AssertionError, lib.checks.within, "", np.nan, 0, 2)


BPTT = """\
        dd, dr, dh, dc = cell.backward(saved[t], dE[t] + dh, dc)
        delta[t], delta_r[t] = dd, dr
        dh = dh + dr @ params.W_hh
"""
WITHOUT_THE_PRESENT = """\
        past = cell.backward(saved[t], 0 * dE[t] + dh, dc)
        _, delta_r[t], dh, dc = cell.backward(saved[t], dE[t] + dh, dc)
        dh = dh + delta_r[t] @ params.W_hh
        delta[t], delta_r[t] = past[:2]
"""
IN_THE_WRONG_ORDER = """\
        here = cell.backward(saved[t], dE[t], dc)[0]
        delta[t] = here + cell.backward(saved[t], 0 * dE[t] + dh, dc)[0] @ params.W_hh
        delta_r[t] = dh = delta[t]
"""

WITHOUT_A_COPY = "return tuple(State(s.h[-1], s.c[-1]) for s in self.tapes)"
STARTS_ANEW = ("mask[now], start)", "mask[now])")

BUGS = {
    ("cells", gradients): {
        "f' is forgotten": ("f_prime(h) * dh", "dh"),
        "logistic' is h (1 + h)": ("h * (1 - h))", "h * (1 + h))"),
        "relu lets the gradient through": ("(h.real > 0).astype", "(h.real > -9).astype"),
        "leaky relu does not leak backwards": ("> 0, 1, SLOPE)", "> 0, 1, 0)"),
    },
    ("cells", kernels): {
        "f' is taken of h instead of a": ("lambda h: 1 - h * h", "lambda h: 1 - np.tanh(h) ** 2"),
        "tanh' is 1 - h": ("lambda h: 1 - h * h", "lambda h: 1 - h"),
        "LSTM loses f in dc": ("0.0, dc * f", "0.0, dc"),
        "LSTM forgets the dc that arrives": ("dc = dc + dh * o", "dc = dh * o"),
        "LSTM forgets tanh' in dc": ("dh * o * (1 - k * k)", "dh * o"),
        "LSTM gates f with the new c": ("(i, f, o, g, k, c)", "(i, f, o, g, k, c_new)"),
        "LSTM mixes up i and g": ("dc * g * i * (1 - i)", "dc * i * i * (1 - i)"),
        "LSTM splits its gates in another order": ("i, f, o = blocks", "f, i, o = blocks"),
        "GRU drops the reset gate in dr": ("[dz, ds, dq * s]", "[dz, ds, dq]"),
        "GRU drops dh z": ("dd, dr, dh * z, dc", "dd, dr, 0.0, dc"),
        "GRU turns the sign of dz": ("dh * (h - q)", "dh * (q - h)"),
        "GRU forgets r in ds": ("dq * r_q * s", "dq * s"),
        "GRU swaps z and 1 - z forward": ("z * h + (1 - z) * q, c", "(1 - z) * h + z * q, c"),
    },
    ("kernels", gradients): {
        "tanh: f' is forgotten": ("multiply(slope_t, dh, d_t)", "d_t[...] = dh"),
        "tanh: f' is taken of h instead of a": ("1 - h[1:] * h[1:]", "1 - np.tanh(h[1:]) ** 2"),
        "tanh: h_k for h_{k-1}": ("slope = 1 - h[1:] * h[1:]", "slope = 1 - h[:-1] * h[:-1]"),
        "LSTM: f is lost in dc": ("multiply(dc, f_t, dc)", "pass"),
        "LSTM: the dc that arrives is forgotten": ("add(dc, through, dc)", "dc[...] = through"),
        "LSTM: tanh' is forgotten in dc": ("o * (1 - k * k)", "o"),
        "LSTM: i and g are mixed up": ("= g * i * (1 - i)", "= i * i * (1 - i)"),
        "LSTM: f meets the new c": ("c[:-1] * f * (1 - f)", "c[1:] * f * (1 - f)"),
        "LSTM: the output gate is not heard": ("multiply(per_dh_t, dh, o_t)", "pass"),
        "GRU: the reset gate is dropped in dr": ("per_dh[:, 2] = dq * s", "per_dh[:, 2] = dq"),
        "GRU: the way past the gates is dropped": ("add(dh, past, dh)", "pass"),
        "GRU: the sign of dz is turned": ("(h[:-1] - q)", "(q - h[:-1])"),
        "GRU: r is forgotten in ds": ("dq * r_q * s", "dq * s"),
        "GRU: z and 1 - z are swapped forwards": ("subtract(h_t, q, h_new)", "subtract(q, h_t, h_new)"),
        "a logistic gate is not halved": ("scale[: kernel.halved * n] = 0.5", "pass"),
        "errors of the loss are passed on twice": ("r_t.dot(W, dh)", "r_t.dot(W, dh); dh += dE_t"),
    },
    ("kernels", kernels): {
        "the LSTM's tape saves the new c": ("c[:-1], strict=True", "c[1:], strict=True"),
        "the GRU's tape saves the new h": ("*kept, h[:-1]", "*kept, h[1:]"),
    },
    ("recurrence", gradients): {
        "W for W transposed": ("dr @ params.W_hh", "dr @ params.W_hh.T"),
        "f'(a_T) for f'(a_k)": ("(saved[t], dE", "(saved[-1], dE"),
        "W applied after f'": (BPTT, IN_THE_WRONG_ORDER),
        "the term k = t is dropped": (BPTT, WITHOUT_THE_PRESENT),
        "only the term k = t is kept": ("dE[t] + dh, dc", "dE[t], dc"),
        "only the last loss counts": ("dE[t] + dh, dc", "(t == len(dE) - 1) * dE[t] + dh, dc"),
        "h_k for h_{k-1}": ("tape.h[:-1]", "tape.h[1:]"),
        "dE_t is passed on twice": ("dh = dh + dr", "dh = dE[t] + dr"),
        "the bias is left out": ("params.W_hx.T + params.b_h", "params.W_hx.T"),
        "the given start is ignored": ("h[0], c[0] = start.h,", "h[0], c[0] = 0,"),
        "the lower layer hears through W_hh": ("@ params.W_hx).reshape", "@ params.W_hh).reshape"),
        "the bias takes the mean": ("ones @ delta,", "ones @ delta / len(delta),"),
    },
    ("readout", gradients): {
        "softmax error has the wrong sign": ("e * (weight / total) - y", "y - e * (weight / total)"),
        "softmax error ignores y": ("e * (weight / total) - y", "e * (weight / total)"),
        "squared error loses its half": ("0.5 * (r * r)", "(r * r)"),
        "logistic error without the logistic": ("sum(axis=-1), logistic(z) - y", "sum(axis=-1), z - y"),
        "readout transposed on the way back": ("rows @ readout.W_yh", "rows @ readout.W_yh.T"),
        "readout gradient transposed": (
            "Readout(rows.T @ h.reshape(-1, h.shape[-1])",
            "Readout(h.reshape(-1, h.shape[-1]).T @ rows",
        ),
        "output bias not summed": ("np.ones(len(rows), r.dtype) @ rows", "rows[-1]"),
    },
    ("readout", targets): {
        "softmax error of a distribution, whatever y": ("e * (weight / total)", "e / total"),
    },
    ("network", targets): {
        "a fill value that does not count is squared": ("np.where(weight[..., None] > 0, y, 0)", "y"),
    },
    ("network", windows): {
        "the carry is dropped": ("if carry is None else carry", "if True else carry"),
        "the memory's carry is dropped": ("late.c if network.cell.memory else 0.0", "0.0"),
        "the end is a view of the tape": ("return self.after(len(self.z))", WITHOUT_A_COPY),
        "a state is one step late": ("rows = t, np", "rows = np.minimum(t + 1, T), np"),
    },
    ("recurrence", windows): {
        "the tape keeps the caller's x": ("Tape(x.copy(), h, c, kernels", "Tape(x, h, c, kernels"),
    },
    ("readout", extremes): {
        "unstable softmax": ("np.exp(z - z.real.max(axis=-1, keepdims=True))", "np.exp(z)"),
        "unstable cross-entropy": ("z -= z.real.max(axis=0)", "pass"),
        "unstable logistic loss": ("top = np.maximum(z.real, 0)", "top = 0.0 * z.real"),
    },
    ("network", gradients): {
        "the mean counts masked steps": ("weight / weight.sum()", "weight / weight.size"),
        "the mask does not reach the error": ("weight[..., None] * r", "r"),
        "layers are swapped on the way back": ("layers.insert(0, ", "layers.append("),
        "a learned start takes one sequence": ("d.sum(axis=0)", "d[0]"),
    },
    ("network", given_start): {
        "a given start teaches the learned one": ("1.0 if start is None else 0.0", "1.0"),
    },
    ("shapes", border): {
        "NaN gets in": ("np.isfinite(array).all()", "np.isfinite(array).any()"),
        "an empty sequence gets in": ("(got and isinstance(want, str))", "isinstance(want, str)"),
        "mixed precision gets in": ("array.real.dtype != like.real.dtype", "False"),
        "a masked array gets in": ("type(array) is not np.ndarray", "not isinstance(array, np.ndarray)"),
    },
    ("network", border): {
        "a negative mask gets in": ("(weight < 0).any() or ", ""),
        "a learned start per sequence gets in": ("if start is None:", "if False:"),
    },
    ("optimize", optimizers): {
        "sgd climbs": ("scale(gradient, -rate)", "scale(gradient, rate)"),
        "momentum has the wrong sign": ("decay * v + g,", "decay * v - g,"),
        "momentum damps the gradient": ("decay * v + g,", "decay * v + (1 - decay) * g,"),
        "rmsprop without the root": ("(np.sqrt(s) + eps)", "(s + eps)"),
        "rmsprop with eps inside the root": ("(np.sqrt(s) + eps)", "np.sqrt(s + eps)"),
        "adam counts from 2": ("int(state.count) + 1", "int(state.count) + 2"),
        "adam forgets its count": ("v, np.array(k))", "v, state.count)"),
        "adam does not correct m": ("1 / (1 - beta_1**k)", "1.0"),
        "adam does not correct v": ("np.sqrt(b * v)", "np.sqrt(v)"),
        "adam corrects v outside the root": ("np.sqrt(b * v)", "b * np.sqrt(v)"),
    },
    ("optimize", clipping): {
        "clipping divides by the square": ("threshold / size)", "threshold / size**2)"),
        "clipping lengthens short gradients": ("if size > threshold", "if size > 0"),
        "one norm for all": (
            "map_tree(lambda g: clip_by_norm(g, threshold)[0], _finite(gradient))",
            "clip_by_norm(gradient, threshold)[0]",
        ),
        "clipping by value has no floor": ("np.clip(g, -threshold, threshold)", "np.minimum(g, threshold)"),
    },
    ("params", clipping): {
        "the norm adds absolute values": ("np.abs(u / largest) ** 2", "np.abs(u / largest)"),
        "the norm forgets the root": ("float(np.sqrt(sum(", "float((sum("),
        "the norm overflows": ("np.abs(u / largest) ** 2", "np.abs(u) ** 2 / np.square(largest)"),
    },
    ("gradcheck", checker): {
        "the complex step takes the real part": ("return np.imag(value)", "return np.real(value)"),
        "the complex step is half imaginary": ("bumped[k] += 1j * step", "bumped[k] += 1j * step / 2"),
        "the difference is one-sided": (
            "(ahead - behind) / (2 * step)",
            "(ahead - E(unflatten(point, params))) / step",
        ),
        "the checker never fails": ("if not error <= tolerance", "if error <= -tolerance"),
        "the checker refuses what agrees": ("if not error <= tolerance", "if error <= tolerance"),
        "the checker lets NaN pass": ("if not error <= tolerance", "if error > tolerance"),
        "small arrays hide behind large ones": (
            "relative_error(ours, theirs)",
            "relative_error(gradient, truth)",
        ),
        "a random direction is not of norm 1": ("d / size", "d"),
    },
    ("rtrl", forward_mode): {
        "RTRL forgets the influence of the past": ("dr + dh @ params.W_hh.T", "dr"),
        "RTRL transposes W": ("dr + dh @ params.W_hh.T", "dr + dh @ params.W_hh"),
        "RTRL puts x where h belongs": ("np.kron(eye, h[:, None])", "np.kron(eye, x[:, None])"),
        "RTRL forgets that h_0 is learned": (
            "dh[P - 2 * n : P - n], dc[P - n :] = np.eye(n), np.eye(n)",
            "dc[P - n :] = np.eye(n)",
        ),
        "UORO balances one side only": ("weight / rho_0", "weight"),
        "UORO uses a sign twice": ("axis=1) @ sign[t + 1]", "axis=1) @ sign[t]"),
    },
    ("optimize", not_finite): {
        "a gradient of infinity passes": ("    if bad:", "    if False:"),
    },
    ("train", not_finite): {
        "a step that overflowed is taken": ("if not np.isfinite(E + length)", "if False"),
        "a skipped step is not counted": ("np.isnan(self.loss)", "np.isinf(self.loss)"),
    },
    ("train", windows): {
        "every window starts anew": STARTS_ANEW,
        "only the last window's loss is recorded": ("loss += E *", "loss = E *"),
    },
    ("train", interruption): {
        "every step draws the same batch": (
            "atleast_1d(seed).tolist(), k]",
            "atleast_1d(seed).tolist(), 0]",
        ),
        "batches are keyed by the process": ("= _step(plan, run, k)", "= _step(plan, run, k - first)"),
        "history is lost at resume": ("history[:, :first] = past", "pass"),
        "the optimizer starts anew at resume": ("return saved, past", "return (saved[0], run[1]), past"),
        "the norm is recorded after clipping": ("max(largest, length)", "max(largest, norm(gradient))"),
        "a run of another seed is continued": ("if there.get(name) != here", "if False"),
        "a run of another task is continued": ("if 0 < past.shape[1] < steps", "if False"),
    },
    ("files", interruption): {
        "a save writes in place": (
            "new, old = _beside(path), _beside(path)",
            "new, old = path, _beside(path)",
        ),
        "pickles are loaded": ("file, allow_pickle=False", "file, allow_pickle=True"),
        "the save before is lost": ('old.replace(f"{path}.bak")', "pass"),
    },
    ("initialize", first_weights): {
        "orthogonal without the sign fix": ("Q * np.sign(np.diag(R))", "Q"),
        "he has the variance of gaussian": ("shape, np.sqrt(2))", "shape, 1.0)"),
        "rescale divides the wrong way": ("radius / largest", "largest / radius"),
        "the forget bias opens the input gate": ("gates=4, gate=1", "gates=4, gate=0"),
        "the update bias opens the reset gate": ("gates=3, gate=0", "gates=3, gate=1"),
    },
    ("tasks", first_answers): {
        "adding marks one place twice": ("rng.integers(T // 2, T, size=B)", "rng.integers(T // 2, size=B)"),
        "copy asks for the word backwards": ("delimiter, word\n", "delimiter, word[::-1]\n"),
        "a negative token wraps around": ("tokens.min() < 0 or ", ""),
    },
    ("jacobians", products_of_jacobians): {
        "the product is in the wrong order": ("J_t @ P[-1]", "P[-1] @ J_t"),
        "the pivots are forgotten": ("graded[:, order] = R", "graded[:] = R"),
        "small rows come first": ("np.argsort(-np.abs(B)", "np.argsort(np.abs(B)"),
        "the grading is forgotten": ("dgejsv((d[:, None] * V).T", "dgejsv(V.T"),
        "the scale is forgotten": ("scale + np.log(d[0]), d / d[0]", "scale, d / d[0]"),
        "singular values by plain SVD": (
            "dgejsv((d[:, None] * V).T, joba=0, jobu=3, jobv=3, jobr=0, jobp=0)[0]",
            "np.linalg.svd(products(J[: t + 1])[-1])[1] / np.exp(scale)",
        ),
        "exponents count the settling": ("if t >= skip", "if t >= 0"),
        "the frame is not kept": ("Q, R = np.linalg.qr(J_t @ Q)", "_, R = np.linalg.qr(J_t @ Q)"),
        "the direct path of a gate is dropped": ("dh = dh + dr @ params.W_hh", "dh = dr @ params.W_hh"),
        "errors are pulled back the wrong way": ("errors = errors @ J[k]", "errors = errors @ J[k].T"),
        "an error is counted after the step": (
            "        norms[:, k] = np.linalg.norm(errors, axis=1)\n        errors = errors @ J[k]\n",
            "        errors = errors @ J[k]\n        norms[:, k] = np.linalg.norm(errors, axis=1)\n",
        ),
    },
    ("truncation", cutting): {
        "a window has a step too many": ("slice(t, min(t + size, length))", "slice(t, t + size + 1)"),
        "the cut comes a step late": ("- 1 :: size] = 0", ":: size] = 0"),
        "what is kept is not made up for": (">= rate) / (1 - rate)", ">= rate)"),
        "the state does not go on": ("        state = run.end\n", ""),
        "the factor is that of the block before": (
            "factors[end - 1]) if carry",
            "factors[end - 2]) if carry",
        ),
        "no error passes a factor": ("if carry else None", "if False else None"),
        "the start hears the last stretch": ("d_start = early if first == 0 else d_start", "d_start = early"),
        "a horizon hears losses twice": ("< now.start, 0, count", "< first, 0, count"),
        "a horizon is too long by a step": (
            "max(0, now.stop - back)",
            "max(0, now.stop - back - 1)",
        ),
        "a horizon starts from the wrong state": ("run.after(first - begun)", "run.end"),
        "the start hears one window": (
            "starts += [early] if first == 0 else []",
            "starts = [early] if now.start == 0 else starts",
        ),
    },
    ("checkpoint", recomputing): {
        "the carry is dropped": (
            "backward(network, weights, run, r, carry)",
            "backward(network, weights, run, r)",
        ),
        "segments run again begin anew": ("x[t : t + size], kept[k])", "x[t : t + size])"),
        "every segment has the mask of the first": ("count[now], kept", "count[: (k - i) * size], kept"),
        "the means are those of the segments": ("count[now], kept", "count[now] * T, kept"),
        "a slot is wasted": ("(middle, last, s - 1)", "(middle, last, max(1, s - 2))"),
        "a stretch is too long": (
            "min(comb(s + r - 1, s), last - first - comb(s + r - 2, s - 1))",
            "last - first - comb(s + r - 2, s - 1)",
        ),
        "a budget is overdrawn by a state": ("// state - 2", "// state - 1"),
    },
    ("regularize", keeping_norms): {
        "omega has no minus one": ("otherwise=1) - 1", "otherwise=1)"),
        "omega compares with the loss at t alone": (
            "_norm(arrived), _norm(handed_on)",
            "_norm(dE), _norm(handed_on)",
        ),
        "omega's derivative loses its 2": ("2 / dE.shape[1] * d_W", "1 / dE.shape[1] * d_W"),
        "omega is summed over the batch": ("(off**2).sum() / dE.shape[1]", "(off**2).sum()"),
        "omega's derivative is transposed": ('"tbi,tbj->ij"', '"tbj,tbi->ij"'),
    },
    ("checks", book): {
        "check never fails": ('_demand(holds, label, f"left', '_demand(True, label, f"left'),
        "check lets shapes broadcast": ("if left.shape != right.shape", "if False"),
        "within lets NaN pass": (
            "(low <= value) & (value <= high)",
            "~((value < low) | (value > high))",
        ),
    },
}
CASES = {bug: (*place, *change) for place, bugs in BUGS.items() for bug, change in bugs.items()}

number = count()


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Import a copy of the library, changed in one place, under a name of its own."""

    def copy(module=None, right="", wrong=""):
        package = f"planted_{next(number)}"
        shutil.copytree(LIBRARY, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
        if module:
            file = tmp_path / package / f"{module}.py"
            text = file.read_text(encoding="utf-8")
            assert text.count(right) == 1, f"{right!r} must stand exactly once in {module}.py"
            file.write_text(text.replace(right, wrong), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return SimpleNamespace(**{name: importlib.import_module(f"{package}.{name}") for name in MODULES})

    yield copy
    for name in [name for name in sys.modules if name.startswith("planted_")]:
        del sys.modules[name]


@pytest.mark.parametrize("check", dict.fromkeys(check for _, check in BUGS), ids=lambda check: check.__name__)
def test_the_library_without_a_bug_passes(check, copied):
    check(copied())


@pytest.mark.parametrize("bug", CASES)
def test_a_planted_bug_is_caught(bug, copied):
    module, check, right, wrong = CASES[bug]
    lib = copied(module, right, wrong)
    with pytest.raises(AssertionError):
        check(lib)
