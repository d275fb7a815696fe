"""The training loop: it learns, it remembers, and an interruption changes no bit."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from points import gap, same_bits

from rnnlib import cells, initialize, network, optimize, tasks
from rnnlib.cells import LSTM, TANH
from rnnlib.network import Network
from rnnlib.params import cast, flatten, map_tree, norm
from rnnlib.readout import squared_error
from rnnlib.train import History, load, save, train

NET = Network(TANH, mean=True)
TESTS = Path(__file__).parent
OPTIMIZERS = {
    "sgd": optimize.sgd(0.1),
    "momentum": optimize.momentum(0.05),
    "rmsprop": optimize.rmsprop(0.01),
    "adam": optimize.adam(0.02),
}


def first_weights(cell=TANH, n=4):
    return initialize.weights(np.random.default_rng(0), cell, 2, n, 2, learn_start=True)


def sample(rng):
    return tasks.recall(rng, 3, 8)


def run(steps, path=None, optimizer=OPTIMIZERS["adam"], weights=None, net=NET, draw=sample, **options):
    options = {"seed": 3, "clip": 1.0, "every": 5} | options
    return train(net, weights or first_weights(), draw, steps, optimizer, path=path, **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loss_falls_on_a_task_that_can_be_learned(name):
    _, history = run(300, optimizer=OPTIMIZERS[name])
    assert history.loss[0] > 0.6
    assert history.loss[-20:].mean() < 0.1


def test_history_holds_the_loss_and_the_norm_before_clipping_at_every_step():
    weights, history = run(1, clip=1e-3)
    x, y, mask = sample(np.random.default_rng([3, 0]))
    E, gradient = network.loss_and_gradient(NET, first_weights(), x, y, mask)
    assert [part.shape for part in history] == [(1,), (1,)]
    assert (history.loss[0], history.norm[0]) == (E, norm(gradient))
    assert history.norm[0] > 1e-3
    assert not same_bits(weights, first_weights())


@pytest.mark.parametrize("clip", [None, 1e-3, 1e3])
def test_clipping_bounds_a_step(clip):
    weights, history = run(1, clip=clip, optimizer=optimize.sgd(1.0))
    length = np.linalg.norm(flatten(weights) - flatten(first_weights()))
    assert length == pytest.approx(min(clip or np.inf, history.norm[0]), rel=1e-10)


def test_no_steps_change_nothing():
    weights, history = run(0)
    assert same_bits(weights, first_weights())
    assert [part.shape for part in history] == [(0,), (0,)]


def test_the_seed_decides_everything():
    assert same_bits(run(5), run(5))
    assert not same_bits(run(5)[0], run(5, seed=4)[0])


def test_every_step_draws_a_batch_of_its_own():
    drawn = []

    def draw(rng):
        drawn.append(rng.random())
        return sample(rng)

    run(4, draw=draw)
    assert drawn == [np.random.default_rng([3, k]).random() for k in range(4)]


def test_training_is_silent_in_ci(monkeypatch, capfd):
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    run(3)
    assert capfd.readouterr() == ("", "")


def test_training_shows_a_bar_with_the_loss_elsewhere(monkeypatch, capfd):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    run(3)
    out, err = capfd.readouterr()
    assert out == ""
    assert re.search(r"3/3 .*loss=\d", err)


def in_a_process(code, environment=()):
    """Start Python on `code`, which may import the test modules; tqdm reads its variables at import."""
    kept = {key: os.environ[key] for key in os.environ if key not in ("CI", "TQDM_DISABLE")}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=TESTS,
        env=kept | {"PYTHONPATH": str(TESTS.parent)} | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("variable", ["CI", "TQDM_DISABLE"])
def test_either_variable_makes_a_process_silent(variable):
    process = in_a_process("import test_train; test_train.run(3)", {variable: "1"})
    assert process.communicate() == ("", "")
    assert process.returncode == 0


@pytest.mark.parametrize("steps", [5, 7])  # at a save that was due, and at the end of a run
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(name, steps, tmp_path):
    run(steps, tmp_path / "run.npz", OPTIMIZERS[name])
    resumed = run(12, tmp_path / "run.npz", OPTIMIZERS[name])
    assert same_bits(resumed, run(12, optimizer=OPTIMIZERS[name]))


def test_a_resumed_lstm_in_float32_has_the_same_bits(tmp_path):
    net = Network(LSTM, mean=True)
    weights = cast(first_weights(LSTM), np.float32)
    single = lambda rng: map_tree(lambda v: v.astype(np.float32), sample(rng))
    run(5, tmp_path / "run.npz", weights=weights, net=net, draw=single)
    resumed = run(9, tmp_path / "run.npz", weights=weights, net=net, draw=single)
    assert resumed[0].readout.W_yh.dtype == np.float32
    assert same_bits(resumed, run(9, weights=weights, net=net, draw=single))


def test_a_finished_run_is_returned_as_it_is(tmp_path):
    finished = run(6, tmp_path / "run.npz")
    again = run(6, tmp_path / "run.npz", draw=None)
    assert same_bits(again, finished)


def stall_at(step, path):
    """Train, but fall asleep for good while drawing the batch of `step`; say so first."""
    calls = iter(range(step + 1))

    def draw(rng):
        if next(calls) == step:
            print("stalled", flush=True)
            time.sleep(600)
        return sample(rng)

    run(40, path, draw=draw)


@pytest.mark.parametrize("step", [5, 23])
def test_a_run_killed_in_the_middle_loses_the_steps_since_the_last_save_and_no_bit(step, tmp_path):
    path = tmp_path / "run.npz"
    process = in_a_process(f"import test_train; test_train.stall_at({step}, {str(path)!r})", {"CI": "1"})
    said = process.stdout.readline()
    process.kill()  # SIGKILL: no handler, no clean-up
    _, err = process.communicate()
    assert (said, err) == ("stalled\n", "")
    weights, optimizer = first_weights(), OPTIMIZERS["adam"]
    _, history = load(path, (weights, optimizer.init(weights)), {})
    assert history.shape == (2, 5 * (step // 5))
    assert same_bits(run(40, path), run(40))


MOMENTS = {"while writing": (np.lib.format, "write_array"), "before renaming": (os, "fsync")}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_save_that_dies_leaves_the_last_one_whole(moment, tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    run(5, path)
    with monkeypatch.context() as patch:
        patch.setattr(*MOMENTS[moment], dies)
        with pytest.raises(KeyboardInterrupt):
            run(12, path)
    assert os.listdir(tmp_path) == ["run.npz"]
    assert same_bits(run(12, path), run(12))


def dies(file, *array, **options):
    if array:
        file.write(b"half an array")
    raise KeyboardInterrupt


class Trap:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


@pytest.mark.parametrize("where", ["0.readout.b_y", "history", "settings"])
def test_no_pickle_is_ever_loaded(where, tmp_path):
    path, sprung = tmp_path / "run.npz", tmp_path / "sprung"
    run(5, path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays[where] = np.array(Trap(sprung), dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        run(7, path)
    assert not sprung.exists()


def test_a_run_of_another_seed_is_refused(tmp_path):
    run(5, tmp_path / "run.npz")
    with pytest.raises(ValueError, match="was made with seed 3, not 4: start another path"):
        run(7, tmp_path / "run.npz", seed=4)


@pytest.mark.parametrize(
    "other",
    [
        {"weights": first_weights(n=5)},
        {"weights": first_weights(LSTM), "net": Network(LSTM)},
        {"weights": cast(first_weights(), np.float32)},
    ],
    ids=["size", "cell", "precision"],
)
def test_a_run_of_another_network_or_optimizer_is_refused(other, tmp_path):
    run(5, tmp_path / "run.npz")
    with pytest.raises(ValueError, match="holds another network or optimizer"):
        run(7, tmp_path / "run.npz", **other)


OTHER_SETTINGS = {
    "the rule": (
        {"optimizer": optimize.rmsprop(0.05)},
        "optimizer momentum(0.05, 0.9), not rmsprop(0.05, 0.99",
    ),
    "the rate": (
        {"optimizer": optimize.momentum(0.5)},
        "optimizer momentum(0.05, 0.9), not momentum(0.5, 0.9)",
    ),
    "the threshold": ({"clip": 2.0}, "clip 1.0, not 2.0"),
    "no threshold": ({"clip": None}, "clip 1.0, not None"),
    "the windows": ({"window": 2}, "window None, not 2"),
    "what is skipped": ({"skip_nonfinite": True}, "skip_nonfinite False, not True"),
}


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_a_run_of_other_settings_is_refused_by_naming_both(name, tmp_path):
    changes, text = OTHER_SETTINGS[name]
    settings = {"optimizer": OPTIMIZERS["momentum"]}
    run(5, tmp_path / "run.npz", **settings)
    with pytest.raises(ValueError, match=re.escape(f"was made with {text}")):
        run(7, tmp_path / "run.npz", **settings | changes)


OTHER_RUNS = {
    "units": {"net": Network(cells.LOGISTIC, mean=True)},
    "a loss": {"net": Network(TANH, squared_error, mean=True)},
    "a sum": {"net": Network(TANH)},
    "a task": {"draw": lambda rng: tasks.recall(rng, 5, 8)},
    "a batch": {"draw": lambda rng: tasks.recall(rng, 3, 9)},
    "weights": {"weights": initialize.weights(np.random.default_rng(1), TANH, 2, 4, 2, learn_start=True)},
}


@pytest.mark.parametrize("name", OTHER_RUNS)
def test_a_run_that_began_with_another_loss_is_refused(name, tmp_path):
    run(5, tmp_path / "run.npz")
    with pytest.raises(ValueError, match="the run of another network, task or first weights"):
        run(7, tmp_path / "run.npz", **OTHER_RUNS[name])


@pytest.mark.parametrize("seed", [0, 2**70, [1, 2], np.int64(3), np.array([4, 5])], ids=str)
def test_any_seed_that_trains_can_resume(seed, tmp_path):
    run(5, tmp_path / "run.npz", seed=seed)
    assert same_bits(run(7, tmp_path / "run.npz", seed=seed), run(7, seed=seed))


WRONG_NUMBERS = {
    "every": (0, "every is 0, but must be at least 1"),
    "steps": (10.0, "steps is 10.0, but must be a whole number"),
    "window": (0, "window is 0, but must be at least 1"),
    "clip": (0, "clip is 0, but must be a number above 0"),
    "seed": (-1, "seed is -1, but must be a whole number of at least 0, or several"),
    "weights": (map_tree(lambda p: p + 0j, first_weights()), "weights hold complex numbers"),
}


@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_a_number_that_makes_no_sense_is_refused_before_the_first_step(name):
    value, text = WRONG_NUMBERS[name]
    with pytest.raises(ValueError, match=text):
        run(**{"steps": 5, "draw": None, name: value})


def test_a_path_that_cannot_be_written_is_noticed_before_the_first_step(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file.run\.npz cannot be written .*: choose another path"):
        run(5, tmp_path / "file" / "run.npz", draw=None)
    with pytest.raises(IsADirectoryError, match="is a folder, but must be a file"):
        run(5, tmp_path, draw=None)
    assert os.listdir(tmp_path) == ["file"]


def test_save_and_load_are_inverse(tmp_path):
    weights = first_weights(LSTM)
    tree = weights, optimize.adam(0.1).init(weights)
    history = np.arange(6.0).reshape(2, 3)
    save(tmp_path / "run.npz", tree, history, {"seed": 7})
    loaded, past = load(tmp_path / "run.npz", map_tree(np.zeros_like, tree), {"seed": 7})
    assert same_bits((loaded, past), (tree, history))
    assert gap(loaded, tree) == 0
    assert type(loaded[1]) is type(tree[1])


def signs(rng):
    """Return sequences whose answer at every step is the sign of the first input; some steps do not count."""
    x = rng.uniform(-1, 1, (6, 4, 2))
    return x, np.eye(2)[(x[..., 0] > 0).astype(int)], (rng.uniform(size=(6, 4)) < 0.7).astype(float)


def by_hand(weights, x, y, mask, window, rate):
    """Return what one step of truncated BPTT makes of the weights, and the whole batch's mean loss."""
    end, total = None, 0.0
    for t in range(0, len(x), window):
        now = slice(t, t + window)
        E, gradient = network.loss_and_gradient(NET, weights, x[now], y[now], mask[now], end)
        end = network.forward(NET, weights, x[now], end).end
        weights = map_tree(lambda w, g: w - rate * g, weights, gradient)
        total += E * mask[now].sum() / mask.sum()
    return weights, total


