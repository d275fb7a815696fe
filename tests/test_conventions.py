"""What is recorded of other libraries is what they give, where they are installed."""

import conventions
import detach
import numpy as np
import pytest
import real_frameworks
import witness


def table(name):
    """Return the rows of a record, as lists of words."""
    text = (conventions.FILE.parent / f"{name}.csv").read_text(encoding="utf-8")
    return [line.split(";") for line in text.splitlines()[2:]]


@pytest.fixture(scope="module")
def recorded():
    rows = table("gru_states")
    return {name: np.array([row[2:] for row in rows if row[0] == name], float) for name, *_ in rows}


def inputs():
    (x,) = conventions.waves([(conventions.T, conventions.m)], np.cos)
    return x


def test_three_runs_of_four_steps_are_recorded(recorded):
    assert {name: h.shape for name, h in recorded.items()} == dict.fromkeys(
        ["PyTorch", "Keras, reset_after=True", "Keras, reset_after=False"], (4, 2)
    )


def test_pytorch_gives_the_recorded_states(recorded):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    np.testing.assert_allclose(conventions.pytorch(inputs()), recorded["PyTorch"], rtol=1e-12)


@pytest.mark.parametrize("reset_after", [True, False])
def test_keras_gives_the_recorded_states(reset_after, recorded, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    pytest.importorskip("keras", reason="Keras is not installed")
    theirs = recorded[f"Keras, reset_after={reset_after}"]
    np.testing.assert_allclose(conventions.keras(inputs(), reset_after), theirs, rtol=1e-6)


def test_pytorch_gives_the_recorded_loss_and_gradient_when_a_state_is_detached():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert [way for way, *_ in table("detach")] == list(detach.WAYS)
    for way, *numbers in table("detach"):
        E, gradient = detach.loss_and_gradient(detach.WAYS[way])
        np.testing.assert_allclose([E, *gradient.ravel()], np.array(numbers, float), rtol=1e-12)


def test_pytorch_bears_the_recorded_witness():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    for states in (witness.cubic, witness.tanh):
        theirs = np.array([row[2] for row in table("witness") if row[0] == states.__name__], float)
        np.testing.assert_allclose(witness.ask(states), theirs, rtol=1e-12, atol=1e-13)


def test_pytorch_gives_what_is_recorded_of_its_words_and_networks():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = {(case, name): text for case, name, text in table("real_frameworks")}
    found = {
        (case, name): real_frameworks.entries(value)
        for case, arrays in real_frameworks.everything().items()
        for name, value in arrays.items()
    }
    assert list(found) == list(theirs)
    for key, text in found.items():
        if key in (("not finite", "anomaly mode"), ("start", "default dtype")):
            assert text == theirs[key]
        else:
            values, recorded = (np.array(row.split(), float) for row in (text, theirs[key]))
            np.testing.assert_allclose(values, recorded, rtol=1e-9, atol=1e-13, err_msg=str(key))


def test_the_function_of_pytorch_that_the_chapter_shows_is_the_one_that_was_judged():
    shown = (conventions.FILE.parent / "real_frameworks.txt").read_text(encoding="utf-8")
    assert shown == real_frameworks.text()
