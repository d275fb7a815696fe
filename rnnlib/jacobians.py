"""Step Jacobians J_t = ds_t/ds_{t-1} of a state s = h, or s = (h, c), and what their products do.

J is always (T, d, d), of a run of one sequence; J[0] is J_1. Products are J_t ... J_1, latest on the left.
ValueError is raised for a J that has another form or is not finite.
"""

import numpy as np
from scipy.linalg import qr
from scipy.linalg.lapack import dgejsv

from .shapes import expect, whole


def steps(cell, params, tape):
    """Return J (T, d, d) along a Tape with B = 1: d = n, or 2 n for a cell with memory, h before c.

    Row i of J_t is what `cell.backward` makes of the i-th unit error; for one gate J_t = diag(f'(a_t)) W_hh.
    """
    if tape.h.shape[1] != 1:
        raise ValueError(f"the tape holds {tape.h.shape[1]} sequences, but must hold one")
    n = tape.h.shape[-1]
    errors = np.eye(2 * n if cell.memory else n)
    return np.stack([_pull_back(cell, params, saved, errors) for saved in tape.saved])


def _pull_back(cell, params, saved, errors):
    n = params.W_hh.shape[1]
    _, dr, dh, dc = cell.backward(saved, errors[:, :n], errors[:, n:] if cell.memory else 0.0)
    dh = dh + dr @ params.W_hh
    return np.hstack([dh, dc]) if cell.memory else dh


def _square(J):
    d = J.shape[-1] if np.ndim(J) and J.size else "d"
    return expect("J", J, ("T", d, d))


def products(J):
    """Return P (T, d, d), P[t-1] = J_t ... J_1. Entries over- or underflow as floating point does."""
    P = [_square(J)[0]]
    for J_t in J[1:]:
        P.append(J_t @ P[-1])
    return np.stack(P)


def log_singular_values(J):
    """Return ln sigma_i(J_t ... J_1), (T, d), largest first; -inf more than 300 decades below the largest.

    Every value is accurate relative to itself, not to the largest: the product is kept as Q diag(d) V by
    QR with pivoting, and one-sided Jacobi rotations take the values of diag(d) V [drmac2008].
    """
    size = _square(J).shape[1]
    Q, d, V, scale, logs = np.eye(size), np.ones(size), np.eye(size), 0.0, np.full(J.shape[:2], -np.inf)
    for t, J_t in enumerate(J):
        B = (J_t @ Q) * d
        rows = np.argsort(-np.abs(B).max(axis=1))  # large rows first, or small ones lose their digits
        Q, R, order = qr(B[rows], pivoting=True)
        Q = Q[np.argsort(rows)]
        d = np.abs(np.diag(R))
        if d[0] == 0:
            break
        graded = np.empty_like(R)
        graded[:, order] = R / np.where(d > 0, d, 1)[:, None]
        V, scale, d = graded @ V, scale + np.log(d[0]), d / d[0]
        d[d < 1e-300] = 0  # LAPACK takes every value for zero if one row is about to underflow
        values = dgejsv((d[:, None] * V).T, joba=0, jobu=3, jobv=3, jobr=0, jobp=0)[0]
        with np.errstate(divide="ignore"):
            logs[t] = scale + np.log(values)
    return logs


def lyapunov_exponents(J, skip=0):
    """Return the d rates lambda_i = lim 1/T ln sigma_i(J_T ... J_1), by QR at every step [benettin1980].

    The frame settles during the first `skip` steps; exp(lambda_i) is a factor per step.
    """
    if whole("skip", skip, 0) >= len(_square(J)):
        raise ValueError(f"skip is {skip}, but must be less than the {len(J)} steps of J")
    Q, total = np.eye(J.shape[1]), 0.0
    for t, J_t in enumerate(J):
        Q, R = np.linalg.qr(J_t @ Q)
        if t >= skip:
            with np.errstate(divide="ignore"):
                total = total + np.log(np.abs(np.diag(R)))
    return total / (len(J) - skip)


def lag_triangle(J, dE):
    """Return the norms |dE_t/dh_k|, (T, T) with row t and column k, zero above the diagonal.

    dE[t] is dE_t/dh_t, (T, d). All losses go back together, one product per step.
    """
    T = len(_square(J))
    expect("dE", dE, J.shape[:2])
    norms, errors = np.zeros((T, T)), np.zeros_like(dE)
    for k in reversed(range(T)):
        errors[k] = dE[k]
        norms[:, k] = np.linalg.norm(errors, axis=1)
        errors = errors @ J[k]
    return norms