@pytest.mark.parametrize("window", [1, 2, 4, 6, 100])
def test_windows_carry_the_state_on_and_drop_the_gradient(window):
    options = {"draw": signs, "optimizer": optimize.sgd(0.1), "clip": None, "window": window}
    weights, history = run(1, **options)
    expected, loss = by_hand(first_weights(), *signs(np.random.default_rng([3, 0])), window, 0.1)
    assert gap(weights, expected) < 1e-14
    assert history.loss[0] == pytest.approx(loss, rel=1e-14)
    if window >= 6:
        assert same_bits(run(1, **options | {"window": None}), (weights, history))


def test_windows_give_the_loss_of_one_pass_if_the_weights_stand_still():
    whole, cut = (
        run(3, draw=signs, optimizer=optimize.sgd(1e-300), clip=None, window=window)[1]
        for window in (None, 2)
    )
    assert gap(cut.loss, whole.loss) < 1e-14


def test_a_window_that_counts_nothing_hands_the_state_on():
    # the sign is shown at step 1 and asked for at step 3, so only the last window has a loss
    _, history = run(400, window=1, optimizer=optimize.adam(0.02))
    assert history.loss[-50:].mean() < 0.1


def test_a_run_in_windows_resumes_bit_for_bit(tmp_path):
    options = {"draw": signs, "window": 2}
    run(5, tmp_path / "run.npz", **options)
    assert same_bits(run(9, tmp_path / "run.npz", **options), run(9, **options))


