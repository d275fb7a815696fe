"""Weights go to PyTorch and come back bit for bit; what PyTorch makes of them is in test_torch."""

import numpy as np
import pytest
from points import CELLS

from rnnlib import exchange, initialize
from rnnlib.params import leaves

LAYOUTS = {"one layer": (1, False), "stacked": (3, False), "bidirectional": (1, True), "both": (2, True)}


def stacks(cell, depth, both, second=True):
    """Draw the layers of a network, and those that read backwards."""
    rng, found = np.random.default_rng(7), ([], [])
    for stack in found[: 1 + both]:
        for k in range(depth):
            m = 4 if k == 0 else 5 * (1 + both)
            layer = initialize.layer(rng, CELLS[cell], m, 5)
            layer = layer._replace(b_h=rng.standard_normal(layer.b_h.shape))
            stack.append(layer._replace(b_r=rng.standard_normal(layer.b_h.shape)) if second else layer)
    return tuple(map(tuple, found))


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_weights_come_back_from_pytorch_bit_for_bit(cell, layout, second):
    ours = stacks(cell, *LAYOUTS[layout], second)
    back = exchange.from_torch(exchange.to_torch(*ours))
    assert [len(stack) for stack in back] == [len(stack) for stack in ours]
    assert all((a == b).all() for a, b in zip(leaves(back), leaves(ours), strict=True))


def test_what_is_no_recurrent_layer_is_refused_by_name():
    arrays = exchange.to_torch(*stacks("gru", 2, False))
    with pytest.raises(ValueError, match="weight_hr_l0 is no array of a recurrent layer"):
        exchange.from_torch(arrays | {"weight_hr_l0": np.ones((2, 5))})
    with pytest.raises(ValueError, match="bias_ih_l1 is missing"):
        exchange.from_torch({name: a for name, a in arrays.items() if name != "bias_ih_l1"})
    with pytest.raises(ValueError, match="1, 4 and 3 gates"):
        exchange.from_torch({name: a[:10] for name, a in arrays.items()})
    with pytest.raises(ValueError, match="backwards has 1 layers, but must have 2, or none"):
        exchange.to_torch(*(stacks("gru", 2, False)[0], stacks("gru", 1, True)[1]))
