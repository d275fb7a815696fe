"""Tasks: shapes, answers worked out again from x alone, and baselines."""

import re
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from rnnlib import tasks

DRAWN = {
    "recall": (tasks.recall, 7, 7, 2, 2),
    "adding": (tasks.adding, 7, 7, 2, 1),
    "copy_memory": (tasks.copy_memory, 7, 27, 10, 9),
    "temporal_order": (tasks.temporal_order, 23, 23, 6, 4),
    "parity": (tasks.parity, 7, 7, 1, 2),
    "counting": (tasks.counting, 7, 8, 3, 3),
    "reber": (tasks.reber, 15, 15, 7, 7),
}
every_task = pytest.mark.parametrize(("task", "T", "steps", "m", "o"), DRAWN.values(), ids=list(DRAWN))


def rng(seed=0):
    return np.random.default_rng(seed)


@every_task
def test_a_task_has_the_shapes_promised(task, T, steps, m, o):
    x, y, mask = task(rng(), T, 5)
    assert [v.shape for v in (x, y, mask)] == [(steps, 5, m), (steps, 5, o), (steps, 5)]
    assert {v.dtype for v in (x, y, mask)} == {np.dtype(float)}
    assert set(np.unique(mask)) <= {0, 1}
    assert (mask.sum(axis=0) > 0).all()


@every_task
def test_a_task_depends_on_the_rng_alone(task, T, steps, m, o):
    once, again, other = (task(rng(seed), T, 5)[0] for seed in (0, 0, 1))
    assert (once == again).all()
    assert (once != other).any()


@pytest.mark.parametrize(
    ("task", "least"),
    [
        (tasks.recall, 2),
        (tasks.adding, 2),
        (tasks.copy_memory, 1),
        (tasks.temporal_order, 10),
        (tasks.parity, 1),
        (tasks.counting, 2),
        (tasks.reber, 8),
    ],
    ids=list(DRAWN),
)
def test_a_task_says_which_lengths_it_has(task, least):
    for T in (least, least + 1):
        assert np.isfinite(task(rng(), T, 3)[0]).all()
    for T in (least - 1, 0, -3):
        with pytest.raises(ValueError, match=f"{task.__name__}'s T is {T}, but must be at least {least}"):
            task(rng(), T, 3)


def asked_at_the_end(mask):
    return (mask[-1] == 1).all() and not mask[:-1].any()


def test_recall_shows_a_sign_once_then_noise_beside_it_and_asks_for_the_sign():
    x, y, mask = tasks.recall(rng(), 6, 400)
    assert set(np.unique(x[0, :, 0])) == {-1, 1}
    assert not x[1:, :, 0].any()
    assert x[..., 1].std() == pytest.approx(0.1, rel=0.05)
    assert (y[-1].argmax(axis=1) == (x[0, :, 0] > 0)).all()
    assert (y[-1].sum(axis=1) == 1).all()
    assert asked_at_the_end(mask)


@pytest.mark.parametrize("T", [2, 3, 6, 7])
def test_adding_asks_for_the_sum_of_the_two_marked_values(T):
    x, y, mask = tasks.adding(rng(), T, 300)
    places = set()
    for b in range(300):
        first, second = np.flatnonzero(x[:, b, 1])
        assert first < T // 2 <= second
        assert y[-1, b, 0] == x[first, b, 0] + x[second, b, 0]
        places |= {first, second}
    assert places == set(range(T))
    assert set(np.unique(x[..., 1])) <= {0, 1}
    assert x[..., 0].min() >= 0
    assert x[..., 0].max() <= 1
    assert asked_at_the_end(mask)


@pytest.mark.parametrize("T", [1, 4])
def test_copy_memory_shows_a_word_waits_and_asks_for_it(T):
    symbols, length = 3, 5
    x, y, mask = tasks.copy_memory(rng(), T, 50, symbols, length)
    shown, answer = x.argmax(axis=2), y.argmax(axis=2)
    blank, delimiter = symbols, symbols + 1
    assert x.shape[2] == symbols + 2
    assert y.shape[2] == symbols + 1
    assert set(np.unique(shown[:length])) == set(range(symbols))
    assert (shown[length:] == blank).sum() == 50 * (T - 1 + length)
    assert (shown[length + T - 1] == delimiter).all()
    assert (answer[: T + length] == blank).all()
    assert (answer[T + length :] == shown[:length]).all()
    assert (mask == 1).all()