def with_an_overflow(at):
    """Return a task whose targets at step `at` are too large to square."""
    count = iter(range(100))

    def draw(rng):
        x, y, mask = sample(rng)
        return x, y * (1e200 if next(count) == at else 1), mask

    return {"draw": draw, "net": Network(TANH, squared_error, mean=True)}


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where_without_a_warning(capfd):
    with pytest.raises(
        FloatingPointError, match=r"^loss inf, gradient .* at step 2: try a smaller rate, or clip$"
    ):
        run(5, **with_an_overflow(at=2))
    weights = map_tree(lambda p: p + 1e200, first_weights())
    with pytest.raises(FloatingPointError, match=r"first in layers.0.W_hh, at step 0"):
        run(3, weights=weights, net=Network(cells.LINEAR, squared_error))
    assert capfd.readouterr() == ("", "")


def test_states_that_are_not_finite_stop_the_run_and_name_the_layer_and_the_step():
    deep = initialize.weights(np.random.default_rng(0), cells.RELU, 2, 4, 2, layers=3)
    weights = map_tree(lambda p: 1e160 * np.abs(p), deep)
    with pytest.raises(FloatingPointError, match=r"^layers.0 has states that are not finite at step 0"):
        run(3, weights=weights, net=Network(cells.RELU, squared_error))


