"""The network once more, with no code of rnnlib: columns, one step of one sequence at a time, losses as
written in the text. `np` is numpy or autograd.numpy; `arrays` holds the weights in the order of `leaves`."""


def logistic(np, a):
    return 1 / (1 + np.exp(-a))


ACTIVATIONS = {
    "linear": lambda np, a: a,
    "tanh": lambda np, a: np.tanh(a),
    "logistic": logistic,
    "relu": lambda np, a: np.where(a > 0, a, 0 * a),
    "leaky_relu": lambda np, a: np.where(a > 0, a, 0.01 * a),
}
LOSSES = {
    "softmax": lambda np, z, y: np.log(np.sum(np.exp(z))) - y @ z,
    "squared": lambda np, z, y: np.sum((z - y) ** 2) / 2,
    "logistic": lambda np, z, y: -y @ np.log(logistic(np, z)) - (1 - y) @ np.log(logistic(np, -z)),
}


def step(np, cell, layer, x, h, c):
    """Return h_t and c_t of one layer (W_hh, W_hx, b_h)."""
    W_hh, W_hx, b_h = layer[:3]
    n = len(h)
    d = [W_hx[k : k + n] @ x + b_h[k : k + n] for k in range(0, len(b_h), n)]
    r = [W_hh[k : k + n] @ h for k in range(0, len(b_h), n)]
    if cell == "lstm":
        i, f, o = (logistic(np, d[k] + r[k]) for k in range(3))
        c = f * c + i * np.tanh(d[3] + r[3])
        return o * np.tanh(c), c
    if cell == "gru":
        z, s = (logistic(np, d[k] + r[k]) for k in range(2))
        return z * h + (1 - z) * np.tanh(d[2] + s * r[2]), c
    return ACTIVATIONS[cell](np, d[0] + r[0]), c


def loss(np, cell, kind, arrays, layers, x, y, weight):
    """Return sum_t sum_b weight[t, b] E_t, from learned starts."""
    W_yh, b_y, *start = arrays[3 * layers :]
    size = len(start) // layers
    E = 0.0
    for b in range(x.shape[1]):
        states = [(*start[size * k : size * (k + 1)], None)[:2] for k in range(layers)]
        for t in range(len(x)):
            signal = x[t, b]
            for k in range(layers):
                states[k] = step(np, cell, arrays[3 * k : 3 * k + 3], signal, *states[k])
                signal = states[k][0]
            E = E + weight[t, b] * LOSSES[kind](np, W_yh @ signal + b_y, y[t, b])
    return E
