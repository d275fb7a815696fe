"""Parameters are trees: tuples (named or plain) of arrays, to any depth; () has no leaves.

A gradient, an update and an optimizer's moments have the shape of the parameters, so these few
functions are all the arithmetic they need.
"""

import numpy as np


def map_tree(function, tree, *others):
    """Apply `function` leaf by leaf to trees of the same structure."""
    if not isinstance(tree, tuple):
        return function(tree, *others)
    branches = [map_tree(function, *group) for group in zip(tree, *others, strict=True)]
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)


def leaves(tree):
    """List the arrays of a tree, in order."""
    return [leaf for branch in tree for leaf in leaves(branch)] if isinstance(tree, tuple) else [tree]


def zeros_like(tree):
    """Return the tree of zeros with the shapes and dtypes of `tree`."""
    return map_tree(np.zeros_like, tree)


def names(tree, prefix=""):
    """List the path of every array of a tree: 'layers.0.W_hh', 'readout.b_y', and so on."""
    if not isinstance(tree, tuple):
        return [prefix]
    keys = getattr(tree, "_fields", range(len(tree)))
    joined = [f"{prefix}.{key}" if prefix else str(key) for key in keys]
    return [name for key, branch in zip(joined, tree, strict=True) for name in names(branch, key)]


def not_finite(tree):
    """List the names of the arrays that hold NaN or inf."""
    return [name for name, u in zip(names(tree), leaves(tree), strict=True) if not np.isfinite(u).all()]


def add(a, b):
    """Return a + b; ValueError if two arrays differ in shape."""
    return map_tree(_plus, a, b)


def _plus(u, v):
    if np.shape(u) != np.shape(v):
        raise ValueError(f"an array of shape {np.shape(u)} and one of shape {np.shape(v)} cannot be added")
    return u + v


def scale(a, factor):
    """Return factor * a, in the dtype of a, which must not be of whole numbers."""
    return map_tree(lambda u: _times(u, factor), a)


def _times(u, factor):
    if u.dtype.kind in "biu":
        raise ValueError(f"an array of {u.dtype} cannot be scaled: whole numbers would lose the fraction")
    return u * u.dtype.type(factor)


def cast(tree, dtype):
    """Return the tree in another precision, e.g. np.float32."""
    return map_tree(lambda u: u.astype(dtype), tree)


def norm(tree):
    """Return the Euclidean norm of all entries together, sqrt(sum of squares).

    The largest entry is divided out first, so that exploded gradients do not overflow.
    """
    largest = float(np.max([np.abs(u).max(initial=0.0) for u in leaves(tree)], initial=0.0))
    if largest == 0.0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(sum(float(np.sum(np.abs(u / largest) ** 2)) for u in leaves(tree))))


def flatten(tree):
    """Return all entries as one vector (N,), in the order of `leaves`."""
    return np.concatenate([np.ravel(u) for u in leaves(tree)]) if leaves(tree) else np.zeros(0)


def unflatten(vector, like):
    """Cut a vector (N,) into a tree shaped as `like`; the inverse of `flatten`."""
    cuts = np.cumsum([np.size(u) for u in leaves(like)])
    if len(vector) != (cuts[-1] if len(cuts) else 0):
        raise ValueError(f"vector has {len(vector)} entries, the tree has {cuts[-1] if len(cuts) else 0}")
    parts = iter(np.split(vector, cuts[:-1]))
    return map_tree(lambda u: next(parts).reshape(np.shape(u)), like)
