"""The recorded runs of the character model: fills chapters/data/character_model.csv.

    python tools/character_model.py            # what is missing of the record
    python tools/character_model.py weights    # the weights of one row, KEPT, that the chapter reads

A row is one network that learns Alice's Adventures in Wonderland: its settings; the bits per character of the
test text, by the weights that were best on the validation text and by the last ones; at which update the best
ones were there; then, after every hundred updates, the bits of the training text (mean of these hundred,
blanked characters included) and of the validation text.
"""

import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnlib import files, initialize, network, optimize, readout, truncation
from rnnlib.cells import GRU, LSTM, TANH
from rnnlib.network import Network
from rnnlib.params import add, cast, scale

DATA = Path(__file__).resolve().parent.parent / "chapters" / "data"
CELLS = {"tanh": TANH, "lstm": LSTM, "gru": GRU}
UNITS = {"tanh": 202, "lstm": 95, "gru": 112}  # each has about 69 000 weights
UPDATES, EVERY, STREAMS, WINDOW, WARM = 2500, 100, 32, 50, 500
MARKS = range(EVERY, UPDATES + 1, EVERY)


class Settings(NamedTuple):
    """One run. Of the characters a share `blank` is not shown, anew in every window; seed draws all."""

    cell: str
    units: int
    rate: float
    blank: float
    seed: int


Result = NamedTuple(
    "Result",
    [("test", float), ("last", float), ("stopped", int)]
    + [(f"{name}_{k}", float) for name in ("train", "valid") for k in MARKS],
)


class Experiment(NamedTuple):
    """The runs, and how long each is; all else is in `learn`."""

    runs: list
    updates: int = UPDATES


def text():
    """Return the tokens of the text, the number of its symbols, and where validation and test text begin."""
    characters = files.data("alice.txt").read_text(encoding="utf-8")
    number = {c: k for k, c in enumerate(sorted(set(characters)))}
    length = len(characters)
    return np.array([number[c] for c in characters]), len(number), length * 8 // 10, length * 9 // 10


def streams(tokens, count):
    """Return the text as `count` parallel streams, time first, and what follows each of their characters."""
    length = (len(tokens) - 1) // count
    cut = lambda start: tokens[start : start + length * count].reshape(count, length).T
    return cut(0), cut(1)


def bits(net, weights, tokens, given, rows):
    """Return the bits of each of the tokens but the first `given`, which the network has read."""
    z = network.forward(net, weights, rows[tokens[:-1]][:, None]).z[:, 0].astype(float)
    E, _ = readout.softmax_cross_entropy(z, rows[tokens[1:]].astype(float))
    return E[given - 1 :] / np.log(2)


def first_weights(settings, symbols):
    """Return the network and the weights it begins with."""
    net, rng = Network(CELLS[settings.cell], mean=True), np.random.default_rng(settings.seed)
    entries = lambda rng, shape: 0.5 * rng.standard_normal(shape)  # one of a row of x is 1, the others are 0
    weights = initialize.weights(rng, net.cell, symbols, settings.units, symbols, inputs=entries)
    if settings.cell == "lstm":
        weights = weights._replace(layers=(initialize.forget_bias(weights.layers[0], 1.0),))
    return net, cast(weights, np.float32)


def learn(settings, updates):
    """Yield the weights and the loss in bits after each of `updates` updates."""
    tokens, symbols, valid, _ = text()
    net, weights = first_weights(settings, symbols)
    rows, rng = np.eye(symbols, dtype=np.float32), np.random.default_rng([settings.seed, 1])
    now, following = streams(tokens[:valid], STREAMS)
    windows, adam = truncation.windows(len(now), WINDOW), optimize.adam(1.0)
    state, start = adam.init(weights), None
    for k in range(updates):
        window = windows[k % len(windows)]
        start = start if k % len(windows) else None  # the streams begin again
        shown = rng.random(now[window].shape) >= settings.blank
        x, y = rows[now[window]] * shown[..., None].astype(np.float32), rows[following[window]]
        run, E, gradient = network.pass_both_ways(net, weights, x, y, None, start)
        state, update = adam.update(state, optimize.clip_by_norm(gradient, 1.0)[0])
        weights = add(weights, scale(update, settings.rate * (1 - k / updates)))
        start = run.end
        yield net, weights, float(E) / np.log(2)


def best(settings, updates):
    """Return the network, the weights best on the validation text, the last ones, and the two curves."""
    tokens, symbols, valid, test = text()
    rows, train, held_out, least, kept = np.eye(symbols, dtype=np.float32), [], [], np.inf, None
    for k, (net, weights, loss) in enumerate(learn(settings, updates), 1):
        train.append(loss)
        if k % EVERY == 0:
            held_out.append(bits(net, weights, tokens[valid - WARM : test], WARM, rows).mean())
            if held_out[-1] < least:
                least, kept = held_out[-1], weights
    return net, kept, weights, np.reshape(train, (-1, EVERY)).mean(axis=1), np.array(held_out)


def run(experiment, settings):
    """Train once and return the Result."""
    tokens, symbols, _, test = text()
    net, kept, last, train, held_out = best(settings, experiment.updates)
    tested = tokens[test - WARM :], WARM, np.eye(symbols, dtype=np.float32)
    ends = [bits(net, weights, *tested).mean() for weights in (kept, last)]
    return Result(*ends, EVERY * (held_out.argmin() + 1), *train, *held_out)


SEEDS = range(3)
BETTER = {"tanh": 0.01, "lstm": 0.02, "gru": 0.02}  # of two rates, on the validation text, by seed 0
RUNS = [Settings(c, UNITS[c], BETTER[c], 0.2, s) for c, s in product(UNITS, SEEDS)]
RUNS += [Settings("gru", UNITS["gru"], 0.01, blank, s) for blank, s in product((0.2, 0.0), SEEDS)]
RUNS += [Settings("tanh", UNITS["tanh"], 0.02, 0.2, 0), Settings("lstm", UNITS["lstm"], 0.01, 0.2, 0)]
EXPERIMENTS = {"character_model": Experiment(RUNS)}
KEPT = Settings("gru", UNITS["gru"], 0.01, 0.2, 0)


def keep():
    """Write the weights of the row KEPT, in half precision."""
    files.write(DATA / "character_model.npz", files.named(cast(best(KEPT, UPDATES)[1], np.float16)))


if __name__ == "__main__":
    if sys.argv[1:] == ["weights"]:
        keep()
    else:
        import sweep

        sweep.command(__file__)
