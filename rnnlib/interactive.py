"""A figure with a slider that needs no kernel, no network and no library: every frame is drawn beforehand."""

import base64
import hashlib
import html
import io
import json

from PIL import Image

SCRIPT = """(() => {
  const root = document.getElementById("%(id)s"), frames = %(frames)s, label = %(label)s, alt = %(alt)s;
  const image = root.querySelector("img"), slider = root.querySelector("input");
  slider.disabled = false;
  slider.addEventListener("input", () => {
    const [value, png] = frames[+slider.value];
    image.src = "data:image/png;base64," + png;
    image.alt = `${alt} Shown: ${label} = ${value}.`;
    root.querySelector("output").value = value;
    slider.setAttribute("aria-valuetext", value);
  });
})();"""


class Slider:
    """Show one of `frames`, a mapping from a value to a Matplotlib figure, by the position of a slider.

    `label` names the value in words and ends with its symbol, `alt` describes the picture, and `first` is
    the value shown at the start (and alone where scripts do not run). The marks stand at equal distances
    and bear the values: a geometric sequence of values is a logarithmic scale.
    """

    def __init__(self, frames, label, alt, first):
        self.frames = [(f"{value:g}", _png(figure)) for value, figure in frames.items()]
        self.label, self.alt = label, alt
        self.first = list(frames).index(first)

    def __repr__(self):
        return f"<Slider: {self.label} = {', '.join(value for value, _ in self.frames)}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {
            "text/html": self._html(),
            "image/png": self.frames[self.first][1],
            "text/plain": repr(self),
        }

    def _html(self):
        value, png = self.frames[self.first]
        name = "slider-" + hashlib.sha256(json.dumps(self.frames).encode()).hexdigest()[:12]
        parts = {"id": name, "frames": self.frames, "label": self.label, "alt": self.alt}
        script = SCRIPT % {key: part if key == "id" else json.dumps(part) for key, part in parts.items()}
        label, alt = html.escape(self.label), html.escape(f"{self.alt} Shown: {self.label} = {value}.")
        marks = "".join(f'<option value="{k}">{mark}</option>' for k, (mark, _) in enumerate(self.frames))
        return (
            f'<div class="slider" id="{name}"><img src="data:image/png;base64,{png}" alt="{alt}">'
            f'<p><label for="{name}-at">{label}</label> = <output for="{name}-at">{value}</output></p>'
            f'<input id="{name}-at" type="range" list="{name}-marks" min="0" max="{len(self.frames) - 1}" '
            f'value="{self.first}" aria-valuetext="{value}" autocomplete="off" disabled>'
            f'<datalist id="{name}-marks">{marks}</datalist><script>{script}</script></div>'
        )


def _png(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight")
    figure.clear()
    return shrink(picture.getvalue())


def shrink(png):
    """Return a PNG with a palette of 256 colours, in base64: a third of the bytes, no difference to see."""
    small = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()
