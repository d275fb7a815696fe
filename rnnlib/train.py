"""The training loop. Step k draws its batch from default_rng([seed, k]), so a run can stop anywhere,
and a resumed run takes the same steps, bit for bit."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .network import loss_and_gradient
from .optimize import clip_by_norm
from .params import add, leaves, map_tree, norm


class History(NamedTuple):
    """Loss and gradient norm (before clipping) at every step so far, each (steps,)."""

    loss: np.ndarray
    norm: np.ndarray


def train(network, weights, sample, steps, optimizer, seed=0, clip=None, path=None, every=100):
    """Take `steps` steps and return the weights and the History.

    sample(rng) -> x, y, mask draws a batch; `clip` bounds the global norm. With `path` (.npz) the run is
    saved every `every` steps and at the end, and continues from that file if it is there; the optimizer,
    the task and `clip` must then be the same, which is not checked. A progress bar shows unless CI or
    TQDM_DISABLE is set. Raises FloatingPointError if the loss or the gradient is not finite.
    """
    state, history, first = optimizer.init(weights), np.zeros((2, steps)), 0
    if path is not None and Path(path).exists():
        (weights, state), past = load(path, (weights, state), seed)
        first = past.shape[1]
        if first > steps:
            raise ValueError(f"{path} holds a run of {first} steps, more than the {steps} asked for")
        history[:, :first] = past
    silent = bool(os.environ.keys() & {"CI", "TQDM_DISABLE"})
    for k in (bar := tqdm(range(first, steps), initial=first, total=steps, disable=silent)):
        E, gradient = loss_and_gradient(network, weights, *sample(np.random.default_rng([seed, k])))
        size = norm(gradient)
        if not np.isfinite(E + size):
            raise FloatingPointError(f"loss {E}, gradient {size} at step {k}: try a smaller rate, or clip")
        if clip is not None:
            gradient = clip_by_norm(gradient, clip)[0]
        state, update = optimizer.update(state, gradient)
        weights, history[:, k] = add(weights, update), (E, size)
        bar.set_postfix(loss=f"{E:.4g}", refresh=False)
        if path is not None and ((k + 1) % every == 0 or k + 1 == steps):
            save(path, (weights, state), history[:, : k + 1], seed)
    return weights, History(*history)


def save(path, tree, history, seed):
    """Write a run to `path`: beside it first, then renamed, so that a reader never sees half a file."""
    beside = Path(f"{path}.part")
    beside.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"leaf_{k}": leaf for k, leaf in enumerate(leaves(tree))}
    with beside.open("wb") as file:
        np.savez(file, seed=seed, history=history, **arrays)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load(path, like, seed):
    """Return the tree, shaped as `like`, and the history (2, steps) of a saved run; no pickle is read.

    Raises ValueError if the file holds another seed, or arrays of another shape or dtype.
    """
    with np.load(path, allow_pickle=False) as file:
        if not {"seed", "history"} <= set(file.files):
            raise ValueError(f"{path} is not a saved run")
        if int(file["seed"]) != seed:
            raise ValueError(f"{path} was made with seed {int(file['seed'])}, not {seed}")
        found = [file[f"leaf_{k}"] for k in range(len(file.files) - 2)]
        history = file["history"]
    wanted = leaves(like)
    if [(a.shape, a.dtype) for a in found] != [(a.shape, a.dtype) for a in wanted]:
        raise ValueError(f"{path} holds another network or optimizer: its arrays do not fit")
    parts = iter(found)
    return map_tree(lambda _: next(parts), like), history
