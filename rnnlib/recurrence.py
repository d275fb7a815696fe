"""Three equations, three functions: a recurrent layer and its gradient, for every cell.

    a_t = W_hh h_{t-1} + W_hx x_t + b_h                          forward
    delta_t = f'(a_t) * (dE_t/dh_t + W_hh^T delta_{t+1})         deltas, BPTT [werbos1990]
    dE/dW_hh = sum_t delta_t h_{t-1}^T, and the like             gradients

Arrays are time-major (T, B, n). A batch is a stack of rows, so the text's W h is `h @ W.T` and its
W^T delta is `delta @ W`.
"""

from typing import NamedTuple

import numpy as np

from . import kernels
from .params import leaves
from .shapes import expect, fits


class Params(NamedTuple):
    """A recurrent layer of n units over m inputs; a cell with G gates stacks G blocks of n rows.

    Shapes: W_hh (G n, n), W_hx (G n, m), b_h (G n,). A bias b_r (G n,) of r = W_hh h + b_r, () if there is
    none, says more than b_h only where a gate acts on r: PyTorch's GRU has one, and calls it bias_hh.
    """

    W_hh: np.ndarray
    W_hx: np.ndarray
    b_h: np.ndarray
    b_r: np.ndarray = ()


class State(NamedTuple):
    """What one step hands to the next: h (B, n) and the memory c (B, n), () where the cell has none."""

    h: np.ndarray
    c: np.ndarray = ()


class Tape(NamedTuple):
    """What a forward pass leaves behind for the backward pass; it shares no memory with what it was given.

    x (T, B, m); h (T+1, B, n), where h[0] is given and h[t] follows x[t-1]; c likewise, (T+1, B, 0) where
    the cell has no memory; kept, what is needed besides to go back: see `saved`; the kernel that ran, if any.
    """

    x: np.ndarray
    h: np.ndarray
    c: np.ndarray
    kept: list
    kernel: kernels.Kernel | None

    @property
    def saved(self):
        """Return what `cell.backward` needs to go back through step 1, 2, .. T: a list."""
        return kernels.saved(self.kernel, self) if self.kernel else self.kept


def forward(cell, params, x, start=None):
    """Run `cell` over x (T, B, m) from `start`, whose h and c have shape (B, n) or (n,), else from 0.

    Returns a Tape. Raises ValueError if a shape or a dtype does not fit, or if x is empty or not finite.
    """
    rows, n = check_params(cell, params)
    T, B, m = expect("x", x, ("T", "B", params.W_hx.shape[1]), like=params.W_hh).shape
    if start is None:
        start = State(0.0, 0.0)
    else:
        _check_start(cell, start, x, params.W_hh)
    dtype = np.result_type(x, *leaves(params), *leaves(start))
    h, c = np.empty((T + 1, B, n), dtype), np.empty((T + 1, B, n if cell.memory else 0), dtype)
    h[0], c[0] = start.h, start.c if cell.memory else ()
    kernel, one_bias = kernels.KERNELS.get(cell), isinstance(params.b_r, tuple)
    if kernel and one_bias:
        return Tape(x.copy(), h, c, kernels.forward(kernel, params, x, h, c), kernel)
    W_T, b_r, saved = np.ascontiguousarray(params.W_hh.T), 0.0 if one_bias else params.b_r, []
    drive = (x.reshape(T * B, m) @ params.W_hx.T + params.b_h).reshape(T, B, rows)
    for t in range(T):
        h[t + 1], c[t + 1], keep = cell.forward(drive[t], h[t] @ W_T + b_r, h[t], c[t])
        saved.append(keep)
    return Tape(x.copy(), h, c, saved, None)