def test_an_update_that_overflows_stops_the_run_and_names_the_array():
    with pytest.raises(
        FloatingPointError, match=r"an update beyond all numbers, first in layers.0.W_hh, at step"
    ):
        run(9, optimizer=optimize.adam(1e308), clip=None)


def test_a_step_that_is_not_finite_is_skipped_and_counted_on_request():
    _, stopped = run(2, **with_an_overflow(at=None))
    weights, history = run(4, skip_nonfinite=True, **with_an_overflow(at=2))
    assert history.skipped == 1
    assert np.isnan([history.loss[2], history.norm[2]]).all()
    assert same_bits(history.loss[:2], stopped.loss)
    assert np.isfinite(flatten(weights)).all()
    assert not same_bits(weights, run(3, skip_nonfinite=True, **with_an_overflow(at=2))[0])
    assert same_bits(
        run(3, skip_nonfinite=True, **with_an_overflow(at=2))[0], run(2, **with_an_overflow(at=None))[0]
    )


def test_a_run_with_skipped_steps_resumes_bit_for_bit(tmp_path):
    options = {"skip_nonfinite": True, "optimizer": OPTIMIZERS["adam"]}
    run(5, tmp_path / "run.npz", **options | with_an_overflow(at=0))
    resumed = run(8, tmp_path / "run.npz", **options | with_an_overflow(at=0))
    assert resumed[1].skipped == 1
    assert same_bits(resumed[0], run(8, **options | with_an_overflow(at=0))[0])


def test_history_has_names():
    assert History._fields == ("loss", "norm")
    assert type(run(1)[1]) is History


def test_a_run_longer_than_the_one_asked_for_is_refused(tmp_path):
    run(steps=6, path=tmp_path / "run.npz")
    with pytest.raises(ValueError, match="holds a run of 6 steps, more than the 4 asked for"):
        run(steps=4, path=tmp_path / "run.npz")


def test_a_file_that_is_not_a_run_is_refused(tmp_path):
    np.savez(tmp_path / "run.npz", seed=0)
    with pytest.raises(ValueError, match="is not a saved run"):
        run(steps=4, path=tmp_path / "run.npz")
