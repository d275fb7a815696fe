"""Seconds for one loss and its whole gradient: rnnlib against PyTorch and JAX, on one thread.

    make bench                                         # all of it, recorded in chapters/data/speed.csv
    python benchmarks/speed.py --cells lstm --rounds 3 # a part of it, not recorded

Every contender has a process of its own, and they take turns, so that what else the machine does falls on all
alike. Before they are timed, their gradients are compared. A ratio is that of processor times, contender /
rnnlib, the median over the rounds: above 1, rnnlib is faster. "Fresh" is rnnlib in a process that has done
nothing else; the others have allocated and freed a large array before, after which the C library keeps memory
that it otherwise returns to the system after every call.
"""

import argparse
import csv
import multiprocessing
import os
import platform
import time
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import geometric_mean, median

import numpy as np

RECORD = Path(__file__).resolve().parent.parent / "chapters" / "data" / "speed.csv"
SHAPES = {  # T, B, m, n
    "a character at a time": (25, 1, 60, 100),
    "small": (20, 16, 10, 32),
    "adding problem": (100, 20, 2, 100),
    "pixel by pixel": (784, 32, 1, 128),
    "medium": (64, 64, 64, 256),
    "large": (35, 32, 128, 512),
    "long": (1000, 1, 16, 64),
}
CELLS = ("tanh", "lstm", "gru")
GATES = {"tanh": (0,), "lstm": (0, 1, 3, 2), "gru": (1, 0, 2)}  # of rnnlib, in the order of PyTorch
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}


def problem(cell, shape, dtype):
    """Return x, the classes, and W_hh, W_hx, b_h, W_yh, b_y of a problem."""
    T, B, m, n = shape
    classes, rows, rng = max(m, 10), len(GATES[cell]) * n, np.random.default_rng(0)
    x = np.eye(m)[rng.integers(m, size=(T, B))] if B == 1 else rng.standard_normal((T, B, m))
    y = rng.integers(classes, size=(T, B))
    shapes = (rows, n), (rows, m), (rows,), (classes, n), (classes,)
    return x.astype(dtype), y, [(rng.standard_normal(s) / np.sqrt(n)).astype(dtype) for s in shapes]


def by_rnnlib(cell, x, y, arrays):
    from rnnlib import cells, network
    from rnnlib.readout import Readout
    from rnnlib.recurrence import Params

    net = network.Network(getattr(cells, cell.upper()), mean=True)
    weights = network.Weights((Params(*arrays[:3]),), Readout(*arrays[3:]))
    one_hot = np.eye(len(arrays[4]), dtype=x.dtype)[y]

    def gradient():
        _, g = network.loss_and_gradient(net, weights, x, one_hot)
        return [*g.layers[0][:3], *g.readout]

    return gradient


def by_torch(cell, x, y, arrays):
    import torch

    torch.set_num_threads(1)
    n = arrays[0].shape[1]
    kind = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    dtype = getattr(torch, str(x.dtype))
    layer, readout = kind(x.shape[2], n, dtype=dtype), torch.nn.Linear(n, len(arrays[4]), dtype=dtype)
    layer.bias_hh_l0.requires_grad_(False).zero_()
    free = [layer.weight_hh_l0, layer.weight_ih_l0, layer.bias_ih_l0, readout.weight, readout.bias]
    x, y, order = torch.tensor(x), torch.tensor(y).reshape(-1), GATES[cell]

    def gates(array, order):
        return torch.cat([array.split(n)[k] for k in order])

    with torch.no_grad():
        for k, (mine, array) in enumerate(zip(free, arrays, strict=True)):
            array = torch.tensor(array)
            mine.copy_(gates(array, order) if k < 3 else array)

    def gradient():
        E = torch.nn.functional.cross_entropy(readout(layer(x)[0]).flatten(0, 1), y)
        g = torch.autograd.grad(E, free)
        return [*(gates(v, np.argsort(order)) for v in g[:3]), *g[3:]]

    return gradient


