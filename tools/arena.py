"""The arena: which network learns which task, with equal parameters, equal updates, and rates to choose from.

    python tools/arena.py arena_rates   # three rates, three seeds each, for every task and contender
    python tools/arena.py arena         # ten other seeds, at the rate that solved most, erred or lost least
    python tools/arena.py arena_lengths # three tasks again, at this rate, in fewer steps

Gradients are clipped, and in `arena` the same runs are made without clipping as well.

A row is one training run: its settings, its units, the loss per counted step on sequences that it has not
seen, how wrong its answers are there, and whether that counts as solved. All of them make `UPDATES` updates
of Adam, whether they have solved the task before or not.
"""

import csv
from collections import defaultdict
from collections.abc import Callable
from functools import cache, partial
from itertools import count, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnlib import initialize, linear, network, optimize, readout, tasks
from rnnlib.cells import GRU, LINEAR, LSTM, RELU, TANH, Cell, blocks, logistic
from rnnlib.files import data
from rnnlib.network import Network
from rnnlib.params import add, leaves

DATA = Path(__file__).resolve().parent.parent / "chapters" / "data"
PARAMETERS, UPDATES, BATCH, UNSEEN = 1500, 2000, 32, 1000
RATES, CLIP, FEATURES = (1e-3, 3e-3, 1e-2), 1.0, 16


class Settings(NamedTuple):
    """One run; the threshold bounds the global norm of the gradient."""

    task: str
    T: int
    contender: str
    threshold: float
    rate: float
    seed: int


class Result(NamedTuple):
    """What a run came to."""

    units: int
    loss: float
    wrong: float
    solved: int


class Task(NamedTuple):
    """What is asked for: draw(rng, T, B) -> x, y, mask; solved means wrong(z, y, mask) < least."""

    draw: Callable
    T: int  # in the arena
    sizes: tuple  # m, o
    wrong: Callable
    least: float = 0.01
    loss: Callable = readout.softmax_cross_entropy
    examine: Callable | None = None  # draws what has not been seen, if not `draw`


class Experiment(NamedTuple):
    """A list of runs."""

    runs: list


def late_errors(z, y, mask):
    """Return the share of errors in the second half of the steps."""
    half = len(z) // 2
    return tasks.share_of_errors(z[half:], y[half:], mask[half:])


def word_errors(z, y, mask, length=5):
    """Return the share of errors in the copy of the word."""
    return tasks.share_of_errors(z[-length:], y[-length:], mask[-length:])


@cache
def images():
    """Return the digits pixel by pixel, x (64, 1797, 1) in 0 .. 1, and their classes (1797,)."""
    rows = data("digits.csv").read_text(encoding="utf-8").splitlines()[2:]
    pixels = [[int(pixel, 17) for pixel in row[2:]] for row in rows]
    return np.array(pixels).T[..., None] / 16, np.array([int(row[0]) for row in rows])


def answered(chosen):
    """Return the images of these numbers as a task: x, y and mask of T = 64 steps."""
    x, classes = images()
    y, mask = np.zeros((64, len(chosen), 10)), np.zeros((64, len(chosen)))
    y[-1], mask[-1] = np.eye(10)[classes[chosen]], 1
    return x[:, chosen], y, mask


LEARNED, EXAMINED = range(1200), range(1200, 1797)  # of the images
TASKS = {
    "recall": Task(tasks.recall, 100, (2, 2), tasks.share_of_errors),
    "adding": Task(tasks.adding, 100, (2, 1), tasks.mean_square, loss=readout.squared_error),
    "copy": Task(partial(tasks.copy_memory, symbols=4, length=5), 50, (6, 5), word_errors),
    "order": Task(tasks.temporal_order, 100, (6, 4), tasks.share_of_errors),
    "reber": Task(tasks.reber, 40, (7, 7), tasks.outer_errors),
    "parity": Task(tasks.parity, 40, (1, 2), late_errors),
    "counting": Task(tasks.counting, 40, (3, 3), tasks.share_of_errors),
    "digits": Task(
        lambda rng, T, B: answered(rng.choice(LEARNED, B)),
        64,
        (1, 10),
        tasks.share_of_errors,
        least=0.1,
        examine=lambda rng, T, B: answered(EXAMINED),
    ),
}


def minimal_forward(d, r, h, c):
    """Compute h' = (1 - f) h + f q, f = logistic of d + r, q = tanh(d_q + f r_q) [zhou2016]."""
    (d_f, d_q), (r_f, r_q) = blocks(d, h.shape[-1]), blocks(r, h.shape[-1])
    f = logistic(d_f + r_f)
    q = np.tanh(d_q + f * r_q)
    return h + f * (q - h), c, (f, q, r_q, h)


