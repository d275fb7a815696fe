"""What PyTorch says of the networks of a chapter: `python tools/real_frameworks.py` writes two files.

chapters/data/real_frameworks.csv has a row for each array, case;array;entries. Weights, then h_0 and c_0, are
filled with sin 1, sin 2, ... without a break, inputs and errors dE/dh with cos 1, cos 2, ...; n = 3, m = 2,
T = 4, B = 2, and E is the sum of the errors times the outputs. A truth is 1 or 0.
chapters/data/real_frameworks.txt is the text of `the_recurrence` below, as the chapter shows it.
Needs what `make torch` adds.
"""

import inspect
import textwrap

import numpy as np
from conventions import FILE, waves

from rnnlib import exchange
from rnnlib.recurrence import Params

n, m, T, B = 3, 2, 4, 2
GATES = {"tanh": 1, "lstm": 4, "gru": 3}
LAYOUTS = {"one layer": (1, 1), "two layers": (2, 1), "both directions": (1, 2)}  # depth, directions
LENGTHS = [4, 2]
FOLDER = FILE.parent


def given(kind, layout):
    """Return (forwards, backwards), tuples of Params, the starts h_0 and c_0, x and the errors dE/dh."""
    (depth, ways), rows = LAYOUTS[layout], GATES[kind] * n
    shapes = []
    for _ in range(ways):
        for k in range(depth):
            shapes += [(rows, n), (rows, n * ways if k else m), (rows,), (rows,)]
    *arrays, h_0, c_0 = waves([*shapes, *2 * [(depth * ways, B, n)]], np.sin)
    layers = [Params(*arrays[k : k + 4]) for k in range(0, len(arrays), 4)]
    return (
        (tuple(layers[:depth]), tuple(layers[depth:])),
        h_0,
        c_0,
        *waves([(T, B, m), (T, B, n * ways)], np.cos),
    )


def module_of(kind, layout):
    """Return the layer of PyTorch with these weights, and h_0, c_0, x and the errors, all of them free."""
    import torch

    (depth, ways), (stacks, *rest) = LAYOUTS[layout], given(kind, layout)
    layer = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind]
    module = layer(m, n, depth, bidirectional=ways == 2, dtype=torch.float64)
    module.load_state_dict({name: torch.tensor(a) for name, a in exchange.to_torch(*stacks).items()})
    return module, *(torch.tensor(a, requires_grad=True) for a in rest)


def agreement(kind, layout):
    """Return the outputs and dE/d(every array), {name: array}, with the weights in PyTorch's form."""
    module, h_0, c_0, x, error = module_of(kind, layout)
    h = module(x, (h_0, c_0) if kind == "lstm" else h_0)[0]
    (h * error).sum().backward()
    found = {"h": h, "h_0": h_0.grad, "x": x.grad} | ({"c_0": c_0.grad} if kind == "lstm" else {})
    return found | {name: p.grad for name, p in module.named_parameters()}


def adam():
    """Return the sum of the first one, two and three updates by small gradients, with default settings."""
    import torch

    (gradients,) = waves([(3, 5)], np.sin)
    theta = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    optimizer, found = torch.optim.Adam([theta]), {}
    for k, g in enumerate(1e-7 * gradients):
        theta.grad = torch.tensor(g)
        optimizer.step()
        found[f"after {k + 1}"] = theta.detach().clone()
    return found


def clipping():
    """Return two gradients, (2, 3) and (4,), clipped together to the norm 0.5, and to the value 0.5."""
    import torch

    found = {}
    for name, clip in (
        ("norm", torch.nn.utils.clip_grad_norm_),
        ("value", torch.nn.utils.clip_grad_value_),
    ):
        gradients = waves([(2, 3), (4,)], np.sin)
        tensors = [torch.zeros(g.shape, dtype=torch.float64) for g in gradients]
        for tensor, g in zip(tensors, gradients, strict=True):
            tensor.grad = torch.tensor(g)
        clip(tensors, 0.5)
        found[name] = torch.cat([tensor.grad.ravel() for tensor in tensors])
    return found


def axes_and_padding():
    """Return what an LSTM makes of x with its axes swapped, and of a batch whose second sequence is short."""
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    module, h_0, c_0, x, _ = module_of("lstm", "one layer")
    packed = pack_padded_sequence(x, LENGTHS)
    out, (h_end, c_end) = module(packed, (h_0, c_0))
    return {
        "batch first": module(x.swapaxes(0, 1))[0],
        "packed, h": pad_packed_sequence(out)[0],
        "packed, h at the end": h_end[0],
        "packed, c at the end": c_end[0],
        "padded, h at the end": module(x, (h_0, c_0))[1][0][0],
    }


def means():
    """Return the mean cross-entropy of padded logits (T, B, 3), over what counts and over everything."""
    import torch

    (z,) = map(torch.tensor, waves([(T, B, 3)], np.sin))
    labels = (torch.arange(T)[:, None] + torch.arange(B)) % 3
    counts = torch.arange(T)[:, None] < torch.tensor(LENGTHS)
    loss, found = torch.nn.functional.cross_entropy, {}
    for name, E in (
        ("ignored", lambda z: loss(z.flatten(0, 1), labels.where(counts, -100).ravel())),
        (
            "masked",
            lambda z: (loss(z.flatten(0, 1), labels.ravel(), reduction="none") * counts.ravel()).mean(),
        ),
    ):
        free = z.clone().requires_grad_()
        value = E(free)
        value.backward()
        found |= {f"{name}, E": value, f"{name}, dE/dz": free.grad}
    return found


