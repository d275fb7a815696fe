"""What detach does in PyTorch: `python tools/detach.py` writes chapters/data/detach.csv.

A tanh network of 2 units reads 3 inputs for 6 steps, E = sum_t |h_t - y_t|^2 / 2. Its weights W_hh, W_hx, b_h
are filled with sin 1, sin 2, ... one after the other, x and y with cos 1, cos 2, ...; h_0 = 0. Before steps
3 and 5 the state is left alone, detached, or set to zero. A row is E and dE/dW_hh, row by row.
Needs what `make torch` adds.
"""

import numpy as np
from conventions import FILE, waves

n, m, T = 2, 3, 6
CUTS = (2, 4)  # states so far
WAYS = {
    "left alone": lambda h: h,
    "detached": lambda h: h.detach(),
    "set to zero": lambda h: 0 * h.detach(),
}


def loss_and_gradient(cut):
    """Return E and dE/dW_hh (n, n) as autograd finds it."""
    import torch

    W_hh, W_hx, b_h = map(torch.tensor, waves([(n, n), (n, m), (n,)], np.sin))
    x, y = map(torch.tensor, waves([(T, m), (T, n)], np.cos))
    W_hh.requires_grad_()
    h, E = torch.zeros(n, dtype=torch.float64), 0
    for t in range(T):
        h = torch.tanh(W_hh @ (cut(h) if t in CUTS else h) + W_hx @ x[t] + b_h)
        E = E + ((h - y[t]) ** 2).sum() / 2
    E.backward()
    return E.item(), W_hh.grad.numpy()


if __name__ == "__main__":
    rows = []
    for way, cut in WAYS.items():
        E, gradient = loss_and_gradient(cut)
        rows.append(";".join([way, *map(repr, [E, *gradient.ravel().tolist()])]))
    text = "# python tools/detach.py\nway;E;W_11;W_12;W_21;W_22\n" + "\n".join(rows) + "\n"
    (FILE.parent / "detach.csv").write_text(text, encoding="utf-8")
