"""Backpropagation through time against independent witnesses, for every cell and every loss."""

import numpy as np
import pytest
import reference
from points import CELLS, LOSSES, B, N, T, every_cell, every_loss, gap, point, same_bits, sum_and_mean

from rnnlib import network, readout, recurrence, rtrl
from rnnlib.gradcheck import central_difference, complex_step
from rnnlib.network import Network
from rnnlib.params import add, leaves, map_tree
from rnnlib.recurrence import State


@every_cell
@every_loss
@sum_and_mean
@pytest.mark.parametrize("layers", [1, 2])
def test_every_gradient_agrees_with_the_complex_step(cell, loss, mean, layers):
    p, net = point(cell, layers), Network(cell, loss, mean)
    _, gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
    truth = complex_step(lambda w: network.loss(net, w, p.x, p.y, p.mask), p.weights)
    assert gap(gradient, truth) < 1e-11


@every_cell
def test_real_errors_go_back_through_a_complex_run(cell):
    p = point(cell)
    params, moved = p.weights.layers[0], p.x + 1e-30j
    dE = np.random.default_rng(0).standard_normal((T, B, N))
    real, turned = (
        recurrence.deltas(cell, params, recurrence.forward(cell, params, x), dE) for x in (p.x, moved)
    )
    assert turned[0].dtype == complex
    assert gap(turned[0].real, real[0]) < 1e-12


@every_cell
def test_a_second_bias_has_a_gradient_and_adds_to_the_first_unless_a_gate_acts_on_it(cell):
    p, net = point(cell, 2), Network(cell)
    b_r = np.linspace(-1, 1, len(p.weights.layers[0].b_h))
    w = p.weights._replace(layers=tuple(layer._replace(b_r=b_r) for layer in p.weights.layers))
    E, gradient = network.loss_and_gradient(net, w, p.x, p.y, p.mask)
    truth = complex_step(lambda v: network.loss(net, v, p.x, p.y, p.mask), w)
    assert gap(gradient, truth) < 1e-11
    layers = [layer._replace(b_h=layer.b_h + b_r) for layer in p.weights.layers]
    summed = p.weights._replace(layers=tuple(layers))
    same = abs(network.loss(net, summed, p.x, p.y, p.mask) - E) < 1e-12 * E
    assert same == (cell != CELLS["gru"])


@every_cell
@every_loss
def test_every_gradient_agrees_with_central_differences(cell, loss):
    # 1e-7: rounding of E over the step costs some 1e-10 of a gradient of size 1, more of a smaller one
    p, net = point(cell, 2), Network(cell, loss)
    _, gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
    truth = central_difference(lambda w: network.loss(net, w, p.x, p.y, p.mask), p.weights)
    assert gap(gradient, truth) < 1e-7


@every_cell
@every_loss
@sum_and_mean
def test_input_and_given_start_states_have_gradients_too(cell, loss, mean):
    p, net = point(cell, 2), Network(cell, loss, mean)
    run = network.forward(net, p.weights, p.x, p.start)
    weight = p.mask / p.mask.sum() if mean else p.mask
    r = weight[..., None] * loss(run.z, p.y)[1]
    d_readout, d_layers, d_start, d_x = network.backward(net, p.weights, run, r)

    def E(free):
        layers, output, start, x = free
        weights = p.weights._replace(layers=layers, readout=output)
        return network.loss(net, weights, x, p.y, p.mask, start)

    truth = complex_step(E, (p.weights.layers, p.weights.readout, p.start, p.x))
    assert gap((d_layers, d_readout, d_start, d_x), truth) < 1e-11


@every_cell
def test_a_given_start_takes_the_gradient_from_the_learned_one(cell):
    p, net = point(cell, 2), Network(cell)
    _, gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, start=p.start)
    truth = complex_step(lambda w: network.loss(net, w, p.x, p.y, start=p.start), p.weights)
    assert gap(gradient, truth) < 1e-11
    assert not any(leaf.any() for leaf in leaves(gradient.start))


