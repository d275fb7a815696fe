"""Sequence tasks with a known answer for the best that can be done without memory.

A task is called as task(rng, T, B) and returns x (T, B, m), y (T, B, o) and mask (T, B), 1 where the
output counts; only `copy_memory` counts its steps from the delay. `..._baseline` is the least expected loss
per counted step of an output that ignores the input, in the units of the loss named beside it. How wrong the
outputs z (T, B, o) are is a number from `share_of_errors`, `mean_square` or `outer_errors`: 0 if z = y.
"""

import numpy as np

from .shapes import whole


def one_hot(tokens, size):
    """Return the one-hot rows of integer tokens: shape tokens.shape + (size,).

    Raises ValueError if a token is not an integer of 0 .. size-1.
    """
    tokens, size = np.asarray(tokens), whole("size", size, 1)
    if not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"tokens have dtype {tokens.dtype}, but must be integers")
    if tokens.size and (tokens.min() < 0 or tokens.max() >= size):
        bad = tokens[(tokens < 0) | (tokens >= size)][0]
        raise ValueError(f"token {bad} is outside the vocabulary 0 .. {size - 1}")
    rows = np.zeros((*tokens.shape, size))
    np.put_along_axis(rows, tokens[..., None], 1, axis=-1)
    return rows


def recall(rng, T, B):
    """Recall at step T the sign shown at step 1: m = 2 (sign, noise), o = 2 classes.

    The first input is the sign, +1 or -1, at step 1, and 0 after it; the second is N(0, 0.1^2) at every step.
    """
    T, B = _sizes("recall", T, 2, B)
    x, bit = np.zeros((T, B, 2)), rng.integers(2, size=B)
    x[0, :, 0], x[..., 1] = 2 * bit - 1, 0.1 * rng.standard_normal((T, B))
    return x, *_answer_at_end(T, one_hot(bit, 2))


def recall_baseline():
    """Return ln 2: softmax cross-entropy of a fair coin, in nats."""
    return float(np.log(2))


