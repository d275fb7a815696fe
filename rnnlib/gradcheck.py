"""Witnesses for a gradient. Each takes E, a function of a parameter tree; none knows how E is computed."""

import numpy as np

from .params import flatten, leaves, map_tree, names, norm, unflatten


def complex_step(E, params, step=1e-30):
    """Return dE/dparams, entry by entry, as Im E(p + i step) / step: exact to rounding [squire1998].

    E must be analytic around `params`: no abs, no max, no conj, no vdot; at a kink of relu it picks one side.
    Raises ValueError if E drops the step.
    """
    point = _vector(params)
    flat = point.astype(np.result_type(point, np.complex64))

    def entry(k):
        bumped = flat.copy()
        bumped[k] += 1j * step
        return _imaginary(E(unflatten(bumped, params))) / step

    slopes = np.array([entry(k) for k in range(len(flat))], point.dtype)
    if not slopes.any() and abs(_slope(E, params, point, np.ones_like(point))) > 1e-3:
        raise ValueError("E moves with its parameters, but no imaginary part arrives: is it analytic?")
    return unflatten(slopes, params)


def central_difference(E, params, step=None):
    """Return dE/dparams as (E(p + step) - E(p - step)) / (2 step).

    Its error is of order step^2 E''' / 6 + rounding / step; the default step is eps^(1/3) of the
    parameters' precision, 6e-6 in float64.
    """
    point = _vector(params)
    slopes = [_slope(E, params, point, axis, step) for axis in np.eye(len(point), dtype=point.dtype)]
    return unflatten(np.array(slopes), params)


def _slope(E, params, point, direction, step=None):
    step = point.dtype.type(np.finfo(point.dtype).eps ** (1 / 3) if step is None else step)
    ahead, behind = (E(unflatten(point + sign * step * direction, params)) for sign in (1, -1))
    return (ahead - behind) / (2 * step)


def _vector(params):
    """Return all entries as one vector in float32 or float64 (so do integers), or raise ValueError."""
    _tuples("params", params)
    flat = flatten(params)
    flat = flat.astype(float) if flat.dtype.kind in "biu" else flat
    if flat.dtype not in (np.float32, np.float64):
        raise ValueError(f"params hold {flat.dtype}, but a witness takes float32 or float64: see params.cast")
    return flat


def _tuples(name, tree):
    """Raise ValueError unless `tree` is an array, or a tuple of trees."""
    for branch in tree if isinstance(tree, tuple) else [tree]:
        if isinstance(branch, tuple):
            _tuples(name, branch)
        elif isinstance(branch, list | dict):
            hint = "tuple(...)" if isinstance(branch, list) else "tuple(... .values())"
            kind = type(branch).__name__
            raise ValueError(f"{name} holds a {kind}, but must be arrays in (nested) tuples: {hint}")


def directional(E, params, direction, step=1e-30):
    """Return the derivative of E along `direction` by one complex step: all entries for one call of E."""
    return _imaginary(E(map_tree(lambda p, d: p + 1j * step * d, params, direction))) / step


def random_direction(rng, params):
    """Return a Gaussian tree of norm 1 shaped as `params`."""
    direction = map_tree(lambda p: rng.standard_normal(np.shape(p)), params)
    size = norm(direction)
    return map_tree(lambda d: d / size, direction)


def relative_error(a, b):
    """Return |a - b| / max(|a|, |b|) over all entries of two trees together; 0 if both vanish."""
    size = np.maximum(norm(a), norm(b))
    return norm(map_tree(np.subtract, a, b)) / size if size else 0.0


def assert_gradient(E, params, gradient, tolerance=1e-10, witness=complex_step):
    """Raise AssertionError, showing the worst entry both ways, unless `gradient` is dE/dparams.

    Each array of the tree is compared on its own, so that a small one cannot hide behind a large one.
    Parameters and gradient are arrays in (nested) tuples; in float32, ask for a tolerance of 1e-4.
    """
    truth = witness(E, params)
    _tuples("gradient", gradient)
    if len(leaves(gradient)) != len(leaves(params)):
        raise ValueError(f"gradient has the arrays {names(gradient)}, but params have {names(params)}")
    for name, ours, theirs in zip(names(params), leaves(gradient), leaves(truth), strict=True):
        if np.shape(ours) != np.shape(theirs):
            raise AssertionError(f"dE/d{name} has shape {np.shape(ours)}, but must have {np.shape(theirs)}")
        error = relative_error(ours, theirs)
        if not error <= tolerance:
            ours, theirs = np.asarray(ours), np.asarray(theirs)
            k = np.unravel_index(np.argmax(np.abs(ours - theirs)), ours.shape)
            raise AssertionError(
                f"dE/d{name}: relative error {error:.1e} > {tolerance:.0e}; at {tuple(map(int, k))} "
                f"the gradient is {ours[k]:.12g}, the witness says {theirs[k]:.12g}"
            )


def _imaginary(value):
    """Return Im value; a real value means that E has dropped the step: it would pass for a zero gradient."""
    if not np.iscomplexobj(value):
        raise ValueError("E returned a real number: a complex step needs an E that keeps imaginary parts")
    return np.imag(value)
