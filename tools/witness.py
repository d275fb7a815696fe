"""What PyTorch says of two small networks: `python tools/witness.py` writes chapters/data/witness.csv.

Weights, inputs and targets are sixteenths, filled with waves: round(8 sin 1)/16, round(8 sin 2)/16, ... and
round(8 cos 1)/16, ... without a break; n = 3, m = 2, o = 2, T = 4, and E is the sum of |z_t - y_t|^2. One
network has the activation a - a^3, written here with PyTorch's own operations, the other is torch.nn.RNN.
A row is a number: E, and then dE/dtheta entry by entry. Needs what `make torch` adds.
"""

from pathlib import Path

import numpy as np

n, m, o, T = 3, 2, 2, 4
SHAPES = {"W_hh": (n, n), "W_hx": (n, m), "b_h": (n,), "W_yh": (o, n), "b_y": (o,), "h_0": (n,)}
FILE = Path(__file__).resolve().parent.parent / "chapters" / "data" / "witness.csv"


def waves(shapes, function):
    """Return arrays of the given shapes, filled with round(8 function(k)) / 16, k = 1, 2, ..."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    values = np.split(np.round(8 * function(np.arange(1.0, ends[-1] + 1))) / 16, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(values, shapes, strict=True)]


def cubic(x, W_hh, W_hx, b_h, h_0):
    """Return the states (T, n) of h_t = a_t - a_t^3."""
    import torch

    states = [h_0]
    for x_t in x.unbind():
        a = torch.addmv(torch.addmv(b_h, W_hx, x_t), W_hh, states[-1])
        states.append(a - a.pow(3))
    return torch.stack(states[1:])


def tanh(x, W_hh, W_hx, b_h, h_0):
    """Return the states (T, n) of torch.nn.RNN."""
    import torch

    module = torch.nn.RNN(m, n, dtype=torch.float64)
    given = {
        "weight_hh_l0": W_hh,
        "weight_ih_l0": W_hx,
        "bias_ih_l0": b_h,
        "bias_hh_l0": torch.zeros_like(b_h),
    }
    return torch.func.functional_call(module, given, (x[:, None], h_0[None, None]))[0][:, 0]


def ask(states):
    """Return E and dE/dtheta as one vector, in the order of SHAPES."""
    import torch

    theta = {name: torch.tensor(v) for name, v in zip(SHAPES, waves(SHAPES.values(), np.sin), strict=True)}
    x, y = map(torch.tensor, waves([(T, m), (T, o)], np.cos))
    for v in theta.values():
        v.requires_grad_()
    h = states(x, *(theta[name] for name in ("W_hh", "W_hx", "b_h", "h_0")))
    z = torch.nn.functional.linear(h, theta["W_yh"], theta["b_y"])
    E = torch.nn.functional.mse_loss(z, y, reduction="sum")
    E.backward()
    return np.concatenate([[E.item()], *(v.grad.numpy().ravel() for v in theta.values())])


if __name__ == "__main__":
    rows = [
        f"{states.__name__};{k};{v!r}" for states in (cubic, tanh) for k, v in enumerate(ask(states).tolist())
    ]
    text = "# python tools/witness.py\nnetwork;k;value\n" + "\n".join(rows) + "\n"
    FILE.write_text(text, encoding="utf-8")
