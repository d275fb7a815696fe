"""Witnesses for a gradient. Each takes E, a function of a parameter tree; none knows how E is computed."""

import numpy as np

from .params import flatten, leaves, map_tree, norm, unflatten


def complex_step(E, params, step=1e-30):
    """Return dE/dparams, entry by entry, as Im E(p + i step) / step: exact to rounding [squire1998].

    E must be analytic around `params`: no abs, no max; at a kink of relu it picks one side.
    """
    flat = flatten(params).astype(complex)

    def entry(k):
        bumped = flat.copy()
        bumped[k] += 1j * step
        return _imaginary(E(unflatten(bumped, params))) / step

    return unflatten(np.array([entry(k) for k in range(len(flat))]), params)


def central_difference(E, params, step=6e-6):
    """Return dE/dparams as (E(p + step) - E(p - step)) / (2 step).

    Its error is of order step^2 E''' / 6 + rounding / step; the default step is eps^(1/3) of float64.
    """
    flat = flatten(params)

    def at(k, shift):
        moved = flat.copy()
        moved[k] += shift
        return E(unflatten(moved, params))

    slopes = [(at(k, step) - at(k, -step)) / (2 * step) for k in range(len(flat))]
    return unflatten(np.array(slopes), params)


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
    """
    truth = witness(E, params)
    for name, ours, theirs in zip(names(params), leaves(gradient), leaves(truth), strict=True):
        if np.shape(ours) != np.shape(theirs):
            raise AssertionError(f"dE/d{name} has shape {np.shape(ours)}, but must have {np.shape(theirs)}")
        error = relative_error(ours, theirs)
        if not error <= tolerance:
            k = np.unravel_index(np.argmax(np.abs(ours - theirs)), np.shape(ours))
            raise AssertionError(
                f"dE/d{name}: relative error {error:.1e} > {tolerance:.0e}; at {tuple(map(int, k))} "
                f"the gradient is {ours[k]:.12g}, the witness says {theirs[k]:.12g}"
            )


def names(tree, prefix=""):
    """List the path of every array of a tree: 'layers.0.W_hh', 'readout.b_y', and so on."""
    if not isinstance(tree, tuple):
        return [prefix]
    keys = getattr(tree, "_fields", range(len(tree)))
    joined = [f"{prefix}.{key}" if prefix else str(key) for key in keys]
    return [name for key, branch in zip(joined, tree, strict=True) for name in names(branch, key)]


def _imaginary(value):
    """Return Im value; a real value means that E has dropped the step: it would pass for a zero gradient."""
    if not np.iscomplexobj(value):
        raise ValueError("E returned a real number: a complex step needs an E that keeps imaginary parts")
    return np.imag(value)