def test_temporal_order_names_the_order_of_the_two_marks():
    T = 20
    x, y, mask = tasks.temporal_order(rng(), T, 400)
    shown, places = x.argmax(axis=2), set()
    for b in range(400):
        first, second = np.flatnonzero(shown[:, b] < 2)
        assert 2 <= first < 4
        assert 8 <= second < 10
        places |= {first, second}
        assert y[-1, b].tolist() == [
            [shown[first, b], shown[second, b]] == pair for pair in ([0, 0], [0, 1], [1, 0], [1, 1])
        ]
    assert places == {2, 3, 8, 9}
    assert set(np.unique(shown)) == set(range(6))
    assert asked_at_the_end(mask)


def test_parity_says_at_every_step_whether_the_ones_so_far_are_odd_in_number():
    x, y, mask = tasks.parity(rng(), 9, 200)
    assert set(np.unique(x)) == {-1, 1}
    for b in range(200):
        signs = [np.prod(-x[: t + 1, b, 0]) for t in range(9)]  # -1 for every one
        assert (y[:, b].argmax(axis=1) == (np.array(signs) < 0)).all()
    assert (mask == 1).all()


@pytest.mark.parametrize("T", [2, 7, 12])
def test_counting_shows_as_many_b_as_a_and_counts_the_steps_after_the_first_b(T):
    x, y, mask = tasks.counting(rng(), T, 300)
    letters, lengths = np.array(list("ab$")), set()
    for b in range(300):
        shown = "".join(letters[x[:, b].argmax(axis=1)])
        wanted = "".join(letters[y[:, b].argmax(axis=1)])
        k = shown.count("a")
        lengths.add(k)
        assert wanted == ("a" * k + "b" * k).ljust(T + 1, "$")
        assert shown == "$" + wanted[:-1]
        assert np.flatnonzero(mask[:, b]).tolist() == list(range(k + 1, 2 * k + 1))
    assert lengths == set(range(1, T // 2 + 1))


# the grammar's graph, read off as an expression by eliminating its states
AFTER_X_OR_P = "(?:XT*VP)*(?:S|XT*VV)"
REBER = re.compile(f"B([TP])B(?:TS*X{AFTER_X_OR_P}|PT*V(?:V|P{AFTER_X_OR_P}))E\\1E")


def test_reber_strings_obey_the_grammar():
    r = rng()
    words = [tasks.reber_string(r) for _ in range(2000)]
    assert all(REBER.fullmatch(word) for word in words)
    assert min(map(len, words)) == 9
    assert {word[1] for word in words} == {"T", "P"}
    pairs = {pair for word in words for pair in pairwise(word[2:-2])}
    edges = "BT BP TS TX TT TV PT PV PX PS SS SX SE XX XS XT XV VP VV VE"
    assert {"".join(pair) for pair in pairs} == set(edges.split())


@pytest.mark.parametrize("T", [8, 12, 40])
def test_reber_asks_for_the_next_symbol_of_every_string(T):
    x, y, mask = tasks.reber(rng(), T, 60)
    for b in range(60):
        steps = int(mask[:, b].sum())
        assert (mask[:steps, b] == 1).all()
        shown = [tasks.REBER[k] for k in x[:steps, b].argmax(axis=1)]
        wanted = [tasks.REBER[k] for k in y[:steps, b].argmax(axis=1)]
        assert REBER.fullmatch("".join([*shown, wanted[-1]]))
        assert shown[1:] == wanted[:-1]
        assert (x[steps:, b].argmax(axis=1) == tasks.REBER.index("E")).all()


def entropy(y):
    """Return the least cross-entropy of a constant answer to y (B, o): the entropy of its mean, in nats."""
    p = y.mean(axis=0)
    return -sum(q * np.log(q) for q in p if q > 0)


def test_baselines_are_the_losses_of_the_best_constant_answers():
    B = 20_000
    assert entropy(tasks.recall(rng(), 2, B)[1][-1]) == pytest.approx(tasks.recall_baseline(), rel=1e-3)
    order = tasks.temporal_order(rng(), 10, B)[1][-1]
    assert entropy(order) == pytest.approx(tasks.temporal_order_baseline(), rel=1e-3)
    y = tasks.adding(rng(), 5, B)[1][-1]
    assert y.mean() == pytest.approx(1, abs=0.02)
    assert y.var() / 2 == pytest.approx(tasks.adding_baseline(), rel=0.05)
    assert entropy(tasks.parity(rng(), 3, B)[1][-1]) == pytest.approx(tasks.parity_baseline(), rel=1e-3)
    _, y, mask = tasks.counting(rng(), 9, B)
    shares = [m.sum() * entropy(step[m > 0]) for step, m in zip(y, mask, strict=True) if m.any()]
    assert sum(shares) / mask.sum() == pytest.approx(tasks.counting_baseline(9), rel=0.01)
    T, symbols, length = 4, 3, 2
    answers = tasks.copy_memory(rng(), T, B, symbols, length)[1]
    baseline = tasks.copy_memory_baseline(T, symbols, length)
    assert np.mean([entropy(y) for y in answers]) == pytest.approx(baseline, rel=1e-3)


@pytest.mark.parametrize(
    "task",
    DRAWN,
)
def test_a_task_refuses_sizes_that_are_no_whole_numbers_and_a_batch_of_none(task):
    for T, B, text in ((20.0, 3, "T is 20.0, but must be a whole number"), (20, 0, "B is 0, but must be at")):
        with pytest.raises(ValueError, match=text):
            getattr(tasks, task)(rng(), T, B)


def test_how_wrong_answers_are_is_counted_at_the_steps_that_count():
    y = np.eye(3)[[[0, 1], [2, 0], [1, 1]]]
    z, mask = 5.0 * y, np.array([[1.0, 0], [1, 1], [0, 1]])
    z[0, 1], z[2, 0] = np.eye(3)[2], 9  # what does not count
    assert tasks.share_of_errors(z, y, mask) == 0
    assert tasks.mean_square(y, y, mask) == 0
    z[1, 0] = [1, 0, 0]  # one class of four
    assert tasks.share_of_errors(z, y, mask) == 1 / 4
    assert tasks.mean_square(y + np.array([3.0, 0, 0]), y, mask) == 3
    assert tasks.mean_square(y + mask[..., None] - 1, y, mask) == 0


def test_an_outer_error_of_reber_is_one_of_the_second_last_symbol_alone():
    _, y, mask = tasks.reber(rng(), 30, 40)
    z, T, P = y.copy(), tasks.REBER.index("T"), tasks.REBER.index("P")
    last = mask.sum(axis=0).astype(int) - 1
    for b in range(40):
        z[: last[b] - 1, b] = z[last[b] :, b] = 0
    assert tasks.outer_errors(z, y, mask) == 0
    for b in range(10):
        z[last[b] - 1, b, [T, P]] = z[last[b] - 1, b, [P, T]]
    assert tasks.outer_errors(z, y, mask) == 1 / 4


def test_one_hot_takes_no_more_memory_than_its_rows():
    tracemalloc.start()
    rows = tasks.one_hot(np.arange(10), 30_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.sum() == 10
    assert peak < 2 * rows.nbytes
    with pytest.raises(ValueError, match="size is 0, but must be at least 1"):
        tasks.one_hot([], 0)


def test_one_hot_rows_have_a_one_at_the_token():
    tokens = np.array([[0, 2], [1, 1]])
    assert tasks.one_hot(tokens, 3).tolist() == [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]]]
    assert tasks.one_hot([2], 3).dtype == float


@pytest.mark.parametrize("bad", [-1, 3, 10])
def test_a_token_outside_the_vocabulary_is_refused(bad):
    with pytest.raises(ValueError, match=re.escape(f"token {bad} is outside the vocabulary 0 .. 2")):
        tasks.one_hot(np.array([0, bad, 1]), 3)


@pytest.mark.parametrize("tokens", [[0.0, 1.0], [True], ["a"]])
def test_tokens_that_are_no_integers_are_refused(tokens):
    with pytest.raises(ValueError, match=r"tokens have dtype .* must be integers"):
        tasks.one_hot(np.array(tokens), 3)
