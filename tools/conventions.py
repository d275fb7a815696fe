"""What the GRUs of PyTorch and Keras give: `python tools/conventions.py` writes chapters/data/gru_states.csv.

Their parameters, in the order and shapes that each library gives them, are filled with sin 1, sin 2, ...
one after the other, and the inputs with cos 1, cos 2, ...; n = 2, m = 3, T = 4, h_0 = 0. A row is one state.
Needs what `make torch` adds.
"""

import os
from pathlib import Path

import numpy as np

n, m, T = 2, 3, 4
FILE = Path(__file__).resolve().parent.parent / "chapters" / "data" / "gru_states.csv"


def waves(shapes, function):
    """Return arrays of the given shapes, filled with function(1), function(2), ... without a break."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    values = np.split(function(np.arange(1.0, ends[-1] + 1)), ends[:-1])
    return [part.reshape(shape) for part, shape in zip(values, shapes, strict=True)]


def pytorch(x):
    """Return the states (T, n) of torch.nn.GRU."""
    import torch

    module = torch.nn.GRU(m, n, dtype=torch.float64)
    arrays = waves([tuple(p.shape) for p in module.parameters()], np.sin)
    with torch.no_grad():
        for p, array in zip(module.parameters(), arrays, strict=True):
            p.copy_(torch.tensor(array))
        return module(torch.tensor(x)[:, None])[0][:, 0].numpy()


def keras(x, reset_after):
    """Return the states (T, n) of keras.layers.GRU."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    keras.config.set_floatx("float64")
    layer = keras.layers.GRU(n, reset_after=reset_after, return_sequences=True)
    layer.build((1, T, m))
    layer.set_weights(waves([tuple(w.shape) for w in layer.weights], np.sin))
    return layer(x[None]).detach().numpy()[0]


def states():
    """Return the states (T, n) by library."""
    (x,) = waves([(T, m)], np.cos)
    return {
        "PyTorch": pytorch(x),
        "Keras, reset_after=True": keras(x, True),
        "Keras, reset_after=False": keras(x, False),
    }


if __name__ == "__main__":
    rows = [
        f"{name};{t};{h[0]!r};{h[1]!r}" for name, h_t in states().items() for t, h in enumerate(h_t.tolist())
    ]
    FILE.write_text(
        "# python tools/conventions.py\nlibrary;t;h_1;h_2\n" + "\n".join(rows) + "\n", encoding="utf-8"
    )
