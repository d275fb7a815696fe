"""The one way the book verifies: each function prints one quiet line, or raises with both sides shown.

What holds for every draw is for `check` and `refute`; what was measured, over some draws, is for `within`.
"""

import sys

import numpy as np


def check(label, left, right, tolerance=1e-12):
    """Demand left = right.

    SymPy: the difference must expand to zero. Integers and exact fractions: every entry equal. Floating
    point: |left - right| < tolerance * max(|left|, |right|) in the Euclidean norm of all entries together.
    Raises AssertionError that shows both sides.
    """
    if any(hasattr(side, "free_symbols") for side in (left, right)):
        holds, how = _vanishes(left - right), "exact, by SymPy"
    else:
        left, right = np.asarray(left), np.asarray(right)
        if left.shape != right.shape or left.size == 0:
            raise AssertionError(
                f"{label}: the shapes {left.shape} and {right.shape} do not match, or are empty"
            )
        if left.dtype.kind in "biO" and right.dtype.kind in "biO":
            holds, how = bool((left == right).all()), "exact"
        else:
            holds = bool(_relative_difference(left, right) < tolerance)
            how = f"relative difference < {tolerance:.0e}"
    _demand(holds, label, f"left and right differ\nleft:  {left}\nright: {right}")
    _say(f"✓ {label} · {how}")


def refute(label, wrong, right, by):
    """Demand that a wrong formula is wrong at this point: |wrong - right| > by * |right|.

    Shows |wrong - right| / |right| in percent, to two digits.
    """
    wrong, right = np.array(wrong, float), np.array(right, float)
    if wrong.shape != right.shape:
        raise AssertionError(f"{label}: the shapes {wrong.shape} and {right.shape} differ")
    off, size = np.linalg.norm(wrong - right), np.linalg.norm(right)
    message = f"the wrong side is too nearly right\nwrong: {wrong}\nright: {right}"
    _demand(bool(off > by * size), label, message)
    shown = f"off by {float(f'{off / size:.1e}'):.0%}" if size else "the right side is 0"
    _say(f"✗ {label} · refuted: {shown}")


def within(label, value, low, high):
    """Demand low <= value <= high of a measurement, and of every entry if it was taken over several draws.

    Shows what was measured to three digits: one number, or the median and the range of the draws.
    """
    value = np.asarray(value)
    holds = value.size > 0 and bool(np.all((low <= value) & (value <= high)))
    _demand(holds, label, f"{value} is not within [{low:g}, {high:g}]")
    shown = f"{np.median(value):.3g}"
    if value.size > 1:
        shown += f" ({value.min():.3g} to {value.max():.3g})"
    _say(f"✓ {label} · {shown}, within [{low:g}, {high:g}]")


def _relative_difference(left, right):
    """Return |left - right| / max(|left|, |right|), or 0 if both are 0; nothing over- or underflows."""
    largest = np.maximum(np.abs(left).max(initial=0.0), np.abs(right).max(initial=0.0))
    if largest == 0:
        return 0.0
    left, right = left / largest, right / largest
    return np.linalg.norm(left - right) / max(np.linalg.norm(left), np.linalg.norm(right))


def _vanishes(difference):
    expanded = difference.expand()
    zero_matrix = getattr(expanded, "is_ZeroMatrix", False) or getattr(expanded, "is_zero_matrix", False)
    return bool(expanded == 0 or zero_matrix)


def _demand(holds, label, message):
    if not holds:
        raise AssertionError(f"{label}: {message}")


def _say(line):
    """Print a line, with names for the signs that the terminal does not have."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(line.encode(encoding, "namereplace").decode(encoding))
