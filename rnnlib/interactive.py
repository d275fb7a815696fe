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
  const sources = frames.map(([, webp]) => webp ? "data:image/webp;base64," + webp : image.src);
  slider.disabled = false;
  slider.addEventListener("input", () => {
    const [value] = frames[+slider.value];
    image.src = sources[+slider.value];
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
        pictures = [_drawn(figure) for figure in frames.values()]
        self.frames = [
            (f"{value:g}", _webp(picture)) for value, picture in zip(frames, pictures, strict=True)
        ]
        self.label, self.alt = label, alt
        self.first = list(frames).index(first)
        self.png = shrink(pictures[self.first])

    def __repr__(self):
        return f"<Slider: {self.label} = {', '.join(value for value, _ in self.frames)}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {
            "text/html": self._html(),
            "image/png": self.png,
            "text/plain": repr(self),
        }

    def _html(self):
        value, webp = self.frames[self.first]
        name = "slider-" + hashlib.sha256(json.dumps(self.frames).encode()).hexdigest()[:12]
        others = [(mark, "" if mark == value else picture) for mark, picture in self.frames]
        parts = {"id": name, "frames": others, "label": self.label, "alt": self.alt}
        script = SCRIPT % {key: part if key == "id" else json.dumps(part) for key, part in parts.items()}
        label, alt = html.escape(self.label), html.escape(f"{self.alt} Shown: {self.label} = {value}.")
        marks = "".join(f'<option value="{k}">{mark}</option>' for k, (mark, _) in enumerate(self.frames))
        return (
            f'<div class="slider" id="{name}"><img src="data:image/webp;base64,{webp}" alt="{alt}">'
            f'<p><label for="{name}-at">{label}</label> = <output for="{name}-at">{value}</output></p>'
            f'<input id="{name}-at" type="range" list="{name}-marks" min="0" max="{len(self.frames) - 1}" '
            f'value="{self.first}" aria-valuetext="{value}" autocomplete="off" disabled>'
            f'<datalist id="{name}-marks">{marks}</datalist><script>{script}</script></div>'
        )


def _drawn(figure):
    """Return a figure as a PNG."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight")
    figure.clear()
    return picture.getvalue()


def _webp(png):
    """Return a picture as a WebP without loss but to a palette of 32 colours, in base64: half of the PNG."""
    small = io.BytesIO()
    _few_colours(png, 32).convert("RGB").save(small, "WEBP", lossless=True, quality=100, method=6)
    return base64.b64encode(small.getvalue()).decode()


def shrink(png):
    """Return a PNG with a palette of 256 colours, in base64: a third of the bytes, no difference to see."""
    small = io.BytesIO()
    _few_colours(png, 256).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def _few_colours(png, count):
    return Image.open(io.BytesIO(png)).convert("RGB").quantize(count, dither=Image.Dither.NONE)
