"""The recorded runs of the book: `python tools/experiments.py recall` fills chapters/data/recall.csv.

A row is one training run: its settings; the ratio |dE/dh_0| / |dE/dh_T| before training; the loss at update
20; after how many updates it was last examined, on sequences it had not seen; how wrong its answers were
then, and whether that counts as solved. `tests/test_recorded_runs.py` runs rows again, taken at random.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnlib import initialize, network, optimize, readout, regularize, tasks
from rnnlib.cells import GRU, LSTM, RELU, TANH
from rnnlib.network import Network
from rnnlib.params import add

DATA = Path(__file__).resolve().parent.parent / "chapters" / "data"
CELLS = {"tanh": TANH, "relu": RELU, "lstm": LSTM, "gru": GRU}
BIAS = {"lstm": initialize.forget_bias, "gru": initialize.update_bias}  # lstm_3: an LSTM with forget bias 3
STARTS = {
    "gaussian": initialize.gaussian,
    "orthogonal": initialize.orthogonal,
    "identity": initialize.identity,
}


class Settings(NamedTuple):
    """One run. The threshold bounds the global norm of the gradient; omega is the regularizer's strength."""

    T: int
    activation: str
    start: str
    gain: float
    threshold: float
    omega: float
    seed: int


class Result(NamedTuple):
    """What a run came to."""

    ratio: float
    loss_20: float
    updates: int
    wrong: float
    solved: int


class Experiment(NamedTuple):
    """A task and how it is learned; a run is examined every `every` updates, and ends when it is solved."""

    task: Callable
    sizes: tuple  # m, n, o
    loss: Callable
    batch: int
    optimizer: optimize.Optimizer
    wrong: Callable  # z, y (T, B, o) and the mask (T, B) -> how wrong the answers are
    solved: float  # solved means wrong < solved
    every: int
    budget: int
    runs: list
    unseen: int = 1000  # sequences of an examination


def run(experiment, settings, budget=None):
    """Train once, for at most `budget` updates or the experiment's own, and return the Result."""
    e, s = experiment, settings
    cell, _, bias = s.activation.partition("_")
    net, rng = Network(CELLS[cell], e.loss, mean=True), np.random.default_rng(s.seed)
    start = partial(STARTS[s.start], gain=s.gain)
    weights = initialize.weights(rng, net.cell, *e.sizes, recurrent=start)
    if bias:
        weights = weights._replace(layers=(BIAS[cell](weights.layers[0], float(bias)),))
    unseen = e.task(np.random.default_rng([s.seed, 1]), s.T, e.unseen)
    state, ratio, loss_20 = e.optimizer.init(weights), carried(net, weights, *unseen[:2]), np.nan
    objective = (
        partial(regularize.loss_and_gradient, strength=s.omega) if s.omega else network.loss_and_gradient
    )
    last = budget or e.budget
    for k in range(1, last + 1):
        E, gradient = objective(net, weights, *e.task(np.random.default_rng([s.seed, 2, k]), s.T, e.batch))
        gradient = optimize.clip_by_norm(gradient, s.threshold)[0]
        state, update = e.optimizer.update(state, gradient)
        weights = add(weights, update)
        loss_20 = E if k <= 20 else loss_20
        if k % e.every == 0 or k == last:
            wrong = e.wrong(network.forward(net, weights, unseen[0]).z, *unseen[1:])
            if wrong < e.solved or not np.isfinite(wrong):
                break
    return Result(ratio, loss_20, k, wrong, int(wrong < e.solved))


def carried(net, weights, x, y):
    """Return |dE/dh_0| / |dE/dh_T| for a loss at the last step."""
    forward, at_end = network.forward(net, weights, x), np.zeros(x.shape[:2])
    at_end[-1] = 1
    _, r = network.weighted_loss(net, forward.z, y, at_end)
    _, _, (first,), _ = network.backward(net, weights, forward, r)
    return np.linalg.norm(first.h) / np.linalg.norm(r[-1] @ weights.readout.W_yh)