def by_jax(cell, x, y, arrays):
    import jax
    import jax.numpy as jnp

    T, B, m = x.shape
    logistic = jax.nn.sigmoid

    def step(state, drives):
        (h, c), (d, W_T) = state, drives
        r = h @ W_T
        if cell == "tanh":
            h = jnp.tanh(d + r)
        elif cell == "lstm":
            i, f, o, g = jnp.split(d + r, 4, axis=-1)
            c = logistic(f) * c + logistic(i) * jnp.tanh(g)
            h = logistic(o) * jnp.tanh(c)
        else:
            (d_z, d_s, d_q), (r_z, r_s, r_q) = jnp.split(d, 3, axis=-1), jnp.split(r, 3, axis=-1)
            z, q = logistic(d_z + r_z), jnp.tanh(d_q + logistic(d_s + r_s) * r_q)
            h = z * h + (1 - z) * q
        return (h, c), h

    def loss(arrays):
        W_hh, W_hx, b_h, W_yh, b_y = arrays
        d, zero = (
            (x.reshape(T * B, m) @ W_hx.T + b_h).reshape(T, B, -1),
            jnp.zeros((B, W_hh.shape[1]), x.dtype),
        )
        _, h = jax.lax.scan(lambda state, d_t: step(state, (d_t, W_hh.T)), (zero, zero), d)
        z = h.reshape(T * B, -1) @ W_yh.T + b_y
        return -jnp.take_along_axis(jax.nn.log_softmax(z), y.reshape(-1, 1), 1).mean()

    arrays, both = [jnp.asarray(array) for array in arrays], jax.jit(jax.grad(loss))
    return lambda: jax.block_until_ready(both(arrays))


CONTENDERS = {"rnnlib": by_rnnlib, "fresh": by_rnnlib, "torch": by_torch, "jax": by_jax}


def work(name, pipe):
    """Answer (cell, shape, dtype) with the gradient, and a number of seconds with those of one call."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if name != "fresh":
        np.empty(3_000_000)[:] = 0
    while asked := pipe.recv():
        if isinstance(asked, tuple):
            gradient = CONTENDERS[name](asked[0], *problem(*asked))
            pipe.send([np.array(v) for v in gradient()])
        else:
            start, calls = time.process_time(), 0
            while time.process_time() - start < asked or not calls:
                gradient()
                calls += 1
            pipe.send((time.process_time() - start) / calls)


def start(name):
    """Start a contender; return the pipe to it."""
    here, there = multiprocessing.Pipe()
    multiprocessing.Process(target=work, args=(name, there), daemon=True).start()
    return here


def compare(pipes, case, rounds, seconds):
    """Return the median seconds of rnnlib and the median ratios of the others for one case."""
    for pipe in pipes.values():
        pipe.send(case)
    gradients = {name: pipe.recv() for name, pipe in pipes.items()}
    for name, gradient in gradients.items():
        for ours, theirs in zip(gradients["rnnlib"], gradient, strict=True):
            off = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
            assert off < TOLERANCE[case[2]], f"{case}: the gradient of {name} is {off:.1e} off"
    times = {name: [] for name in pipes}
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(seconds)
            times[name].append(pipe.recv())
    ratios = {
        name: median(t / ours for t, ours in zip(times[name], times["rnnlib"], strict=True)) for name in times
    }
    return median(times["rnnlib"]), ratios


def processor():
    """Return the name of the processor, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    names = info.read_text(encoding="utf-8").split("model name")[1:] if info.exists() else []
    return names[0].split(":")[1].splitlines()[0].strip() if names else platform.machine()


def main(dtypes, cells, rounds, seconds):
    """Print the table, with the geometric mean for each precision; return its rows."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"  # the contenders read these when they start
    os.environ |= {
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    }
    multiprocessing.set_start_method("spawn")
    pipes, rows = {name: start(name) for name in CONTENDERS}, []
    print(f"{'':36}rnnlib, ms   fresh   torch     jax   (ratios of times to that of rnnlib)")
    for dtype in dtypes:
        best = []
        for cell, shape in product(cells, SHAPES):
            own, ratios = compare(pipes, (cell, SHAPES[shape], dtype), rounds, seconds)
            best.append(min(ratios["torch"], ratios["jax"]))
            others = [ratios[name] for name in ("fresh", "torch", "jax")]
            rows.append([dtype, cell, *SHAPES[shape], f"{1e3 * own:.3g}", *(f"{r:.2f}" for r in others)])
            print(
                f"{dtype} {cell:5}{shape:22}{1e3 * own:10.3g}  ", *(f"{r:7.2f}" for r in others), flush=True
            )
        mean, lowest = geometric_mean(best), min(best)
        print(f"{dtype}: better peer / rnnlib, geometric mean {mean:.2f}, lowest {lowest:.2f}")
    for pipe in pipes.values():
        pipe.send(None)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--dtypes", nargs="+", choices=TOLERANCE, default=list(TOLERANCE))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.1, help="of processor time for a contender's turn")
    options = parser.parse_args()
    rows = main(options.dtypes, options.cells, options.rounds, options.seconds)
    if len(rows) == len(TOLERANCE) * len(CELLS) * len(SHAPES):
        torch, jax, numpy = (f"{name} {version(name)}" for name in ("torch", "jax", "numpy"))
        here = f"{processor()}, Python {platform.python_version()}"
        head = [here, "cell", "T", "B", "m", "n", f"rnnlib with {numpy}, ms", "fresh", torch, jax]
        with RECORD.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *rows])
