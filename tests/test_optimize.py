"""Each optimizer against its formula written out entry by entry, and against PyTorch where present."""

import math

import numpy as np
import pytest
from points import gap, point

from rnnlib import optimize
from rnnlib.cells import LSTM
from rnnlib.params import add, flatten, leaves, map_tree, norm, scale

STEPS = 5


def sgd(g, rate):
    return [-rate * g_k for g_k in g]


def momentum(g, rate, decay):
    v, updates = 0.0, []
    for g_k in g:
        v = decay * v + g_k
        updates.append(-rate * v)
    return updates


def rmsprop(g, rate, decay, eps):
    s, updates = 0.0, []
    for g_k in g:
        s = decay * s + (1 - decay) * g_k**2
        updates.append(-rate * g_k / (math.sqrt(s) + eps))
    return updates


def adam(g, rate, beta_1, beta_2, eps):
    def mean(beta, values):
        """Return the mean of the values so far, each weighing beta times as much as the next."""
        weights = [beta**age for age in reversed(range(len(values)))]
        return sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights)

    past = [g[: k + 1] for k in range(len(g))]
    return [-rate * mean(beta_1, p) / (math.sqrt(mean(beta_2, [g_j**2 for g_j in p])) + eps) for p in past]


# eps as large as 0.1 shows on which side of the root it stands
WRITTEN_OUT = {
    "sgd": (optimize.sgd, sgd, (0.3,)),
    "momentum": (optimize.momentum, momentum, (0.3, 0.8)),
    "rmsprop": (optimize.rmsprop, rmsprop, (0.3, 0.7, 0.1)),
    "adam": (optimize.adam, adam, (0.3, 0.8, 0.9, 0.1)),
}
every_optimizer = pytest.mark.parametrize("name", WRITTEN_OUT)


def gradients():
    """Return a gradient tree per step."""
    weights = point(LSTM).weights
    rng = np.random.default_rng(0)
    return weights, [map_tree(lambda p: rng.standard_normal(p.shape), weights) for _ in range(STEPS)]


@every_optimizer
def test_updates_follow_the_formula(name):
    ours, reference, settings = WRITTEN_OUT[name]
    weights, trees = gradients()
    optimizer = ours(*settings)
    state, updates = optimizer.init(weights), []
    for tree in trees:
        state, update = optimizer.update(state, tree)
        updates.append(flatten(update))
    columns = np.stack([flatten(tree) for tree in trees], axis=1)
    truth = np.array([reference(list(g), *settings) for g in columns])
    assert gap(np.stack(updates, axis=1), truth) < 1e-13


@every_optimizer
def test_steps_agree_with_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    make = {
        "sgd": lambda p: torch.optim.SGD([p], lr=0.3),
        "momentum": lambda p: torch.optim.SGD([p], lr=0.3, momentum=0.8),
        "rmsprop": lambda p: torch.optim.RMSprop([p], lr=0.3, alpha=0.7, eps=0.1),
        "adam": lambda p: torch.optim.Adam([p], lr=0.3, betas=(0.8, 0.9), eps=0.1),
    }
    ours, _, settings = WRITTEN_OUT[name]
    weights, trees = gradients()
    theirs = torch.tensor(flatten(weights), requires_grad=True)
    torch_optimizer, optimizer = make[name](theirs), ours(*settings)
    state = optimizer.init(weights)
    for tree in trees:
        theirs.grad = torch.tensor(flatten(tree))
        torch_optimizer.step()
        state, update = optimizer.update(state, tree)
        weights = add(weights, update)
    assert gap(flatten(weights), theirs.detach().numpy()) < 1e-13


@every_optimizer
def test_an_update_is_a_pure_function(name):
    ours, _, settings = WRITTEN_OUT[name]
    weights, (first, second, *_) = gradients()
    optimizer = ours(*settings)
    state, _ = optimizer.update(optimizer.init(weights), first)
    _, once = optimizer.update(state, second)
    _, again = optimizer.update(state, second)
    assert gap(once, again) == 0


@every_optimizer
def test_updates_keep_float32(name):
    ours, _, settings = WRITTEN_OUT[name]
    weights, (tree, *_) = gradients()
    single = map_tree(lambda p: p.astype(np.float32), (weights, tree))
    optimizer = ours(*settings)
    _, update = optimizer.update(optimizer.init(single[0]), single[1])
    assert {p.dtype for p in leaves(update)} == {np.dtype(np.float32)}
    assert {p.dtype for p in leaves(optimize.clip_by_norm(single[1], 0.1)[0])} == {np.dtype(np.float32)}
    assert {p.dtype for p in leaves(optimize.clip_by_value(single[1], 0.1))} == {np.dtype(np.float32)}


@every_optimizer
def test_an_optimizer_finds_the_bottom_of_a_bowl(name):
    ours, target = WRITTEN_OUT[name][0], (np.array([1.0, -2.0]), np.array([[3.0]]))
    optimizer = ours(0.02)
    weights = map_tree(np.zeros_like, target)
    state = optimizer.init(weights)
    for _ in range(600):
        state, update = optimizer.update(state, map_tree(np.subtract, weights, target))
        weights = add(weights, update)
    assert gap(weights, target) < 0.05


