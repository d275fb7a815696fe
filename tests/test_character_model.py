"""The character model: its text, and recorded runs of it that begin again as they did."""

from itertools import islice

import character_model
import numpy as np
import pytest
from recorded import drawn, rounded_otherwise, rows

from rnnlib.files import data

EXPERIMENT = character_model.EXPERIMENTS["character_model"]
RECORDED = rows(character_model, "character_model")


def test_the_text_is_whole_and_split_by_position():
    text = data("alice.txt").read_text(encoding="utf-8")
    tokens, symbols, valid, test = character_model.text()
    assert (len(text), symbols, len(text.encode())) == (144_325, 69, 144_325)
    assert text.startswith("CHAPTER I.")
    assert "CHAPTER XII." in text
    assert text.rstrip().endswith("happy summer days.")
    assert 0 < valid < test < len(tokens) == len(text)
    assert (valid / len(text), test / len(text)) == pytest.approx((0.8, 0.9), abs=1e-5)
    assert [sorted(set(text))[k] for k in tokens[:9]] == list(text[:9])


def test_every_run_is_recorded_once_in_order():
    assert [settings for settings, _ in RECORDED] == EXPERIMENT.runs


def test_a_run_kept_the_weights_that_were_best_on_the_validation_text():
    first = character_model.Result._fields.index("valid_100")
    for _, result in RECORDED:
        assert result.stopped == 100 * (1 + np.argmin(result[first:]))
        assert (result.test == result.last) == (result.stopped == character_model.UPDATES)


def test_runs_taken_at_random_begin_as_recorded(record_property):
    chaotic, count = 0, 3
    for settings, recorded in drawn(RECORDED, count):
        begun = list(islice(character_model.learn(settings, character_model.UPDATES), 100))
        with rounded_otherwise(0, np.float32):
            moved = list(islice(character_model.learn(settings, character_model.UPDATES), 100))
        net, weights, _ = begun[-1]
        tokens, symbols, valid, test = character_model.text()
        given = character_model.WARM
        held_out = character_model.bits(
            net, weights, tokens[valid - given : test], given, np.eye(symbols, dtype=np.float32)
        )
        train = np.mean([loss for *_, loss in begun])
        # a tanh network amplifies one rounding until its losses differ in the third digit
        same = train == pytest.approx(np.mean([loss for *_, loss in moved]), rel=1e-6)
        chaotic += not same
        assert train == pytest.approx(recorded.train_100, rel=1e-5 if same else 2e-2)
        assert held_out.mean() == pytest.approx(recorded.valid_100, rel=1e-4 if same else 5e-2)
    alike = f"{count - chaotic} of {count} rows begin as recorded, {chaotic} are chaotic"
    record_property("shown", f"character_model: {alike}")
    assert chaotic < count
