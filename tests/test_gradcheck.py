"""The witnesses themselves, on functions whose gradient is known, and what the checker refuses."""

import re
from typing import NamedTuple

import numpy as np
import pytest
from points import gap

from rnnlib import gradcheck
from rnnlib.gradcheck import assert_gradient, central_difference, complex_step, directional, relative_error
from rnnlib.params import flatten, map_tree, norm


class Pair(NamedTuple):
    W: np.ndarray
    rest: tuple


def a_point():
    rng = np.random.default_rng(0)
    return Pair(rng.standard_normal((2, 3)), (1e-3 * rng.standard_normal(3), rng.standard_normal(())))


def E(p):
    """Return sum (W v)^2 + exp(s) + sum sin(W); W, v and s are the arrays of p."""
    v, s = p.rest
    Wv = p.W @ v
    return (Wv * Wv).sum() + np.exp(s) + np.sin(p.W).sum()


def gradient(p):
    v, s = p.rest
    return Pair(2 * np.outer(p.W @ v, v) + np.cos(p.W), (2 * p.W.T @ (p.W @ v), np.exp(s)))


def test_the_complex_step_is_exact_to_rounding():
    p = a_point()
    truth = complex_step(E, p)
    assert gap(truth, gradient(p)) < 1e-15
    assert type(truth) is Pair
    assert {leaf.dtype for leaf in (truth.W, *truth.rest)} == {np.dtype(float)}


def test_central_differences_are_of_second_order():
    # E = p^3: the error is step^2, of first order if the difference were not central
    cube, p = lambda p: (p**3).sum(), np.array([1.0, -2.0])
    assert np.allclose(central_difference(cube, p, 1e-3) - 3 * p**2, 1e-6, rtol=1e-3, atol=0)
    assert gap(central_difference(cube, p), 3 * p**2) < 1e-9
    assert gap(central_difference(E, a_point()), gradient(a_point())) < 1e-5  # v has a small gradient


def test_the_directional_derivative_is_the_gradient_times_the_direction():
    p = a_point()
    direction = gradcheck.random_direction(np.random.default_rng(1), p)
    assert directional(E, p, direction) == pytest.approx(flatten(gradient(p)) @ flatten(direction), rel=1e-14)


def test_a_random_direction_has_norm_one_and_the_structure_of_the_parameters():
    p = a_point()
    direction = gradcheck.random_direction(np.random.default_rng(1), p)
    assert norm(direction) == pytest.approx(1, rel=1e-15)
    assert type(direction) is Pair
    assert direction.W.shape == p.W.shape
    assert gap(direction, gradcheck.random_direction(np.random.default_rng(2), p)) > 0.1


def test_the_relative_error_is_taken_over_the_larger_tree():
    one, two = (np.ones(2), np.ones(2)), (np.full(2, 2.0), np.full(2, 2.0))
    assert relative_error(one, two) == relative_error(two, one) == 0.5
    assert relative_error(one, map_tree(np.zeros_like, one)) == 1
    assert relative_error(one, one) == 0
    assert relative_error(map_tree(np.zeros_like, one), map_tree(np.zeros_like, one)) == 0


@pytest.mark.parametrize("other", [0.0, 1.0])
def test_the_relative_error_of_nan_is_nan(other):
    nan, other = np.full(2, np.nan), np.full(2, other)
    assert np.isnan(relative_error(nan, other))
    assert np.isnan(relative_error(other, nan))


@pytest.mark.parametrize("witness", [complex_step, central_difference])
def test_a_right_gradient_is_accepted(witness):
    assert_gradient(E, a_point(), gradient(a_point()), 1e-10 if witness is complex_step else 1e-4, witness)


WRONG = {
    "a factor": lambda g: map_tree(lambda leaf: leaf * (1 + 1e-9), g),
    "a sign": lambda g: map_tree(np.negative, g),
    "one entry of a large array": lambda g: g._replace(W=g.W + 1e-8 * np.eye(2, 3)),
    "a small array beside a large one": lambda g: g._replace(rest=(g.rest[0] * (1 + 1e-9), g.rest[1])),
    "a number": lambda g: g._replace(rest=(g.rest[0], g.rest[1] + 1e-8)),
    "zero": lambda g: map_tree(np.zeros_like, g),
    "NaN": lambda g: g._replace(W=np.full_like(g.W, np.nan)),
    "infinity": lambda g: g._replace(W=np.full_like(g.W, np.inf)),
    "a shape that broadcasts": lambda g: g._replace(rest=(g.rest[0][None], g.rest[1])),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_refused(name):
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError):
        assert_gradient(E, a_point(), WRONG[name](gradient(a_point())))


