"""A gradient of 4096 steps in a sixteenth of the memory: peak bytes and processor time, against one pass.

    python benchmarks/checkpoint.py    # recorded in chapters/data/checkpoint.csv

The budget is a sixteenth of the peak of one pass, as tracemalloc measures it. Both ways take turns; the time
is the median of the rounds' ratios.
"""

import csv
import time
import tracemalloc
from pathlib import Path
from statistics import median

import numpy as np

from rnnlib import cells, checkpoint, initialize, network, readout

RECORD = Path(__file__).resolve().parent.parent / "chapters" / "data" / "checkpoint.csv"
CASES = [  # cell, layers, B, n
    ("tanh", 1, 32, 128),
    ("lstm", 1, 16, 128),
    ("gru", 2, 16, 64),
    ("tanh", 1, 4, 32),
]
T, ROUNDS = 4096, 5


def problem(cell, layers, B, n):
    """Return the arguments of a gradient."""
    rng, cell = np.random.default_rng(0), getattr(cells, cell.upper())
    weights = initialize.weights(rng, cell, 8, n, 4, layers)
    net = network.Network(cell, readout.squared_error)
    return net, weights, rng.standard_normal((T, B, 8)), rng.standard_normal((T, B, 4))


def peak(gradient):
    tracemalloc.start()
    gradient()
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return held


def seconds(gradient):
    start = time.process_time()
    gradient()
    return time.process_time() - start


def compare(case):
    """Return the peak of one pass in bytes, what is held of it with the budget, and the ratio of times."""
    given = problem(*case)
    whole = lambda: network.loss_and_gradient(*given)
    all_of_it = peak(whole)
    less = lambda: checkpoint.loss_and_gradient(*given, budget=all_of_it // 16)
    share = peak(less) / all_of_it
    ratios = [seconds(less) / seconds(whole) for _ in range(ROUNDS)]
    return all_of_it, share, median(ratios)


if __name__ == "__main__":
    rows = []
    for case in CASES:
        all_of_it, share, ratio = compare(case)
        rows.append([*case, f"{all_of_it / 1e6:.0f}", f"{share:.4f}", f"{ratio:.2f}"])
        print(*rows[-1], flush=True)
    head = ["cell", "layers", "B", "n", "all states, MB", "memory", "time"]
    with RECORD.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])
