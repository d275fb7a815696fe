"""The arena: tasks, contenders and the choice of rates are what they are said to be."""

import arena
import numpy as np
import pytest
from points import gap, point
from recorded import drawn, rounded_otherwise, rows

from rnnlib import gradcheck, network
from rnnlib.network import Network
from rnnlib.params import leaves

RECORDED = {name: rows(arena, name) for name in arena.EXPERIMENTS}
every_task = pytest.mark.parametrize("name", arena.TASKS)
every_contender = pytest.mark.parametrize("name", arena.CONTENDERS)


def rng(*seed):
    return np.random.default_rng([0, *seed])


@every_task
def test_perfect_answers_are_never_wrong_and_others_are(name):
    task = arena.TASKS[name]
    x, y, mask = task.draw(rng(1), task.T, 50)
    m, o = task.sizes
    assert (x.shape[2], y.shape[2]) == (m, o)
    assert x.shape[:2] == y.shape[:2] == mask.shape
    assert task.wrong(y, y, mask) == 0
    assert task.wrong(np.roll(y, 1, axis=2) + (o == 1), y, mask) == 1
    never = np.where(mask[..., None] > 0, y, rng(2).standard_normal(y.shape))
    assert task.wrong(never, y, mask) == 0  # steps that do not count do not matter


@every_contender
@pytest.mark.parametrize("sizes", sorted({task.sizes for task in arena.TASKS.values()}))
def test_a_contender_has_as_many_units_as_the_parameters_allow_and_no_more(name, sizes):
    build, _ = arena.CONTENDERS[name]
    n = arena.units(name, *sizes)
    held = [sum(p.size for p in leaves(build(rng(), sizes[0], k, sizes[1]))) for k in (n, n + 1)]
    assert 0.9 * arena.PARAMETERS < held[0] <= arena.PARAMETERS < held[1]


def test_the_minimal_gated_unit_has_the_gradient_of_the_complex_step():
    p, net = point(arena.MINIMAL, 2), Network(arena.MINIMAL)
    _, ours = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
    truth = gradcheck.complex_step(lambda w: network.loss(net, w, p.x, p.y, p.mask), p.weights)
    assert gap(ours, truth) < 1e-12


def test_the_digits_are_those_of_the_source_and_none_is_learned_and_examined():
    x, classes = arena.images()
    assert x.shape == (64, 1797, 1)
    assert np.bincount(classes).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert 16 * x[:8, 0, 0].sum() == 5 + 13 + 9 + 1  # the first row of the first image
    assert 16 * x.sum() == pytest.approx(561718)
    task = arena.TASKS["digits"]
    unseen, y, _ = task.examine(rng(), 64, arena.UNSEEN)
    assert (unseen == x[:, 1200:]).all()
    assert (y[-1].argmax(axis=1) == classes[1200:]).all()
    learned = {image.tobytes() for image in task.draw(rng(), 64, 20000)[0].swapaxes(0, 1)}
    assert len(learned) == 1200
    assert not learned & {image.tobytes() for image in unseen.swapaxes(0, 1)}


@every_contender
def test_a_run_is_the_same_twice_and_knows_its_settings(name, monkeypatch):
    monkeypatch.setattr(arena, "UPDATES", 3)
    settings = arena.Settings("counting", 40, name, 1.0, 1e-2, 7)
    once = arena.run(None, settings)
    assert once == arena.run(None, settings)
    assert once.loss != arena.run(None, settings._replace(seed=8)).loss
    assert once.loss != arena.run(None, settings._replace(rate=1e-3)).loss
    assert once.loss != arena.run(None, settings._replace(T=20)).loss
    assert once.solved == (once.wrong < 0.01)


def test_a_run_that_overflows_is_lost_and_ends(monkeypatch):
    monkeypatch.setattr(arena, "UPDATES", 30)
    with np.errstate(over="ignore", invalid="ignore"):
        lost = arena.run(None, arena.Settings("adding", 100, "irnn", float("inf"), 1e3, 0))
    assert (lost.loss, lost.wrong, lost.solved) == (np.inf, np.inf, 0)


def test_the_rate_chosen_solves_most_then_errs_least_then_loses_least(monkeypatch, tmp_path):
    monkeypatch.setattr(arena, "DATA", tmp_path)
    assert arena.chosen() == {}
    runs = arena.EXPERIMENTS["arena_rates"].runs
    most, least, lost, even = arena.CASES[:4]
    rows = []
    for s in runs:
        solved = int((s.task, s.contender) == most and s.rate == 3e-3 and s.seed == 101)
        wrong = 0.4 if (s.task, s.contender) == least and s.rate == 1e-2 else 0.5
        loss = 0.9 if (s.task, s.contender) == lost and s.rate == 1e-2 else 1.0
        rows.append(",".join(map(str, (*s, 9, loss, wrong, solved))))
    record = tmp_path / "arena_rates.csv"
    record.write_text("\n".join(["# made by", "head", *rows]))
    found = arena.chosen()
    assert list(found) == arena.CASES
    assert [found[case] for case in (most, least, lost, even)] == [3e-3, 1e-2, 1e-2, 1e-3]
    record.write_text("\n".join(["# made by", "head", *rows[:-1]]))
    assert arena.chosen() == {}


@pytest.mark.parametrize("name", RECORDED)
def test_every_run_is_recorded_once_in_order(name):
    assert [settings for settings, _ in RECORDED[name]] == arena.EXPERIMENTS[name].runs


@pytest.mark.parametrize("name", RECORDED)
def test_a_run_has_the_units_of_its_contender_and_is_solved_if_its_answers_say_so(name):
    for settings, result in RECORDED[name]:
        task = arena.TASKS[settings.task]
        assert result.units == arena.units(settings.contender, *task.sizes)
        assert result.solved == (result.wrong < task.least)


def test_runs_taken_at_random_end_as_recorded(record_property):
    # those of the LRU take longer, and have first weights of their own
    same, count = 0, 3
    for settings, recorded in drawn(RECORDED["arena"], count, lambda s, _: s.contender != "lru"):
        again = [arena.run(None, settings)]
        same += again[0].loss == pytest.approx(recorded.loss, rel=1e-6)
        for nudge in (0, 1) if again[0].solved != recorded.solved else ():  # chaos, or another run?
            with rounded_otherwise(nudge):
                again.append(arena.run(None, settings))
        assert recorded.solved in [one.solved for one in again]
    record_property("shown", f"arena: {count} runs end as recorded, {same} of them to six digits")
