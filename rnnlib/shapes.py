"""Bad input is refused once, at the border, by naming it."""

import numpy as np


def expect(name, array, shape, like=None):
    """Return `array` if it is a finite floating-point array of `shape`, else raise ValueError.

    A letter in `shape` stands for any size of at least one: expect("x", x, ("T", "B", 3)). If `like` is
    given, the precision must be that of `like`; a complex step may ride on either.
    """
    wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is a {type(array).__name__}, but must be an array of shape {wanted}")
    if not np.issubdtype(array.dtype, np.inexact):
        hint = "must be floating point (tokens: see tasks.one_hot)"
        raise ValueError(f"{name} has dtype {array.dtype}, but {hint}")
    sizes = zip(array.shape, shape, strict=False)  # the number of axes is compared as well
    fits = all(got >= 1 if isinstance(want, str) else got == want for got, want in sizes)
    if array.ndim != len(shape) or not fits:
        hint = " (an empty sequence has no loss)" if 0 in array.shape else ""
        raise ValueError(f"{name} has shape {array.shape}, but must have shape {wanted}{hint}")
    if like is not None and array.real.dtype != like.real.dtype:
        hint = f"choose one, e.g. {name}.astype(np.{like.real.dtype})"
        raise ValueError(f"{name} has dtype {array.dtype}, but the parameters have {like.dtype}: {hint}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or inf")
    return array
