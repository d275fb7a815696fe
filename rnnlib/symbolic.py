"""SymPy: the cells as scalar expressions, a network of one unit, unrolled, and matrices of free symbols.

Nothing here is used by the numerical library: it is what the library is compared with.
"""

from typing import NamedTuple

import sympy as sp


def logistic(a):
    """Return 1 / (1 + exp(-a))."""
    return 1 / (1 + sp.exp(-a))


def activation(f):
    """Return the scalar cell h' = f(d + r)."""
    return lambda d, r, h, c: (f(d[0] + r[0]), c)


def lstm(d, r, h, c):
    """Return h', c' of a scalar LSTM; d and r hold its four drives, in the order i, f, o, g."""
    i, f, o = (logistic(d[k] + r[k]) for k in range(3))
    c_new = f * c + i * sp.tanh(d[3] + r[3])
    return o * sp.tanh(c_new), c_new


def gru(d, r, h, c):
    """Return h', c of a scalar GRU; d and r hold its three drives, in the order z, s, q."""
    z, s = (logistic(d[k] + r[k]) for k in range(2))
    return z * h + (1 - z) * sp.tanh(d[2] + s * r[2]), c


class Unrolled(NamedTuple):
    """A network of one unit over T steps; lists start at time 0, where a and x are None."""

    w: sp.Symbol
    u: sp.Symbol
    b: sp.Symbol
    x: list
    a: list
    h: list


def unroll(f, T):
    """Return h_t = f(w h_{t-1} + u x_t + b), t = 1 .. T, as expressions in the symbols w, u, b, x_t, h_0."""
    w, u, b = sp.symbols("w u b")
    x = [None, *sp.symbols(f"x_1:{T + 1}")]
    a, h = [None], [sp.Symbol("h_0")]
    for t in range(1, T + 1):
        a.append(w * h[t - 1] + u * x[t] + b)
        h.append(f(a[t]))
    return Unrolled(w, u, b, x, a, h)


def matrix(name, rows, columns=1):
    """Return a matrix whose entries are free symbols: an identity between such matrices holds for all."""
    return sp.Matrix(rows, columns, sp.symbols(f"{name}_:{rows * columns}"))