def the_recurrence(torch):
    def errors(W_hh, h, dE):
        delta, carry = torch.empty_like(dE), 0
        for t in reversed(range(len(dE))):
            delta[t] = (1 - h[t + 1] ** 2) * (dE[t] + carry)
            carry = W_hh.T @ delta[t]
        return delta, carry

    class Recurrence(torch.autograd.Function):
        @staticmethod
        def forward(ctx, W_hh, W_hx, b_h, x, h_0):
            h = [h_0]
            for x_t in x:
                h.append(torch.tanh(W_hh @ h[-1] + W_hx @ x_t + b_h))
            ctx.save_for_backward(W_hh, W_hx, x, torch.stack(h))
            return torch.stack(h[1:])

        @staticmethod
        def backward(ctx, dE):
            W_hh, W_hx, x, h = ctx.saved_tensors
            delta, carry = errors(W_hh, h, dE)
            return delta.T @ h[:-1], delta.T @ x, delta.sum(0), delta @ W_hx, carry


def text():
    """Return the lines inside of `the_recurrence`, as the chapter shows them."""
    return textwrap.dedent(inspect.getsource(the_recurrence).split("\n", 1)[1])


def functions():
    """Return verdicts and gradients of the book's BPTT as a function of PyTorch, right and with a slip."""
    import torch

    params, found = given("tanh", "one layer")[0][0][0], {}
    x, error = (torch.tensor(a[:, 0]) for a in given("tanh", "one layer")[3:])
    start = torch.tensor(given("tanh", "one layer")[1][0, 0])
    for name, source in (("right", text()), ("slip", text().replace("W_hh.T @ delta[t]", "W_hh @ delta[t]"))):
        space = {"torch": torch}
        exec(source, space)
        free = [torch.tensor(a) for a in params[:3]] + [x.clone(), start.clone()]
        for tensor in free:
            tensor.requires_grad_()
        verdict = torch.autograd.gradcheck(space["Recurrence"].apply, free, raise_exception=False)
        (space["Recurrence"].apply(*free) * error).sum().backward()
        found |= {f"{name}, gradcheck": torch.tensor(float(verdict)), f"{name}, W_hh": free[0].grad}
    return found


def not_a_number():
    """Return what is finite where an input is NaN, and where a square root at 0 is masked."""
    import torch

    module, _, _, x, error = module_of("lstm", "one layer")
    bad = x.detach().clone()
    bad[0, 0, 0] = torch.nan
    E = (module(bad)[0] * error.detach()).sum()
    E.backward()
    share = torch.stack([p.grad.isfinite().double().mean() for p in module.parameters()])
    found = {"NaN in x, share of finite gradients": share.mean()}
    for name, inside in (("where after", False), ("where before and after", True)):
        u = torch.tensor([3.0, 0.0], dtype=torch.float64, requires_grad=True)
        safe = torch.where(u > 0, u, 1.0) if inside else u
        E = torch.where(u > 0, safe.sqrt(), 0.0).sum()
        E.backward()
        found |= {f"{name}, E": E, f"{name}, dE/du": u.grad}
    with torch.autograd.set_detect_anomaly(True, check_nan=True):
        u = torch.tensor([3.0, 0.0], dtype=torch.float64, requires_grad=True)
        try:
            torch.where(u > 0, u.sqrt(), 0.0).sum().backward()
        except RuntimeError as error:
            found["anomaly mode"] = str(error)
    return found


def starts():
    """Return of eight fresh LSTMs of 64 units: max |entry| sqrt(n), and what the forget biases add up to."""
    import torch

    found = {"default dtype": str(torch.get_default_dtype()), "largest": [], "forget bias": []}
    for seed in range(8):
        torch.manual_seed(seed)
        module = torch.nn.LSTM(64, 64)
        found["largest"].append(8 * max(p.abs().max() for p in module.parameters()))
        found["forget bias"].append((module.bias_ih_l0 + module.bias_hh_l0)[64:128].mean())
    return {
        name: value if name == "default dtype" else torch.stack(value).double()
        for name, value in found.items()
    }


def everything():
    """Return {case: {array: tensor or text}}."""
    import warnings

    found = {f"{kind}, {layout}": agreement(kind, layout) for kind in GATES for layout in LAYOUTS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anomaly mode says where it was, and raises besides
        return found | {
            "adam": adam(),
            "clipping": clipping(),
            "lstm": axes_and_padding(),
            "means": means(),
            "function": functions(),
            "not finite": not_a_number(),
            "start": starts(),
        }


def entries(value):
    """Return a tensor as text, entry by entry."""
    return value if isinstance(value, str) else " ".join(map(repr, value.detach().double().ravel().tolist()))


if __name__ == "__main__":
    rows = [
        f"{case};{name};{entries(v)}" for case, arrays in everything().items() for name, v in arrays.items()
    ]
    head = "# python tools/real_frameworks.py\ncase;array;entries\n"
    (FOLDER / "real_frameworks.csv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    (FOLDER / "real_frameworks.txt").write_text(text(), encoding="utf-8")
