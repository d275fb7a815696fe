"""The recorded states of other libraries' GRUs are what the libraries give, where they are installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SPEC = importlib.util.spec_from_file_location(
    "conventions", Path(__file__).resolve().parent.parent / "tools" / "conventions.py"
)
conventions = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(conventions)


@pytest.fixture(scope="module")
def recorded():
    rows = [line.split(";") for line in conventions.FILE.read_text(encoding="utf-8").splitlines()[2:]]
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
