"""The training loop. Step k draws its batch from default_rng([seed, k]), so a run can stop anywhere,
and a resumed run takes the same steps, bit for bit."""

import json
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from . import files
from .network import forward, pass_both_ways
from .optimize import Optimizer, clip_by_norm
from .params import add, leaves, norm, not_finite
from .shapes import positive, whole
from .truncation import windows


class History(NamedTuple):
    """Loss and gradient norm (before clipping) at every step, each (steps,); NaN where one was skipped."""

    loss: np.ndarray
    norm: np.ndarray

    @property
    def skipped(self):
        """Return the number of steps that were skipped."""
        return int(np.isnan(self.loss).sum())


class _Plan(NamedTuple):
    """How a run learns; `seed` and what follows it is saved with the run, and has to be the same later."""

    network: tuple
    sample: Callable
    optimizer: Optimizer
    seed: int
    clip: float | None
    window: int | None
    skip_nonfinite: bool


def train(
    network,
    weights,
    sample,
    steps,
    optimizer,
    seed=0,
    clip=None,
    window=None,
    skip_nonfinite=False,
    path=None,
    every=100,
):
    """Take `steps` steps and return the weights and the History.

    sample(rng) -> x, y, mask draws a batch; `clip` bounds the global norm. With `window`, a batch is cut into
    windows of so many steps, with an update after each: the state is carried on, the gradient is not. A loss
    or gradient that is not finite raises FloatingPointError and names the first array; with `skip_nonfinite`
    the batch is left out. With `path` (.npz) the run is saved every `every` steps and at the end, and goes on
    from there if called with the same arguments. A progress bar shows unless CI or TQDM_DISABLE is set.
    """
    steps, every = whole("steps", steps, 0), whole("every", every, 1)
    clip = None if clip is None else positive("clip", clip, or_inf=True)
    window = None if window is None else whole("window", window, 1)
    if any(np.iscomplexobj(array) for array in leaves(weights)):
        raise ValueError("weights hold complex numbers, but training takes real ones")
    _rng(seed, 0)
    plan = _Plan(network, sample, optimizer, seed, clip, window, skip_nonfinite)
    run, history, first = (weights, optimizer.init(weights)), np.zeros((2, steps)), 0
    if path is not None:
        files.probe(path)
    if path is not None and os.path.exists(path):
        run, past = _resume(path, plan, run, steps)
        first = past.shape[1]
        history[:, :first] = past
    silent = bool(os.environ.keys() & {"CI", "TQDM_DISABLE"})
    for k in (bar := tqdm(range(first, steps), initial=first, total=steps, disable=silent)):
        run, history[:, k] = _step(plan, run, k)
        bar.set_postfix(loss=f"{history[0, k]:.4g}", refresh=False)
        if path is not None and ((k + 1) % every == 0 or k + 1 == steps):
            save(path, run, history[:, : k + 1], _settings(plan))
    return run[0], History(*history)


def _step(plan, run, k):
    """Return the run after step k, and the step's loss and norm."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return _learn(plan, *run, *plan.sample(_rng(plan.seed, k)))
    except FloatingPointError as error:
        if plan.skip_nonfinite:
            return run, (np.nan, np.nan)
        raise FloatingPointError(f"{error} at step {k}: try a smaller rate, or clip") from None


def _rng(seed, k):
    """Return the generator of step k."""
    try:
        return np.random.default_rng([*np.atleast_1d(seed).tolist(), k])
    except (TypeError, ValueError):
        raise ValueError(f"seed is {seed!r}, but must be a whole number of at least 0, or several") from None


def _learn(plan, weights, state, x, y, mask=None):
    """Take one step, an update per window; return (weights, state), and the loss and the largest norm."""
    mask = np.ones(np.shape(x)[:2]) if mask is None else np.asanyarray(mask)
    loss, largest, start = 0.0, 0.0, None
    for now in windows(len(x), plan.window or len(x)):
        if mask.any() and not mask[now].any():  # nothing to learn from, and perhaps much to remember
            start = forward(plan.network, weights, x[now], start).end
            continue
        run, E, gradient = pass_both_ways(plan.network, weights, x[now], y[now], mask[now], start)
        length, start = norm(gradient), run.end
        if not np.isfinite(E + length):
            first = f", first in {not_finite(gradient)[0]}," if not_finite(gradient) else ""
            raise FloatingPointError(f"loss {E}, gradient {length}{first}")
        if plan.clip is not None:
            gradient = clip_by_norm(gradient, plan.clip)[0]
        state, update = plan.optimizer.update(state, gradient)
        weights = add(weights, update)
        if not_finite(weights):
            raise FloatingPointError(f"an update beyond all numbers, first in {not_finite(weights)[0]},")
        loss += E * (mask[now].sum() / mask.sum() if plan.network.mean else 1)
        largest = max(largest, length)
    return (weights, state), (loss, largest)


def save(path, run, history, settings):
    """Write a run, its history (2, steps) and its settings, a dictionary, to `path`, as files.write does."""
    files.write(path, files.named(run) | {"history": history, "settings": _text(settings)})


def load(path, like, settings):
    """Return a saved run, shaped as `like`, and its history (2, steps).

    Raises ValueError if the file is damaged, or holds a run of other settings, or other arrays.
    """
    arrays = files.read(path)
    there, history = (arrays.pop(name, np.zeros(0)) for name in ("settings", "history"))
    if there.dtype.kind != "U" or history.shape[:-1] != (2,):
        raise ValueError(f"{path} is not a saved run")
    there = json.loads(str(there))
    for name, here in json.loads(_text(settings)).items():
        if there.get(name) != here:
            raise ValueError(f"{path} was made with {name} {there.get(name)}, not {here}: start another path")
    return files.fit(path, arrays, like), history


def _resume(path, plan, run, steps):
    """Return the run saved in `path` and its history, or raise ValueError if it is not the run of `plan`.

    Its first step is taken again: the network, the task and the first weights are the same if its loss is.
    """
    saved, past = load(path, run, _settings(plan))
    if past.shape[1] > steps:
        raise ValueError(f"{path} holds a run of {past.shape[1]} steps, more than the {steps} asked for")
    if 0 < past.shape[1] < steps:
        now, then = _step(plan, run, 0)[1][0], past[0, 0]
        if not np.isclose(now, then, rtol=1e-3, atol=0, equal_nan=True):
            raise ValueError(
                f"{path} began with the loss {then:.6g}, these arguments begin with {now:.6g}: it is the run "
                "of another network, task or first weights (or of a chaotic network on another processor)"
            )
    return saved, past


def _settings(plan):
    return {name: getattr(plan, name) for name in ("seed", "clip", "window", "skip_nonfinite")} | {
        "optimizer": plan.optimizer.settings
    }


def _text(settings):
    return json.dumps(settings, default=lambda value: np.asarray(value).tolist())
