"""Bad input is refused once, at the border, by naming it, what it is and what it must be."""

import operator

import numpy as np


def expect(name, array, shape, like=None, why=""):
    """Return `array` if it is a finite floating-point array of `shape`, else raise ValueError.

    A letter in `shape` stands for any size of at least one: expect("x", x, ("T", "B", 3)). If `like` is
    given, the precision must be that of `like`; a complex step may ride on either. `why` says where a shape
    comes from. Subclasses of arrays are refused: * and @ do something else in a matrix or a masked array.
    """
    if type(array) is not np.ndarray:
        hint = f": numpy.asarray({name})" if isinstance(array, np.ndarray) else ""
        what = f"an array of shape {_written(shape)}{hint}"
        raise ValueError(f"{name} is a {type(array).__name__}, but must be {what}")
    if array.dtype.kind not in "fc":
        hint = "must be floating point (tokens: see tasks.one_hot)"
        raise ValueError(f"{name} has dtype {array.dtype}, but {hint}")
    sizes = zip(array.shape, shape, strict=False)  # the number of axes is compared as well
    wrong = [1 for got, want in sizes if got != want and not (got and isinstance(want, str))]
    if wrong or array.ndim != len(shape):
        empty = [want for got, want in zip(array.shape, shape, strict=False) if got == 0 and want == "T"]
        hint = " (an empty sequence has no loss)" if empty else why
        raise ValueError(f"{name} has shape {array.shape}, but must have shape {_written(shape)}{hint}")
    if like is not None and array.dtype != like.dtype and array.real.dtype != like.real.dtype:
        hint = f"choose one, e.g. {name}.astype(np.{like.real.dtype})"
        raise ValueError(f"{name} has dtype {array.dtype}, but the parameters have {like.dtype}: {hint}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or inf")
    return array


def _written(shape):
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def fits(name, array, shape):
    """Raise ValueError unless `array` has exactly this shape; its entries may be anything."""
    if np.shape(array) != shape:
        raise ValueError(f"{name} has shape {np.shape(array)}, but must have shape {shape}")


def whole(name, value, least):
    """Return `value` as an int if it is a whole number of at least `least`, else raise ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}, but must be a whole number") from None
    if number < least:
        raise ValueError(f"{name} is {number}, but must be at least {least}")
    return number


def positive(name, value, or_inf=False):
    """Return `value` as a float if it is a number above 0, finite unless `or_inf`, else raise ValueError."""
    if not _real(value) or not value > 0 or not (or_inf or np.isfinite(value)):
        raise ValueError(f"{name} is {value!r}, but must be a{'' if or_inf else ' finite'} number above 0")
    return float(value)


def fraction(name, value):
    """Return `value` as a float if it is a number of [0, 1), else raise ValueError."""
    if not _real(value) or not 0 <= value < 1:
        raise ValueError(f"{name} is {value!r}, but must be a number of [0, 1)")
    return float(value)


def _real(value):
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "iuf"