@every_cell
@every_loss
def test_bptt_agrees_with_rtrl(cell, loss):
    p, net = point(cell), Network(cell, loss)
    x, y = p.x[:, :1], p.y[:, :1]
    tape = network.forward(net, p.weights, x).tapes[0]
    dE = complex_step(lambda h: loss(readout.logits(p.weights.readout, h), y)[0].sum(), tape.h[1:])[:, 0]
    start = p.weights.start[0]
    c = start.c if cell.memory else np.zeros(N)
    truth = rtrl.rtrl(cell, p.weights.layers[0], x[:, 0], start.h, c, dE)
    _, gradient = network.loss_and_gradient(net, p.weights, x, y)
    ours = leaves((gradient.layers[0], gradient.start[0]))
    assert gap(tuple(ours), tuple(leaves(truth)[: len(ours)])) < 1e-11


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("loss", LOSSES)
@sum_and_mean
def test_loss_and_gradients_agree_with_autograd(cell, loss, mean):
    autograd = pytest.importorskip("autograd", reason="HIPS autograd is not installed")
    p, layers = point(CELLS[cell], 2), 2
    weight = p.mask / p.mask.sum() if mean else p.mask

    def E(arrays):
        return reference.loss(autograd.numpy, cell, loss, arrays, layers, p.x, p.y, weight)

    truth = autograd.value_and_grad(E)(leaves(p.weights))
    ours = network.loss_and_gradient(Network(CELLS[cell], LOSSES[loss], mean), p.weights, p.x, p.y, p.mask)
    assert gap((ours[0], *leaves(ours[1])), (truth[0], *truth[1])) < 1e-11


@every_cell
@every_loss
def test_a_batch_gives_the_sum_of_its_sequences(cell, loss):
    p, net = point(cell, 2), Network(cell, loss)
    E, gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
    singles = [
        network.loss_and_gradient(net, p.weights, *(v[:, b : b + 1] for v in (p.x, p.y, p.mask)))
        for b in range(B)
    ]
    total = sum(E for E, _ in singles)
    assert pytest.approx(total, rel=1e-13) == E
    assert gap(gradient, add(singles[0][1], singles[1][1])) < 1e-13


@every_cell
@sum_and_mean
def test_masked_padding_equals_the_unpadded_sequence(cell, mean):
    p, net = point(cell, 2), Network(cell, mean=mean)
    padding = 7 + np.zeros((3, *p.x.shape[1:])), np.ones((3, *p.y.shape[1:])), np.zeros((3, B))
    padded = [np.concatenate(pair) for pair in zip((p.x, p.y, p.mask), padding, strict=True)]
    E, gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
    E_padded, gradient_padded = network.loss_and_gradient(net, p.weights, *padded)
    assert E_padded == pytest.approx(E, rel=1e-13)
    assert gap(gradient_padded, gradient) < 1e-13


@every_cell
def test_sequences_of_different_lengths_share_a_batch(cell):
    p, net = point(cell, 2), Network(cell)
    mask, short = np.ones((T, B)), 3
    mask[short:, 1] = 0
    E, gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, mask)
    E_0, long = network.loss_and_gradient(net, p.weights, p.x[:, :1], p.y[:, :1])
    E_1, cut = network.loss_and_gradient(net, p.weights, p.x[:short, 1:], p.y[:short, 1:])
    assert pytest.approx(E_0 + E_1, rel=1e-13) == E
    assert gap(gradient, add(long, cut)) < 1e-13


def in_windows(cell, params, x, start, dE, cut, drop=False):
    """Return the summed gradients of two windows, the second's carry passed on to the first or dropped."""
    first = recurrence.forward(cell, params, x[:cut], start)
    second = recurrence.forward(cell, params, x[cut:], State(first.h[-1], first.c[-1]))
    *delta, carry = recurrence.deltas(cell, params, second, dE[cut:])
    late = recurrence.gradients(second, *delta)
    *delta, carry = recurrence.deltas(cell, params, first, dE[:cut], (0.0, 0.0) if drop else carry)
    return add(recurrence.gradients(first, *delta), late), carry


@every_cell
@pytest.mark.parametrize("cut", range(1, T))
def test_windows_that_pass_the_carry_on_give_the_whole_gradient(cell, cut):
    p = point(cell)
    params, dE = p.weights.layers[0], np.random.default_rng(1).standard_normal((T, B, N))
    tape = recurrence.forward(cell, params, p.x, p.start[0])
    *delta, carry = recurrence.deltas(cell, params, tape, dE)
    whole = recurrence.gradients(tape, *delta)
    passed, carry_passed = in_windows(cell, params, p.x, p.start[0], dE, cut)
    dropped, _ = in_windows(cell, params, p.x, p.start[0], dE, cut, drop=True)
    assert gap((passed, carry_passed), (whole, carry)) < 1e-13
    assert gap(dropped, whole) > 1e-3