def _check_start(cell, start, x, like):
    B, n = x.shape[1], like.shape[1]
    if cell.memory and isinstance(start.c, tuple):
        raise ValueError(
            f"c_0 is a tuple, but must be an array of shape ({n},) or ({B}, {n}): State(h_0, c_0)"
        )
    for name, s in (("h_0", start.h), ("c_0", start.c))[: 2 if cell.memory else 1]:
        expect(name, s, (n,) if np.ndim(s) == 1 else (B, n), like, why=f" for x of shape {x.shape}")


def check_params(cell, params):
    """Return (G n, n), or raise ValueError if the shapes of `params` do not fit `cell`."""
    expect("W_hh", params.W_hh, ("G*n", "n"))
    rows, n = params.W_hh.shape
    fits("W_hh", params.W_hh, (cell.gates * n, n))
    expect("W_hx", params.W_hx, (rows, "m"), like=params.W_hh)
    expect("b_h", params.b_h, (rows,), like=params.W_hh)
    if not isinstance(params.b_r, tuple):
        expect("b_r", params.b_r, (rows,), like=params.W_hh)
    return rows, n


def deltas(cell, params, tape, dE, carry=(0.0, 0.0)):
    """Return delta_t = f'(a_t) * (dE_t/dh_t + W_hh^T delta_{t+1}), t = T .. 1 [werbos1990].

    dE[t] is dE_t/dh_t, of the loss at t alone, (T, B, n). Returns dE/dd and dE/dr, each
    (T, B, G n), which differ only where a gate acts on r, and the carry (dE/dh, dE/dc)
    that leaves for before the first step. `carry` arrives from after the last step: pass
    it on, and the T steps may be cut anywhere; drop it, and BPTT is truncated there.
    """
    state = tape.h[1:].shape
    fits("dE", dE, state)
    if len(carry) != 2:
        raise ValueError(f"carry has {len(carry)} parts, but must be (dE/dh, dE/dc)")
    for name, error in zip(("dh", "dc"), carry, strict=True):
        if np.ndim(error):  # a number is an error for every unit
            fits(f"the carry's {name}", error, state[1:])
    if tape.kernel and tape.kernel is kernels.KERNELS.get(cell):
        dtype = np.result_type(dE, params.W_hh, tape.h, *carry)
        dh, dc = (np.full(state[1:], error, dtype) for error in carry)
        return *kernels.backward(tape.kernel, params, tape, dE, dh, dc), (dh, dc)
    return step_by_step(cell, params, tape, dE, *carry)


def step_by_step(cell, params, tape, dE, dh, dc):
    """Go back through any cell; the arguments and what is returned are those of `deltas`."""
    dtype, saved = np.result_type(dE, params.W_hh, tape.h, dh, dc), tape.saved
    delta, delta_r = np.empty((2, *dE.shape[:2], len(params.b_h)), dtype)
    for t in reversed(range(len(dE))):
        dd, dr, dh, dc = cell.backward(saved[t], dE[t] + dh, dc)
        delta[t], delta_r[t] = dd, dr
        dh = dh + dr @ params.W_hh
    return delta, delta_r, (dh, dc)


def gradients(tape, delta, delta_r, b_r=()):
    """Sum the outer products over time and batch: one matrix product per matrix. Returns Params.

    delta and delta_r (T, B, G n) are those of `deltas` for the same tape, b_r the bias of r, if there is one.
    """
    for name, d in (("delta", delta), ("delta_r", delta_r)):
        fits(name, d, (*tape.x.shape[:2], d.shape[-1]))
    h, x, delta, delta_r = (v.reshape(-1, v.shape[-1]) for v in (tape.h[:-1], tape.x, delta, delta_r))
    ones = np.ones(len(delta), delta.dtype)  # a product adds rows faster than sum(axis=0)
    return Params(delta_r.T @ h, delta.T @ x, ones @ delta, () if isinstance(b_r, tuple) else ones @ delta_r)


def to_inputs(params, delta):
    """Return dE/dx_t = W_hx^T delta_t, (T, B, m)."""
    T, B, rows = delta.shape
    return (delta.reshape(T * B, rows) @ params.W_hx).reshape(T, B, -1)