def grid(lengths, starts, seeds, methods=((1.0, 0.0),)):
    return [
        Settings(T, *start, *method, seed)
        for T, start, method, seed in product(lengths, starts, methods, range(seeds))
    ]


ROOT_2 = float(np.sqrt(2))
TANH_STARTS = [("tanh", "gaussian", 1.0), ("tanh", "orthogonal", 1.0), ("tanh", "identity", 1.0)]
RELU_STARTS = [("relu", "gaussian", ROOT_2), ("relu", "orthogonal", 1.0), ("relu", "identity", 1.0)]
SHRINKING = [("tanh", "gaussian", 0.5), ("tanh", "identity", 0.5), ("relu", "gaussian", 1.0)]
GATED = ["tanh", "lstm_0", "lstm_1", "lstm_3", "gru"]
NEVER = float("inf")


def temporal_order(rate, methods):
    return Experiment(
        task=tasks.temporal_order,
        sizes=(6, 50, 4),
        loss=readout.softmax_cross_entropy,
        batch=20,
        optimizer=optimize.sgd(rate),
        wrong=tasks.share_of_errors,
        solved=0.01,
        every=100,
        budget=4000,
        runs=grid((20, 50), TANH_STARTS[1:2], 5, methods),
    )


def reber(cell, units):
    return Experiment(
        task=tasks.reber,
        sizes=(7, units, 7),
        loss=readout.softmax_cross_entropy,
        batch=20,
        optimizer=optimize.adam(1e-2),
        wrong=tasks.outer_errors,
        solved=0.01,
        every=100,
        budget=4000,
        runs=grid((40,), [(cell, "orthogonal", 1.0)], seeds=10),
    )


EXPERIMENTS = {
    "recall": Experiment(
        task=tasks.recall,
        sizes=(2, 32, 2),
        loss=readout.softmax_cross_entropy,
        batch=64,
        optimizer=optimize.adam(1e-3),
        wrong=tasks.share_of_errors,
        solved=0.01,
        every=50,
        budget=600,
        runs=grid((20, 100, 300), SHRINKING + TANH_STARTS + RELU_STARTS, seeds=10),
    ),
    "adding": Experiment(
        task=tasks.adding,
        sizes=(2, 100, 1),
        loss=readout.squared_error,
        batch=20,
        optimizer=optimize.adam(1e-3),
        wrong=tasks.mean_square,
        solved=0.01,
        every=100,
        budget=5000,
        runs=grid((100,), TANH_STARTS + RELU_STARTS, seeds=5),
    ),
    "gates": Experiment(
        task=tasks.adding,
        sizes=(2, 32, 1),
        loss=readout.squared_error,
        batch=20,
        optimizer=optimize.adam(1e-2),
        wrong=tasks.mean_square,
        solved=0.01,
        every=100,
        budget=3000,
        runs=grid((100, 200), [(cell, "orthogonal", 1.0) for cell in GATED], seeds=5),
    ),
    "recall_long": Experiment(
        task=tasks.recall,
        sizes=(2, 32, 2),
        loss=readout.softmax_cross_entropy,
        batch=32,
        optimizer=optimize.adam(1e-3),
        wrong=tasks.share_of_errors,
        solved=0.01,
        every=25,
        budget=300,
        runs=grid(
            (1000,),
            [(cell, "orthogonal", 1.0) for cell in ("tanh", "lstm_1", "gru", "lstm_7", "gru_7")],
            seeds=3,
        ),
    ),
    "reber_tanh": reber("tanh", 19),  # each has about 520 parameters
    "reber_lstm": reber("lstm_1", 8),
    "reber_gru": reber("gru", 10),
    "order": temporal_order(0.1, [(NEVER, 0), (10, 0), (3, 0), (1, 0), (0.3, 0), (0.1, 0), (1, 0.1)]),
    "order_slow": temporal_order(0.01, [(NEVER, 0), (1, 0), (1, 0.1)]),
}


if __name__ == "__main__":
    import sweep

    sweep.command(__file__)
