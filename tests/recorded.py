"""Recorded runs, read back, and drawn from by lot."""

import csv
import hashlib
import random
from contextlib import contextmanager

import numpy as np
import pytest

from rnnlib import initialize
from rnnlib.files import data
from rnnlib.params import map_tree


def rows(tool, name):
    """Return the record `name` of a tool as a list of (Settings, Result)."""
    _, header, *lines = data(f"{name}.csv").read_text(encoding="utf-8").splitlines()
    assert header == ",".join(tool.Settings._fields + tool.Result._fields)
    kinds = [*tool.Settings.__annotations__.values(), *tool.Result.__annotations__.values()]
    values = [[kind(text) for kind, text in zip(kinds, line, strict=True)] for line in csv.reader(lines)]
    n = len(tool.Settings._fields)
    return [(tool.Settings(*row[:n]), tool.Result(*row[n:])) for row in values]


def drawn(recorded, count, where=lambda settings, result: True):
    """Take rows at random, but the same ones for the same record."""
    chosen = [row for row in recorded if where(*row)]
    return random.Random(hashlib.sha256(repr(recorded).encode()).digest()).sample(chosen, count)


@contextmanager
def rounded_otherwise(seed, dtype=float):
    """Move all first weights by at most one unit in the last place of dtype, as another processor might."""
    rng, first = np.random.default_rng(seed), initialize.weights

    def moved(*arguments, **options):
        eps = np.finfo(dtype).eps
        return map_tree(lambda W: W * (1 + eps * rng.integers(-1, 2, W.shape)), first(*arguments, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(initialize, "weights", moved)
        yield
