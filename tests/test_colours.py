"""The colours of the figures and of the pages are one set, and can be told apart by those who see no red."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np

from rnnlib import figures

CSS = (Path(__file__).resolve().parent.parent / "_static" / "book.css").read_text(encoding="utf-8")
LIGHT = {name: getattr(figures, name.upper()) for name in ("input", "state", "output", "error")}

# Machado, Oliveira and Fernandes (2009), Table 1: protanopia, on linear sRGB
PROTANOPIA = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WEIGHTS = np.array([0.213, 0.715, 0.072])


def rgb(colour):
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def dark(colour):
    """Apply the filter of the style sheet, as CSS defines invert and hue-rotate."""
    amount, angle = map(float, re.search(r"filter: invert\((.+?)\) hue-rotate\((\d+)deg\)", CSS).groups())
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = [[-0.213, -0.715, 0.928], [0.143, 0.140, -0.283], [-0.787, 0.715, 0.072]]
    rotate = WEIGHTS + c * (np.eye(3) - WEIGHTS) + s * np.array(turn)
    return np.clip(rotate @ (rgb(colour) * (1 - 2 * amount) + amount), 0, 1)


def lab(rgb):
    """Return the CIE Lab coordinates of what an eye without red cones sees."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = XYZ @ np.clip(PROTANOPIA @ linear, 0, 1) / XYZ.sum(axis=1)
    x, y, z = (np.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def css(name, theme):
    block = CSS[CSS.index(f"html[data-theme{theme}] {{") :]
    return re.search(rf"--{name}: (#\w+);", block)[1]


def test_the_pages_have_the_colours_of_the_figures_light_and_dark():
    for name in ("input", "state", "output"):
        assert css(name, "") == LIGHT[name].lower()
        assert np.allclose(rgb(css(name, '="dark"')), dark(LIGHT[name]), atol=0.004)


def test_two_objects_can_be_told_apart_in_protanopia_light_and_dark():
    for theme in (rgb, dark):
        for one, other in combinations(LIGHT, 2):
            distance = np.linalg.norm(lab(theme(LIGHT[one])) - lab(theme(LIGHT[other])))
            assert distance > 15, (theme.__name__, one, other)