@every_cell
def test_a_run_can_be_continued_from_its_end(cell):
    p, net = point(cell, 2), Network(cell)
    whole = network.forward(net, p.weights, p.x)
    first = network.forward(net, p.weights, p.x[:2])
    second = network.forward(net, p.weights, p.x[2:], first.end)
    assert gap(np.concatenate([first.z, second.z]), whole.z) < 1e-14
    assert gap(second.end, whole.end) < 1e-14


@every_cell
@every_loss
@sum_and_mean
def test_float32_in_gives_float32_out_close_to_float64(cell, loss, mean):
    net = Network(cell, loss, mean)

    def everything(p):
        run = network.forward(net, p.weights, p.x, p.start)
        back = network.backward(net, p.weights, run, loss(run.z, p.y)[1])
        learned = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)
        given = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask, p.start)
        return run.z, run.end, run.tapes[0].h, back, learned, given

    single, double = everything(point(cell, 2, dtype=np.float32)), everything(point(cell, 2))
    assert {leaf.dtype for leaf in leaves(single)} == {np.dtype(np.float32)}
    assert gap(single, double) < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_survive_huge_logits(dtype):
    z = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
    y = np.array([[1, 0], [1, 0]], dtype)
    E, r = readout.softmax_cross_entropy(z, y)
    assert E.tolist() == [0, 2e4]
    assert r.tolist() == [[0, 0], [-1, 1]]
    E, r = readout.logistic_cross_entropy(z, y)
    assert E.tolist() == [0, 2e4]
    assert r.tolist() == [[0, 0], [-1, 1]]
    assert readout.softmax(z).tolist() == [[1, 0], [0, 1]]


def test_softmax_gives_positive_rows_that_sum_to_one():
    z = np.random.default_rng(0).standard_normal((4, 3))
    y_hat = readout.softmax(z)
    assert (y_hat > 0).all()
    assert gap(y_hat, np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)) < 1e-15


@every_loss
def test_the_output_error_is_the_derivative_of_the_loss(loss):
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((4, 3)), rng.dirichlet(np.ones(3), 4)
    assert gap(loss(z, y)[1], complex_step(lambda z: loss(z, y)[0].sum(), z)) < 1e-14


@every_cell
def test_without_a_start_the_states_begin_at_zero(cell):
    p, net = point(cell, 2), Network(cell)
    zeros = map_tree(np.zeros_like, p.start)
    run = network.forward(net, p.weights._replace(start=()), p.x)
    assert gap(run.z, network.forward(net, p.weights, p.x, zeros).z) == 0
    assert network.loss_and_gradient(net, p.weights._replace(start=()), p.x, p.y)[1].start == ()


@pytest.mark.parametrize("part", ["W_hh", "W_hx", "b_h"])
def test_a_complex_step_may_ride_on_a_single_array(part):
    p, net = point(CELLS["lstm"]), Network(CELLS["lstm"])
    (layer,) = p.weights.layers

    def loss_of(W):
        weights = p.weights._replace(layers=(layer._replace(**{part: W}),))
        return network.loss(net, weights, p.x, p.y, p.mask)

    gradient = network.loss_and_gradient(net, p.weights, p.x, p.y, p.mask)[1].layers[0]
    assert gap(getattr(gradient, part), complex_step(loss_of, getattr(layer, part))) < 1e-11


def test_deltas_refuses_errors_of_another_shape():
    p = point(CELLS["tanh"])
    (layer,) = p.weights.layers
    tape = recurrence.forward(CELLS["tanh"], layer, p.x, p.start[0])
    with pytest.raises(ValueError, match=r"dE has shape \(5, 3\), but must have shape \(5, 2, 3\)"):
        recurrence.deltas(CELLS["tanh"], layer, tape, np.zeros((5, 3)))


@every_loss
@pytest.mark.parametrize("targets", ["two labels", "smoothed to 0.9", "weighted", "nothing"])
def test_the_output_error_is_the_derivative_for_targets_that_are_no_distribution(loss, targets):
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((4, 3)), np.eye(3)[[0, 1, 2, 0]]
    y = {"two labels": y + np.eye(3)[1], "smoothed to 0.9": 0.9 * y, "weighted": 7 * y, "nothing": 0 * y}[
        targets
    ]
    assert gap(loss(z, y)[1], complex_step(lambda z: loss(z, y)[0].sum(), z)) < 1e-14