def test_a_witness_that_fails_does_not_pass_for_agreement():
    nothing = map_tree(np.zeros_like, a_point())
    with pytest.raises(AssertionError):
        assert_gradient(lambda p: np.nan * E(p), a_point(), nothing)


def test_a_gradient_of_another_structure_is_refused():
    with pytest.raises(ValueError, match=r"gradient has the arrays \['0'\], but params have \['W', 'rest.0'"):
        assert_gradient(E, a_point(), (gradient(a_point()).W,))


def test_a_refusal_names_the_array_the_entry_and_both_numbers():
    wrong = gradient(a_point())
    wrong.rest[0][1] = 5.0
    with pytest.raises(AssertionError) as refused:
        assert_gradient(E, a_point(), wrong)
    text, right = str(refused.value), gradient(a_point()).rest[0][1]
    assert text.startswith("dE/drest.0: relative error 1.0e+00 > 1e-10; ")
    assert text.endswith(f"at (1,) the gradient is 5, the witness says {right:.12g}")


def test_a_complex_step_refuses_a_function_that_drops_imaginary_parts():
    for witness in (lambda E: complex_step(E, a_point()), lambda E: directional(E, a_point(), a_point())):
        with pytest.raises(ValueError, match="keeps imaginary parts"):
            witness(lambda p: E(p).real)


def test_float32_is_judged_in_float32():
    single = map_tree(lambda leaf: leaf.astype(np.float32), a_point())
    right = map_tree(lambda leaf: leaf.astype(np.float32), gradient(a_point()))
    for witness, tolerance in ((complex_step, 1e-4), (central_difference, 3e-2)):
        truth = witness(E, single)
        assert {leaf.dtype for leaf in (truth.W, *truth.rest)} == {np.dtype(np.float32)}
        assert_gradient(E, single, right, tolerance, witness)
    with pytest.raises(AssertionError):
        assert_gradient(E, single, map_tree(lambda leaf: leaf * np.float32(1.01), right), 1e-4)


@pytest.mark.parametrize("witness", [complex_step, central_difference])
def test_a_whole_number_is_a_number(witness):
    for p in (2, np.array([2]), np.float64(2.0)):
        assert witness(lambda p: (p**2).sum(), p) == pytest.approx(4, rel=1e-9)


@pytest.mark.parametrize("witness", [complex_step, central_difference])
@pytest.mark.parametrize(
    ("params", "text"),
    [
        ([np.ones(2), np.ones(3)], "params holds a list, but must be arrays in (nested) tuples: tuple(...)"),
        (
            {"W": np.ones(2)},
            "params holds a dict, but must be arrays in (nested) tuples: tuple(... .values())",
        ),
        ((np.ones(2), [np.ones(2)]), "params holds a list"),
        (
            np.ones(2, np.float16),
            "params hold float16, but a witness takes float32 or float64: see params.cast",
        ),
    ],
)
def test_a_witness_says_what_parameters_it_takes(witness, params, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        witness(lambda p: 0.0, params)


def test_a_gradient_in_a_list_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="gradient holds a list, but must be arrays in"):
        assert_gradient(E, a_point(), list(gradient(a_point())))


@pytest.mark.parametrize(
    "norm_2", [lambda p: (p * p.conj()).sum(), lambda p: np.vdot(p, p)], ids=["conj", "vdot"]
)
def test_a_loss_that_conjugates_is_not_taken_for_one_without_gradient(norm_2):
    with pytest.raises(ValueError, match="no imaginary part arrives: is it analytic"):
        complex_step(norm_2, np.array([1.0, 2.0]))


@pytest.mark.parametrize("at", [0.0, 1e6])
def test_a_gradient_that_is_zero_is_zero(at):
    assert complex_step(lambda p: ((p - at) ** 4).sum(), np.full(2, at)).tolist() == [0, 0]
    assert complex_step(lambda p: 3 + 0j * p.sum(), np.full(2, at)).tolist() == [0, 0]
