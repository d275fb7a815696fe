"""Optimizers as pairs of pure functions, and three ways to clip.

    state = optimizer.init(weights)
    state, update = optimizer.update(state, gradient)
    weights = params.add(weights, update)

g is the gradient; every operation is elementwise and keeps the dtype of g. A rate, an eps and a threshold
have to be above 0, a decay in [0, 1): anything else raises ValueError.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .params import leaves, map_tree, norm, not_finite, scale, zeros_like
from .shapes import fraction, positive


class Optimizer(NamedTuple):
    """init: weights -> state; update: (state, gradient) -> (state, update); settings name rule and rates."""

    init: Callable
    update: Callable
    settings: str = ""


def sgd(rate):
    """Return u = -rate g."""
    rate = positive("rate", rate)
    update = lambda state, gradient: (state, scale(gradient, -rate))
    return Optimizer(lambda weights: (), update, f"sgd({rate})")


def momentum(rate, decay=0.9):
    """Return v = decay v + g, u = -rate v [polyak1964]."""

    rate, decay = positive("rate", rate), fraction("decay", decay)

    def update(v, gradient):
        v = map_tree(lambda v, g: decay * v + g, v, gradient)
        return v, scale(v, -rate)

    return Optimizer(zeros_like, update, f"momentum({rate}, {decay})")


def rmsprop(rate, decay=0.99, eps=1e-8):
    """Return s = decay s + (1 - decay) g^2, u = -rate g / (sqrt(s) + eps) [hinton2012]."""

    rate, decay, eps = positive("rate", rate), fraction("decay", decay), positive("eps", eps)

    def init(weights):
        _represents(eps, weights)
        return zeros_like(weights)

    def update(s, gradient):
        s = map_tree(lambda s, g: decay * s + (1 - decay) * g * g, s, gradient)
        return s, map_tree(lambda s, g: -rate * g / (np.sqrt(s) + eps), s, gradient)

    return Optimizer(init, update, f"rmsprop({rate}, {decay}, {eps})")


def _represents(eps, weights):
    """Raise ValueError if eps is 0 in the precision of an array: then 0 / 0 comes of a gradient that is 0."""
    for dtype in {u.dtype for u in leaves(weights)}:
        if dtype.type(eps) == 0:
            raise ValueError(f"eps is {eps}, which is 0 in {dtype}: take a larger one, or weights in float32")


class Moments(NamedTuple):
    """The state of adam: running means m of g and v of g^2, and the number of updates so far."""

    m: tuple
    v: tuple
    count: np.ndarray


def adam(rate, beta_1=0.9, beta_2=0.999, eps=1e-8):
    """Return u = -rate m^ / (sqrt(v^) + eps), where m^ = m / (1 - beta_1^k), v^ = v / (1 - beta_2^k).

    m and v are running means of g and g^2 over k updates; the division undoes their start at 0 [kingma2015].
    """

    rate, eps = positive("rate", rate), positive("eps", eps)
    beta_1, beta_2 = fraction("beta_1", beta_1), fraction("beta_2", beta_2)

    def init(weights):
        _represents(eps, weights)
        return Moments(zeros_like(weights), zeros_like(weights), np.zeros((), int))

    def update(state, gradient):
        k = int(state.count) + 1
        m = map_tree(lambda m, g: beta_1 * m + (1 - beta_1) * g, state.m, gradient)
        v = map_tree(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, state.v, gradient)
        a, b = 1 / (1 - beta_1**k), 1 / (1 - beta_2**k)
        return Moments(m, v, np.array(k)), map_tree(lambda m, v: -rate * a * m / (np.sqrt(b * v) + eps), m, v)

    return Optimizer(init, update, f"adam({rate}, {beta_1}, {beta_2}, {eps})")


def clip_by_norm(gradient, threshold):
    """Return g min(1, threshold / |g|) over all parameters together, and |g| [pascanu2013].

    The direction stays, the norm becomes min(|g|, threshold). Like the other two, it raises
    FloatingPointError if g is not finite, and names the array: such a g has no direction.
    """
    threshold, size = positive("threshold", threshold, or_inf=True), norm(_finite(gradient))
    return (scale(gradient, threshold / size) if size > threshold else gradient), size


def clip_each_by_norm(gradient, threshold):
    """Return every parameter's gradient clipped by its own norm, g_k min(1, threshold / |g_k|).

    The joint direction turns, since the parameters shrink by different factors.
    """
    return map_tree(lambda g: clip_by_norm(g, threshold)[0], _finite(gradient))


def clip_by_value(gradient, threshold):
    """Return every entry cut to [-threshold, threshold]. The direction turns, but still descends."""
    threshold = positive("threshold", threshold, or_inf=True)
    return map_tree(lambda g: np.clip(g, -threshold, threshold), _finite(gradient))


def _finite(gradient):
    bad = not_finite(gradient)
    if bad:
        raise FloatingPointError(f"the gradient is not finite, first in {bad[0] or 'its only array'}")
    return gradient
