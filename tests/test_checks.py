"""What each check of the book accepts, refuses, and says."""

import io
import re
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from rnnlib.checks import check, refute, within

a, b = sp.symbols("a b")
ROW = np.array([1.0, 2.0, 3.0])

EQUAL = {
    "expanded": ((a + b) ** 2, a**2 + 2 * a * b + b**2, "exact, by SymPy"),
    "a symbol and itself": (a, a, "exact, by SymPy"),
    "a number": (2, (a + 2) - a, "exact, by SymPy"),
    "matrices": (sp.Matrix([[a * (b + 1)]]), sp.Matrix([[a * b + a]]), "exact, by SymPy"),
    "integers": (3, 3, "exact"),
    "integer arrays": (np.arange(3), [0, 1, 2], "exact"),
    "fractions": ([Fraction(1, 3)], [Fraction(2, 6)], "exact"),
    "truth values": (True, True, "exact"),
    "floats": (0.1 + 0.2, 0.3, "relative difference < 1e-12"),
    "arrays": (ROW, ROW * (1 + 1e-13), "relative difference < 1e-12"),
    "zeros": (np.zeros(2), np.zeros(2), "relative difference < 1e-12"),
    "an integer and a float": (3, 3.0, "relative difference < 1e-12"),
    "complex": (1j * ROW, 1j * ROW, "relative difference < 1e-12"),
    "vanished": (1e-200 * ROW, 1e-200 * ROW * (1 + 1e-13), "relative difference < 1e-12"),
    "exploded": (1e200 * ROW, 1e200 * ROW * (1 + 1e-13), "relative difference < 1e-12"),
}
DIFFERENT = {
    "expressions": ((a + b) ** 2, a**2 + b**2),
    "an expression and a number": (a, 1),
    "matrices": (sp.Matrix([[a]]), sp.Matrix([[b]])),
    "integers": (3, 4),
    "large integers": (10**17, 10**17 + 1),
    "fractions": (Fraction(1, 3), Fraction(333333333333, 10**12)),
    "floats": (1.0, 1.0 + 1e-11),
    "a sign": (ROW, -ROW),
    "one entry": (ROW, ROW + np.array([0, 0, 1e-10])),
    "zero and almost zero": (0.0, 1e-100),
    "vanished": (1e-200 * ROW, 2e-200 * ROW),
    "exploded": (1e200 * ROW, 2e200 * ROW),
    "shapes that broadcast": (ROW, ROW[None]),
    "a number and a constant array": (1.0, np.ones(2)),
    "shapes": (ROW, ROW[:2]),
    "integer shapes": (np.arange(3), np.arange(4)),
    "NaN left": (np.full(3, np.nan), ROW),
    "NaN right": (ROW, np.full(3, np.nan)),
    "NaN on both sides": (np.full(3, np.nan), np.full(3, np.nan)),
    "zero and NaN": (np.zeros(3), np.full(3, np.nan)),
    "NaN and zero": (np.full(3, np.nan), np.zeros(3)),
    "infinity": (np.inf, 1.0),
    "infinity on both sides": (np.inf, np.inf),
}


@pytest.mark.parametrize("name", EQUAL)
def test_check_accepts_what_is_equal_and_says_how_it_knows(name, capsys):
    left, right, how = EQUAL[name]
    check("eq-x", left, right)
    assert capsys.readouterr().out.startswith(f"✓ eq-x · {how}")


@pytest.mark.parametrize("name", DIFFERENT)
def test_check_refuses_what_is_not_equal_and_stays_silent(name, capsys):
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match="eq-x"):
        check("eq-x", *DIFFERENT[name])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("left", "right"), [(a, b), (3, 4), (1.5, 2.5)])
def test_check_shows_both_sides(left, right):
    with pytest.raises(AssertionError) as refused:
        check("eq-x", left, right)
    assert f"left:  {left}\nright: {right}" in str(refused.value)


def test_check_takes_a_tolerance_and_prints_it(capsys):
    check("C1", 1.0, 1.0 + 1e-4, tolerance=1e-3)
    assert capsys.readouterr().out == "✓ C1 · relative difference < 1e-03\n"
    with pytest.raises(AssertionError):
        check("C1", 1.0, 1.0 + 1e-2, tolerance=1e-3)


def test_refute_accepts_what_differs_by_more_than_the_bound(capsys):
    refute("C2", 1.5 * ROW, ROW, by=0.49)
    refute("C2", sp.Matrix([sp.Rational(1, 2), 1]), sp.Matrix([1, 1]), by=0.3)
    refute("C2", 3, 2, by=0.4)
    assert capsys.readouterr().out.splitlines()[0] == "✗ C2 · refuted: off by 50%"


@pytest.mark.parametrize(
    ("wrong", "right", "by"),
    [
        (1.5 * ROW, ROW, 0.51),
        (ROW, ROW, 0.0),
        (np.nan * ROW, ROW, 0.1),
        (ROW, np.nan * ROW, 0.1),
        (2 * ROW[:1], ROW, 0.1),
    ],
)
def test_refute_refuses_what_does_not_differ_enough(wrong, right, by, capsys):
    with pytest.raises(AssertionError, match="C2"):
        refute("C2", wrong, right, by)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", [1, 1.5, 2, np.float64(2)])
def test_within_accepts_its_interval_with_both_ends(value, capsys):
    within("C3", value, 1, 2)
    assert capsys.readouterr().out == f"✓ C3 · {value:g}, within [1, 2]\n"


@pytest.mark.parametrize("value", [0.999, 2.001, np.nan, np.inf, -np.inf])
def test_within_refuses_everything_else(value):
    with pytest.raises(AssertionError, match=re.escape(f"C3: {value} is not within [1, 2]")):
        within("C3", value, 1, 2)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_the_tolerance_is_relative_to_the_larger_side(size):
    check("C4", 0.8 * size, size, tolerance=0.201)
    check("C4", size, 0.8 * size, tolerance=0.201)
    with pytest.raises(AssertionError):
        check("C4", size, 0.8 * size, tolerance=0.199)


def test_a_check_of_nothing_is_refused():
    with pytest.raises(AssertionError, match="are empty"):
        check("C1", [], [])


def test_refute_can_compare_with_zero(capsys):
    refute("C2", 1.0, 0.0, by=0.1)
    assert capsys.readouterr().out == "✗ C2 · refuted: the right side is 0\n"


def test_within_demands_every_entry_and_at_least_one():
    within("C3", np.array([1.0, 2.0]), 1, 2)
    for value in (np.array([1.0, 3.0]), np.array([]), np.array([1.0, np.nan])):
        with pytest.raises(AssertionError, match="C3"):
            within("C3", value, 1, 2)


def test_within_shows_what_was_measured_to_three_digits_and_of_draws_the_median_and_the_range(capsys):
    within("C3", np.float32(1.23456), 1, 2)
    within("C3", [1.06, 1.0324, 1.0912], 1, 2)
    within("C3", 12, 0, np.inf)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "✓ C3 · 1.23, within [1, 2]",
        "✓ C3 · 1.06 (1.03 to 1.09), within [1, 2]",
        "✓ C3 · 12, within [0, inf]",
    ]


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "✓"), ("cp1252", r"\N{CHECK MARK}"), ("ascii", "")])
def test_a_line_is_printed_on_any_terminal(encoding, mark, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr("sys.stdout", terminal)
    check("eq-x", 1, 1)
    refute("eq-x", 2.0, 1.0, by=0.5)
    terminal.flush()
    printed = terminal.buffer.getvalue().decode(encoding)
    assert printed.startswith(mark)
    assert printed.count("eq-x") == 2