def minimal_backward(saved, dh, dc):
    f, q, r_q, h = saved
    dq = dh * f * (1 - q * q)
    df = (dh * (q - h) + dq * r_q) * f * (1 - f)
    return np.concatenate([df, dq], axis=-1), np.concatenate([df, dq * f], axis=-1), dh * (1 - f), dc


MINIMAL = Cell(2, False, minimal_forward, minimal_backward)


def recurrent(cell, start=initialize.orthogonal, forget=None):
    """Return the builder of a network: (rng, m, n, o) -> weights, and its cell."""

    def build(rng, m, n, o):
        weights = initialize.weights(rng, cell, m, n, o, recurrent=start)
        if forget is not None:
            weights = weights._replace(layers=(initialize.forget_bias(weights.layers[0], forget),))
        return weights

    return build, cell


CONTENDERS = {
    "linear": recurrent(LINEAR),
    "tanh": recurrent(TANH, initialize.glorot),
    "tanh_orthogonal": recurrent(TANH),
    "irnn": recurrent(RELU, initialize.identity),
    "lstm_1": recurrent(LSTM, forget=1.0),
    "lstm_3": recurrent(LSTM, forget=3.0),
    "gru": recurrent(GRU),
    "minimal": recurrent(MINIMAL),
    "lru": (lambda rng, m, n, o: linear.weights(rng, m, n, FEATURES, o), None),
}


@cache
def units(contender, m, o):
    """Return the most units with at most `PARAMETERS` parameters."""
    build, _ = CONTENDERS[contender]
    size = lambda n: sum(p.size for p in leaves(build(np.random.default_rng(0), m, n, o)))
    return next(n for n in count(1) if size(n + 1) > PARAMETERS)


def run(experiment, settings):
    """Train once, and return the Result."""
    s, task = settings, TASKS[settings.task]
    (build, cell), (m, o) = CONTENDERS[s.contender], task.sizes
    n, net = units(s.contender, m, o), Network(cell, task.loss, mean=True)
    objective = network.loss_and_gradient if cell else linear.loss_and_gradient
    weights, optimizer = build(np.random.default_rng([s.seed, 0]), m, n, o), optimize.adam(s.rate)
    state = optimizer.init(weights)
    try:
        for k in range(UPDATES):
            _, gradient = objective(
                net, weights, *task.draw(np.random.default_rng([s.seed, 2, k]), s.T, BATCH)
            )
            gradient = optimize.clip_by_norm(gradient, s.threshold)[0]
            state, update = optimizer.update(state, gradient)
            weights = add(weights, update)
        x, y, mask = (task.examine or task.draw)(np.random.default_rng([s.seed, 1]), s.T, UNSEEN)
        z = network.forward(net, weights, x).z if cell else linear.forward(weights, x)[0]
    except FloatingPointError:  # overflow: the run is lost
        return Result(n, np.inf, np.inf, 0)
    loss, wrong = network.weighted_loss(net, z, y, mask)[0], task.wrong(z, y, mask)
    return Result(n, loss, wrong, int(wrong < task.least))


def chosen():
    """Return {(task, contender): rate}, once all rates have been tried."""
    path = DATA / "arena_rates.csv"
    if not path.exists():
        return {}
    _, _, *lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < len(EXPERIMENTS["arena_rates"].runs):
        return {}
    tried = defaultdict(list)
    for task, _, contender, *numbers in csv.reader(lines):
        _, rate, _, _, loss, wrong, solved = map(float, numbers)
        tried[(task, contender), rate].append((-solved, wrong, loss))
    merit = {run: tuple(np.mean(rows, axis=0)) for run, rows in tried.items()}
    return {case: min(RATES, key=lambda rate: merit[case, rate]) for case in CASES}


CASES, SEEDS = list(product(TASKS, CONTENDERS)), range(10)
EXPERIMENTS = {
    "arena_rates": Experiment(
        [
            Settings(task, TASKS[task].T, contender, CLIP, rate, seed)
            for (task, contender), rate, seed in product(CASES, RATES, range(100, 103))
        ]
    )
}
EXPERIMENTS |= {
    "arena": Experiment(
        [
            Settings(task, TASKS[task].T, contender, threshold, rate, seed)
            for ((task, contender), rate), threshold, seed in product(
                chosen().items(), (CLIP, float("inf")), SEEDS
            )
        ]
    ),
    "arena_lengths": Experiment(
        [
            Settings(task, T, contender, CLIP, rate, seed)
            for ((task, contender), rate), T, seed in product(chosen().items(), (12, 25, 50), SEEDS)
            if task in ("recall", "adding", "order")
        ]
    ),
}

if __name__ == "__main__":
    import sweep

    sweep.command(__file__)