def adding(rng, T, B):
    """Add the two marked values: m = 2 (value in [0, 1], marker), o = 1; [le2015] after [hochreiter1997].

    One marker stands in the first half, one in the second; the sum is asked for at step T.
    """
    T, B = _sizes("adding", T, 2, B)
    x = np.zeros((T, B, 2))
    x[..., 0] = rng.uniform(size=(T, B))
    for marked in (rng.integers(T // 2, size=B), rng.integers(T // 2, T, size=B)):
        x[marked, np.arange(B), 1] = 1
    return x, *_answer_at_end(T, (x[..., 0] * x[..., 1]).sum(axis=0)[:, None])


def adding_baseline():
    """Return 1/12: half the variance 2/12 of the sum of two uniforms, for always answering 1."""
    return 1 / 12


def copy_memory(rng, delay, B, symbols=8, length=10):
    """Copy `length` symbols after a delay [arjovsky2016]: m = symbols + 2, o = symbols + 1.

    The sequence has delay + 2 length steps: the symbols, delay - 1 blanks, a delimiter, `length` blanks.
    Every step counts; the answer is blank until the delimiter has been seen, then the symbols in order.
    """
    delay, B = _sizes("copy_memory", delay, 1, B)
    symbols, length = whole("symbols", symbols, 1), whole("length", length, 1)
    blank, delimiter = symbols, symbols + 1
    word, steps = rng.integers(symbols, size=(length, B)), delay + 2 * length
    shown, answer = np.full((steps, B), blank), np.full((steps, B), blank)
    shown[:length], shown[length + delay - 1], answer[-length:] = word, delimiter, word
    return one_hot(shown, symbols + 2), one_hot(answer, symbols + 1), np.ones((steps, B))


def copy_memory_baseline(delay, symbols=8, length=10):
    """Return length ln(symbols) / (delay + 2 length) nats: blanks are known, each symbol is a guess."""
    return length * float(np.log(symbols)) / (delay + 2 * length)


def temporal_order(rng, T, B):
    """Name the order of two marks, each A or B, among distractors [pascanu2013]: m = 6, o = 4 classes.

    The marks stand at random steps of [T/10, 2T/10) and [4T/10, 5T/10); the class is asked for at step T.
    """
    T, B = _sizes("temporal_order", T, 10, B)
    shown = rng.integers(2, 6, size=(T, B))
    marks = rng.integers(2, size=(2, B))
    for mark, low in zip(marks, (1, 4), strict=True):
        shown[rng.integers(low * T // 10, (low + 1) * T // 10, size=B), np.arange(B)] = mark
    return one_hot(shown, 6), *_answer_at_end(T, one_hot(2 * marks[0] + marks[1], 4))


def temporal_order_baseline():
    """Return ln 4: softmax cross-entropy of a guess among four classes, in nats."""
    return float(np.log(4))


def parity(rng, T, B):
    """Say at every step whether the ones so far are odd in number: m = 1 (-1 or 1), o = 2 classes."""
    T, B = _sizes("parity", T, 1, B)
    bits = rng.integers(2, size=(T, B))
    return 2.0 * bits[..., None] - 1, one_hot(bits.cumsum(axis=0) % 2, 2), np.ones((T, B))


def parity_baseline():
    """Return ln 2: softmax cross-entropy of a fair coin, in nats."""
    return float(np.log(2))


def counting(rng, T, B):
    """Predict the next symbol of a^k b^k, which ends with $ [gers2001]: m = o = 3 (a, b, $).

    k is uniform in 1 .. T/2. There are T + 1 steps, the first shows $, and padding is $. After the first b
    every symbol is known to who has counted; only these k steps count.
    """
    T, B = _sizes("counting", T, 2, B)
    k, t = rng.integers(1, T // 2 + 1, size=B), np.arange(T + 1)[:, None]
    following = np.where(t < k, 0, np.where(t < 2 * k, 1, 2))
    shown = np.concatenate([np.full((1, B), 2), following[:-1]])
    return one_hot(shown, 3), one_hot(following, 3), np.where((t > k) & (t <= 2 * k), 1.0, 0.0)


def counting_baseline(T):
    """Return the entropy of the next symbol at a counted step t, b or $, given t alone: in nats."""
    T = whole("T", T, 2)
    lengths = [[k for k in range(1, T // 2 + 1) if k < t <= 2 * k] for t in range(T + 1)]
    ends = [(len(ks), sum(2 * k == t for k in ks) / len(ks)) for t, ks in enumerate(lengths) if ks]
    entropy = sum(-count * (p * np.log(p) + (1 - p) * np.log1p(-p)) for count, p in ends if 0 < p < 1)
    return float(entropy / sum(count for count, _ in ends))


REBER = "BTPSXVE"
_EDGES = {0: "T1 P2", 1: "S1 X3", 2: "T2 V4", 3: "X2 S5", 4: "P3 V5"}  # state: symbol and next state, twice


def reber_string(rng):
    """Return a string of the embedded Reber grammar [hochreiter1997]: B T B...E T E or B P B...E P E."""
    outer, inner, state = "TP"[rng.integers(2)], "", 0
    while state != 5:
        symbol, state = _EDGES[state].split()[rng.integers(2)]
        inner, state = inner + symbol, int(state)
    return f"B{outer}B{inner}E{outer}E"


def reber(rng, T, B):
    """Predict the next symbol of embedded Reber strings of at most T + 1 symbols: m = o = 7.

    Shorter strings are padded with E and masked. Longer strings are drawn again.
    """
    T, B = _sizes("reber", T, 8, B)
    tokens, mask = np.full((T + 1, B), REBER.index("E")), np.zeros((T, B))
    for b in range(B):
        while len(word := reber_string(rng)) > T + 1:
            continue
        tokens[: len(word), b] = [REBER.index(symbol) for symbol in word]
        mask[: len(word) - 1, b] = 1
    return one_hot(tokens[:-1], 7), one_hot(tokens[1:], 7), mask


def share_of_errors(z, y, mask):
    """Return the share of counted steps at which another class than the right one is likeliest.

    z (T, B, o) are outputs before the softmax, and y (T, B, o) and mask (T, B) those of a task.
    """
    return np.mean((z.argmax(axis=2) != y.argmax(axis=2))[mask > 0])


def mean_square(z, y, mask):
    """Return the mean of (z - y)^2 over the counted steps; shapes as for `share_of_errors`."""
    return np.mean((z - y)[mask > 0] ** 2)


def outer_errors(z, y, mask):
    """Return the share of Reber strings whose second last symbol, T or P, is not the likeliest answer."""
    steps, strings = mask.sum(axis=0).astype(int) - 2, np.arange(mask.shape[1])
    return np.mean(z[steps, strings].argmax(axis=1) != y[steps, strings].argmax(axis=1))


def _answer_at_end(T, answer):
    """Return y and mask for a task whose one answer (B, o) is due at step T."""
    mask = np.zeros((T, len(answer)))
    mask[-1] = 1
    return mask[..., None] * answer, mask


def _sizes(task, T, least, B):
    """Return the length and the number of sequences, or raise ValueError if the task cannot have them."""
    return whole(f"{task}'s T", T, least), whole("B", B, 1)