@every_cell
def test_a_row_of_zeros_leaves_a_step_out_as_the_mask_does(cell):
    p, net = point(cell), Network(cell)
    mask = np.ones((T, B))
    mask[2] = 0
    masked = network.loss_and_gradient(net, p.weights, p.x, p.y, mask)
    assert gap(network.loss_and_gradient(net, p.weights, p.x, mask[..., None] * p.y), masked) < 1e-14


@every_loss
@pytest.mark.parametrize(("dtype", "fill"), [(np.float32, 9.97e36), (np.float64, 1e300)])
def test_fill_values_where_the_mask_is_zero_change_no_bit_of_loss_and_gradient(loss, dtype, fill):
    p, net = point(CELLS["lstm"], dtype=dtype), Network(CELLS["lstm"], loss)
    mask = (p.mask > 0.9).astype(float)
    filled = np.where(mask[..., None] > 0, p.y, dtype(fill))
    clean = network.loss_and_gradient(net, p.weights, p.x, p.y, mask)
    assert same_bits(network.loss_and_gradient(net, p.weights, p.x, filled, mask), clean)


@every_cell
@pytest.mark.parametrize("cut", [1, 3])
def test_gradients_of_windows_of_a_network_add_up_if_the_carry_is_passed_on(cell, cut):
    p, net = point(cell, 2), Network(cell)
    whole = network.forward(net, p.weights, p.x, p.start)
    r = np.random.default_rng(1).standard_normal(whole.z.shape)
    first = network.forward(net, p.weights, p.x[:cut], p.start)
    second = network.forward(net, p.weights, p.x[cut:], first.end)
    *late, carry, dx_late = network.backward(net, p.weights, second, r[cut:])
    *early, start, dx_early = network.backward(net, p.weights, first, r[:cut], carry)
    summed = (*map_tree(np.add, tuple(early), tuple(late)), start, np.concatenate([dx_early, dx_late]))
    assert gap(summed, network.backward(net, p.weights, whole, r)) < 1e-13
    *dropped, _, _ = network.backward(net, p.weights, first, r[:cut])
    assert gap(tuple(dropped), tuple(early)) > 1e-3


@every_cell
def test_a_window_can_start_where_each_sequence_of_a_padded_batch_ended(cell):
    p, net, lengths = point(cell, 2), Network(cell), np.array([2, 4])
    run = network.forward(net, p.weights, p.x, p.start)
    for b, length in enumerate(lengths):
        alone = network.forward(net, p.weights, p.x[:length], p.start).end
        assert gap(*(map_tree(lambda s, b=b: s[b], ends) for ends in (run.after(lengths), alone))) < 1e-14
    assert same_bits(run.after(0), p.start)
    assert same_bits(run.after(T), run.end)


@pytest.mark.parametrize("steps", [-1, T + 1, 2.0, [1, 2, 3], [[1, 2]], "2"])
def test_a_state_is_asked_for_after_a_whole_number_of_steps_that_were_run(steps):
    p = point(CELLS["tanh"])
    with pytest.raises(ValueError, match=r"but must be a whole number of 0 \.\. 5, or 2 of them"):
        network.forward(Network(CELLS["tanh"]), p.weights, p.x).after(steps)


@every_cell
def test_a_run_shares_no_memory_with_what_it_was_given_or_what_it_gives(cell):
    p, net = point(cell, 2), Network(cell)
    r = np.random.default_rng(1).standard_normal((T, B, p.y.shape[2]))
    clean = network.backward(net, p.weights, network.forward(net, p.weights, p.x, p.start), r)
    x, start = p.x.copy(), map_tree(np.copy, p.start)
    run = network.forward(net, p.weights, x, start)
    for array in leaves((x, start, run.end, run.after([1, 3]))):
        array[:] = 9
    assert same_bits(network.backward(net, p.weights, run, r), clean)


@every_cell
def test_means_of_windows_add_up_by_their_share_of_the_counted_steps(cell):
    p, net = point(cell), Network(cell, mean=True)
    mask = (p.mask > 0.9).astype(float)
    cut, share = 2, mask[:2].sum() / mask.sum()
    first, second = (
        network.loss(net, p.weights, p.x[part], p.y[part], mask[part], start)
        for part, start in (
            (slice(cut), p.start),
            (slice(cut, T), network.forward(net, p.weights, p.x[:cut], p.start).end),
        )
    )
    whole = network.loss(net, p.weights, p.x, p.y, mask, p.start)
    assert share * first + (1 - share) * second == pytest.approx(whole, rel=1e-13)
