"""The slider: its first frame needs no script, and the script needs no other host."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from rnnlib.interactive import Slider


def line(height):
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.axhline(height)
    plt.close(figure)
    return figure


@pytest.fixture
def slider():
    frames = {value: line(value) for value in (0.5, 1.0, 2.0)}
    return Slider(frames, label="gain", alt='A "line".', first=1.0)


def test_the_first_frame_is_shown_without_a_script(slider):
    bundle = slider._repr_mimebundle_()
    assert f'src="data:image/webp;base64,{slider.frames[1][1]}"' in bundle["text/html"]
    shown, alone = (
        Image.open(io.BytesIO(base64.b64decode(p))) for p in (slider.frames[1][1], bundle["image/png"])
    )
    assert (shown.format, alone.format) == ("WEBP", "PNG")
    difference = np.asarray(shown.convert("RGB"), int) - np.asarray(alone.convert("RGB"), int)
    assert np.abs(difference).max() < 16  # of 255: the palettes differ


def test_no_frame_is_stored_twice(slider):
    page = slider._repr_mimebundle_()["text/html"]
    assert [page.count(picture) for _, picture in slider.frames] == [1, 1, 1]


def test_the_control_is_labelled_and_works_only_with_the_script(slider):
    page = slider._repr_mimebundle_()["text/html"]
    control = re.search(
        r'<input id="([\w-]+)" type="range" list="([\w-]+)" min="0" max="2" value="1" .*?>', page
    )
    assert control[0].endswith(' aria-valuetext="1" autocomplete="off" disabled>')
    assert f'<label for="{control[1]}">gain</label> = <output for="{control[1]}">1</output>' in page
    assert "slider.disabled = false" in page
    assert "Shown: gain = 1." in page
    assert "A &quot;line&quot;." in page


def test_every_value_has_a_mark_under_the_slider(slider):
    page = slider._repr_mimebundle_()["text/html"]
    marks = re.search(r' list="([\w-]+)".*?<datalist id="\1">(.*?)</datalist>', page)[2]
    assert re.findall(r'<option value="(\d)">(.*?)</option>', marks) == [("0", "0.5"), ("1", "1"), ("2", "2")]


def test_nothing_is_loaded_from_anywhere(slider):
    page = slider._repr_mimebundle_()["text/html"]
    assert not re.search(r"https?:|src=\"(?!data:)|import\(", page)


def test_the_same_figures_give_the_same_bytes(slider):
    again = Slider({v: line(v) for v in (0.5, 1.0, 2.0)}, "gain", 'A "line".', first=1.0)
    assert again._repr_mimebundle_() == slider._repr_mimebundle_()


def test_a_frame_is_drawn_for_every_value(slider):
    assert [value for value, _ in slider.frames] == ["0.5", "1", "2"]
    assert len({picture for _, picture in slider.frames}) == 3
    assert repr(slider) == "<Slider: gain = 0.5, 1, 2>"