@pytest.mark.parametrize("threshold", [1e-3, 1.0, 1e3])
def test_clipping_by_norm_keeps_the_direction_and_bounds_the_norm(threshold):
    gradient = point(LSTM).weights
    clipped, size = optimize.clip_by_norm(gradient, threshold)
    assert size == norm(gradient)
    assert norm(clipped) == pytest.approx(min(size, threshold), rel=1e-13)
    assert gap(scale(clipped, size / norm(clipped)), gradient) < 1e-13


def test_clipping_by_norm_leaves_a_small_gradient_alone():
    gradient = point(LSTM).weights
    assert gap(optimize.clip_by_norm(gradient, norm(gradient))[0], gradient) == 0


@pytest.mark.parametrize(("dtype", "huge"), [(np.float64, 1e200), (np.float32, 1e30)])
def test_clipping_a_huge_gradient_does_not_overflow(dtype, huge):
    gradient = (np.array([3 * huge, 0], dtype), np.array([[-4 * huge]], dtype))
    clipped, size = optimize.clip_by_norm(gradient, 1.0)
    assert size == pytest.approx(5 * huge, rel=1e-6)
    assert gap(clipped, (np.array([0.6, 0]), np.array([[-0.8]]))) < 1e-6


def test_clipping_each_parameter_by_its_own_norm_keeps_the_small_ones_and_turns_the_whole():
    gradient = (np.array([3.0, 4.0]), (np.array([[0.5]]),))
    clipped = optimize.clip_each_by_norm(gradient, 1.0)
    assert gap(clipped, (np.array([0.6, 0.8]), (np.array([[0.5]]),))) < 1e-15
    whole = optimize.clip_by_norm(gradient, 1.0)[0]
    g, each, joint = flatten(gradient), flatten(clipped), flatten(whole)
    cosine = lambda v: g @ v / (np.linalg.norm(g) * np.linalg.norm(v))
    assert cosine(joint) == pytest.approx(1)
    assert 0 < cosine(each) < 0.95


def test_clipping_by_value_cuts_entries_and_still_descends():
    gradient = point(LSTM).weights
    clipped = optimize.clip_by_value(gradient, 0.3)
    g, cut = flatten(gradient), flatten(clipped)
    small = np.abs(g) <= 0.3
    assert small.any()
    assert not small.all()
    assert (cut[small] == g[small]).all()
    assert (cut[~small] == 0.3 * np.sign(g[~small])).all()
    assert g @ cut > 0


HYPERPARAMETERS = {
    "rate": [
        lambda v, rule=rule: rule(v)
        for rule in (optimize.sgd, optimize.momentum, optimize.rmsprop, optimize.adam)
    ],
    "decay": [lambda v: optimize.momentum(0.1, v), lambda v: optimize.rmsprop(0.1, v)],
    "beta_1": [lambda v: optimize.adam(0.1, v)],
    "beta_2": [lambda v: optimize.adam(0.1, beta_2=v)],
    "eps": [lambda v: optimize.rmsprop(0.1, eps=v), lambda v: optimize.adam(0.1, eps=v)],
    "threshold": [
        lambda v, clip=clip: clip((np.ones(2),), v)
        for clip in (optimize.clip_by_norm, optimize.clip_each_by_norm, optimize.clip_by_value)
    ],
}


@pytest.mark.parametrize("value", [-1, np.nan, "1", [1.0], None, 1j])
@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_a_hyperparameter_out_of_its_range_is_refused_by_name(name, value):
    for call in HYPERPARAMETERS[name]:
        with pytest.raises(
            ValueError, match=rf"^{name} is .*, but must be a (finite )?number (above 0|of \[0, 1\))"
        ):
            call(value)


@pytest.mark.parametrize(
    ("name", "value"), [("decay", 1), ("beta_2", 1.0), ("rate", 0), ("threshold", 0), ("rate", np.inf)]
)
def test_the_ends_of_the_ranges_are_refused_where_nothing_would_be_learned(name, value):
    for call in HYPERPARAMETERS[name]:
        with pytest.raises(ValueError, match=f"^{name} is {value}"):
            call(value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("clip", [optimize.clip_by_norm, optimize.clip_each_by_norm, optimize.clip_by_value])
def test_a_gradient_that_is_not_finite_is_refused_by_naming_the_array(clip, bad):
    gradient = point(LSTM, 2).weights
    gradient.layers[1].W_hx[0, 0] = bad
    with pytest.raises(FloatingPointError, match=r"not finite, first in layers.1.W_hx$"):
        clip(gradient, 1.0)


@pytest.mark.parametrize("rule", [optimize.rmsprop, optimize.adam])
def test_half_precision_is_refused_where_eps_would_vanish(rule):
    half = (np.zeros(2, np.float16),)
    with pytest.raises(ValueError, match="eps is 1e-08, which is 0 in float16"):
        rule(0.1).init(half)
    optimizer = rule(0.1, eps=1e-4)
    assert np.isfinite(optimizer.update(optimizer.init(half), half)[1][0]).all()


def test_optimizers_tell_their_rules_and_rates_apart():
    rules = [optimize.sgd, optimize.momentum, optimize.rmsprop, optimize.adam]
    told = [rule(rate).settings for rule in rules for rate in (0.1, np.float32(0.2))]
    assert len(set(told)) == len(told)
    assert optimize.adam(1e-3).settings == "adam(0.001, 0.9, 0.999, 1e-08)"
