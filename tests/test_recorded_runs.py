"""The recorded training runs: rows of the data files, taken at random, are run again.

Which rows depends on the file, so every new file draws anew. The ratio and the loss at update 20 must be the
recorded ones to six digits, on any processor that rounds otherwise. Where a run is so chaotic that a single
rounding of the first weights changes these digits, no other processor can give them: there, only the ratio
before training is compared. A run that does not end at the same update is run twice more, from first weights
that differ in their last digits (the identity start of the adding problem takes 500 to 800 updates in one and
the same row): what is recorded may lie outside of the three by half.
"""

from contextlib import nullcontext

import experiments
import pytest
from recorded import drawn, rounded_otherwise, rows

RECORDED = {name: rows(experiments, name) for name in experiments.EXPERIMENTS}
every_experiment = pytest.mark.parametrize("name", experiments.EXPERIMENTS)


@every_experiment
def test_every_run_of_an_experiment_is_recorded_once_in_order(name):
    assert [settings for settings, _ in RECORDED[name]] == experiments.EXPERIMENTS[name].runs


@every_experiment
def test_a_run_counts_as_solved_if_its_answers_say_so_and_otherwise_used_up_its_updates(name):
    experiment = experiments.EXPERIMENTS[name]
    for _, result in RECORDED[name]:
        assert result.solved == (result.wrong < experiment.solved)
        assert result.solved or result.updates == experiment.budget


def run(experiment, settings, nudge=None, **limits):
    """Run a row again; with `nudge`, from weights moved by at most one unit in the last place."""
    with nullcontext() if nudge is None else rounded_otherwise(nudge):
        return experiments.run(experiment, settings, **limits)


@every_experiment
def test_rows_taken_at_random_begin_as_recorded(name, record_property):
    chaotic, count, experiment = 0, 2 if name == "recall_long" else 4, experiments.EXPERIMENTS[name]
    for settings, recorded in drawn(RECORDED[name], count):
        again = run(experiment._replace(unseen=1000), settings, budget=20)
        moved = run(experiment._replace(unseen=1), settings, nudge=0, budget=20)
        assert again.ratio == pytest.approx(recorded.ratio, rel=1e-6)
        if moved.loss_20 == pytest.approx(again.loss_20, rel=1e-9, abs=0):
            assert again.loss_20 == pytest.approx(recorded.loss_20, rel=1e-6)
        else:
            chaotic += 1
    record_property(
        "shown", f"{name}: {count - chaotic} of {count} rows begin as recorded, {chaotic} are chaotic"
    )
    assert chaotic < count


LONGEST = {
    "recall": 600,
    "recall_long": 100,
    "adding": 700,
    "gates": 500,
    "reber_tanh": 600,
    "reber_lstm": 1000,
    "reber_gru": 600,
    "order": 600,
    "order_slow": 600,
}


@pytest.mark.parametrize(("name", "longest"), LONGEST.items())
def test_a_short_run_taken_at_random_ends_as_recorded(name, longest):
    experiment = experiments.EXPERIMENTS[name]
    ((settings, recorded),) = drawn(RECORDED[name], 1, lambda s, r: r.solved and r.updates <= longest)
    again = [run(experiment, settings)]
    if again[0].updates != recorded.updates:  # on this processor; what would another rounding give?
        again += [run(experiment, settings, nudge) for nudge in (0, 1)]
    assert all(one.solved for one in again)
    least, most = min(one.updates for one in again), max(one.updates for one in again)
    assert (least - experiment.every) / 1.5 <= recorded.updates <= 1.5 * (most + experiment.every)
