"""Weights to and from PyTorch: dictionaries of arrays that `load_state_dict` takes and `state_dict` gives.

PyTorch stacks the gates of an LSTM as i, f, g, o and those of a GRU as r, z, n, where we have i, f, o, g and
z, s, q; it has a second bias, our b_r; and a layer that reads backwards has names of its own.
"""

import numpy as np

from .recurrence import Params

NAMES = {"weight_hh": "W_hh", "weight_ih": "W_hx", "bias_ih": "b_h", "bias_hh": "b_r"}
ORDER = {1: [0], 3: [1, 0, 2], 4: [0, 1, 3, 2]}  # of the gates; each is its own inverse


def to_torch(layers, backwards=()):
    """Return {name: array} for torch.nn.RNN, LSTM or GRU from a tuple of Params.

    `backwards` holds as many Params that read from the last step to the first, for bidirectional=True.
    """
    if backwards and len(backwards) != len(layers):
        raise ValueError(f"backwards has {len(backwards)} layers, but must have {len(layers)}, or none")
    arrays = {}
    for suffix, stack in (("", layers), ("_reverse", backwards)):
        for k, params in enumerate(stack):
            b_r = np.zeros_like(params.b_h) if isinstance(params.b_r, tuple) else params.b_r
            for theirs, ours in NAMES.items():
                arrays[f"{theirs}_l{k}{suffix}"] = _reorder(
                    getattr(params._replace(b_r=b_r), ours), params.W_hh.shape
                )
    return arrays


def from_torch(arrays):
    """Return (layers, backwards), tuples of Params, from {name: array}; a second bias of zeros is left out.

    Raises ValueError if an array is missing, or is none of those of RNN, LSTM and GRU with biases.
    """
    stacks, wanted = ([], []), []
    for suffix, stack in zip(("", "_reverse"), stacks, strict=True):
        while f"weight_hh_l{len(stack)}{suffix}" in arrays:
            wanted += (names := [f"{name}_l{len(stack)}{suffix}" for name in NAMES])
            if missing := set(names) - set(arrays):
                raise ValueError(f"{min(missing)} is missing")
            values = [_reorder(arrays[name], np.shape(arrays[names[0]])) for name in names]
            stack.append(Params(*values) if values[3].any() else Params(*values[:3]))
    if odd := set(arrays) - set(wanted):
        raise ValueError(f"{min(odd)} is no array of a recurrent layer")
    return tuple(stacks[0]), tuple(stacks[1])


def _reorder(array, shape):
    """Put the gates of an array into the order of the other library; `shape` is that of W_hh, (G n, n)."""
    gates = shape[0] // shape[1]
    if gates not in ORDER or len(array) != gates * shape[1]:
        raise ValueError(
            f"weight_hh has shape {shape}, but RNN, LSTM and GRU have 1, 4 and 3 gates of n rows"
        )
    return np.asarray(array).reshape(gates, shape[1], *array.shape[1:])[ORDER[gates]].reshape(array.shape)
