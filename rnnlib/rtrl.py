"""Forward mode: the gradient of one sequence carried along with the state, without looking back.

An independent witness: it shares the cells' *forward* formulas with the rest of rnnlib, no derivative.
With theta = (W_hh, W_hx, b_h, b_r, h_0, c_0) as one vector of P entries and s = (h, c), a step obeys

    ds_t/dtheta = (ds_t/ds_{t-1}) ds_{t-1}/dtheta + d^+ s_t/dtheta            [williams1989]

where d^+ holds s_{t-1} fixed. One sequence has x (T, m), h_0 and c_0 (n,), and dE (T, n), dE[t] = dE_t/dh_t;
the c_0 of a cell without memory may be (). Raises ValueError if a shape does not fit.
"""

import numpy as np

from .params import flatten, unflatten
from .shapes import expect, fits

STEP = 1e-30  # of the complex step that differentiates a cell


def tangent(cell, d, r, h, c, dd, dr, dh, dc):
    """Push K tangents through one step: dd, dr (K, G n) and dh, dc (K, n). Returns h', c', dh', dc'.

    The tangents ride as the imaginary parts of K copies of the step.
    """
    moved = [value + 1j * STEP * move for value, move in ((d, dd), (r, dr), (h, dh), (c, dc))]
    h_new, c_new, _ = cell.forward(*moved)
    return h_new[0].real, c_new[0].real, h_new.imag / STEP, c_new.imag / STEP


def immediate(params, x, h):
    """Return the immediate derivatives d^+d/dtheta and d^+r/dtheta of the drives, each (P, G n)."""
    rows, n = params.W_hh.shape
    eye, zeros = np.eye(rows), np.zeros
    by_W_hh, by_W_hx, by_b_r = np.kron(eye, h[:, None]), np.kron(eye, x[:, None]), eye[: len(params.b_r)]
    dd = [zeros(by_W_hh.shape), by_W_hx, eye, zeros(by_b_r.shape), zeros((2 * n, rows))]
    dr = [by_W_hh, zeros(by_W_hx.shape), zeros(eye.shape), by_b_r, zeros((2 * n, rows))]
    return np.concatenate(dd), np.concatenate(dr)


def drives(params, x, h):
    """Return d = W_hx x + b_h and r = W_hh h + b_r, each (G n,)."""
    b_r = 0.0 if isinstance(params.b_r, tuple) else params.b_r
    return params.W_hx @ x + params.b_h, params.W_hh @ h + b_r


def rtrl(cell, params, x, h_0, c_0, dE):
    """Real-time recurrent learning: return dE/dparams, dE/dh_0 and dE/dc_0 in one sweep forward.

    It stores the influence dh/dtheta, (P, n), and dc/dtheta: O(n^3) numbers, but none per time step.
    """
    theta = _check(cell, params, x, h_0, c_0, dE)
    (_, h_0, c_0), P, n = theta, len(flatten(theta)), len(h_0)
    h, c, dh, dc = h_0, c_0, np.zeros((P, n)), np.zeros((P, n))
    dh[P - 2 * n : P - n], dc[P - n :] = np.eye(n), np.eye(n)
    gradient = np.zeros(P)
    for t in range(len(x)):
        dd, dr = immediate(params, x[t], h)
        d, r = drives(params, x[t], h)
        h, c, dh, dc = tangent(cell, d, r, h, c, dd, dr + dh @ params.W_hh.T, dh, dc)
        gradient += dh @ dE[t]
    return unflatten(gradient, theta)


def uoro(cell, params, x, h_0, c_0, dE, sign):
    """Unbiased online recurrent optimization: RTRL with the influence held at rank one [tallec2018].

    sign (T+1, 2 n) holds independent random signs, +1 or -1; over all of them the mean is the gradient of
    `rtrl`. Keeps two vectors, s~ (2 n,) and theta~ (P,), with
    E[theta~ s~^T] = ds/dtheta. Returns as `rtrl`.
    """
    theta = _check(cell, params, x, h_0, c_0, dE)
    (_, h_0, c_0), P, n = theta, len(flatten(theta)), len(h_0)
    fits("sign", sign, (len(x) + 1, 2 * n))
    h, c, gradient = h_0, c_0, np.zeros(P)
    s = sign[0].astype(float)  # ds_0/dtheta is the identity on (h_0, c_0)
    weight = np.concatenate([np.zeros(P - 2 * n), s])
    for t in range(len(x)):
        d, r = drives(params, x[t], h)
        dd, dr = immediate(params, x[t], h)
        along = s[None, :n], s[None, n:]
        _, _, *carried = tangent(cell, d, r, h, c, 0.0 * d[None], along[0] @ params.W_hh.T, *along)
        h, c, *fresh = tangent(cell, d, r, h, c, dd, dr, np.zeros((P, n)), np.zeros((P, n)))
        s, fresh = np.concatenate(carried, axis=1)[0], np.concatenate(fresh, axis=1) @ sign[t + 1]
        rho_0, rho_1 = _balance(weight, s), _balance(fresh, sign[t + 1])
        s = rho_0 * s + rho_1 * sign[t + 1]
        weight = weight / rho_0 + fresh / rho_1
        gradient += weight * (s[:n] @ dE[t])
    return unflatten(gradient, theta)


def _check(cell, params, x, h_0, c_0, dE):
    """Return theta = (params, h_0, c_0), or raise ValueError."""
    rows, m = np.shape(params.W_hx)
    n, T = rows // cell.gates, len(x)
    c_0 = np.zeros(n) if not cell.memory and isinstance(c_0, tuple) else c_0
    arrays = {"W_hh": (rows, n), "b_h": (rows,), "x": (T, m), "h_0": (n,), "c_0": (n,), "dE": (T, n)}
    for (name, shape), array in zip(arrays.items(), (params.W_hh, params.b_h, x, h_0, c_0, dE), strict=True):
        expect(name, array, shape)
    return params, h_0, c_0


def _balance(a, b):
    """Return rho = sqrt(|a| / |b|), which gives a / rho and rho b the same norm (1 if either is 0)."""
    size_a, size_b = np.linalg.norm(a), np.linalg.norm(b)
    return np.sqrt(size_a / size_b) if size_a and size_b else 1.0
