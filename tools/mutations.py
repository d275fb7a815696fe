"""The mutations that matter in this field: a rule takes a node of a program, and yields its neighbours."""

import ast
import hashlib
import re
from typing import NamedTuple

from dependence import SIMPLE, at, defined, names, put, steps

GATES = ("ifog", "zsq", "zrq")
NEIGHBOURS = {
    **{
        "TANH": "LOGISTIC",
        "LOGISTIC": "TANH",
        "RELU": "TANH",
        "LEAKY_RELU": "RELU",
        "LSTM": "GRU",
        "GRU": "LSTM",
    },
    **{
        "orthogonal": "gaussian",
        "gaussian": "orthogonal",
        "identity": "gaussian",
        "glorot": "he",
        "he": "glorot",
    },
    **{"mean": "median", "median": "max", "max": "min", "min": "max", "argmax": "argmin", "argmin": "argmax"},
    **{
        "maximum": "minimum",
        "minimum": "maximum",
        "sin": "cos",
        "cos": "sin",
        "cosh": "sinh",
        "sinh": "cosh",
    },
}
CURVED = r"((np|sp)\.tanh|(cells\.|symbolic\.)?logistic|f|sigma)"
FIXED = (
    r"print|range|isinstance|len|S|default_rng|zeros|ones|eye|empty|full|reshape|arange|linspace|genfromtxt|\
[sS]ymbols?|Function|matrix|MatrixSymbol|standard_normal|normal|uniform|integers|subplots".replace("\\\n", "")
)
SILENT = ("seed", "seeds", "axis", "axes", "dtype", "size", "by", "tolerance", "label", "color", "keepdims")
ZERO = r"(0|0\.0|zero|True|False|sp\.S\(0\)|(sp|np)\.zeros\(.*)$"


class Mutant(NamedTuple):
    """A statement for the place of another one in the block (-1: before it), and how it differs."""

    place: int
    statement: ast.stmt
    change: str
    function: str = ""  # the mutated function, if it is one
    original: str = ""  # and what it was


def is_list(node):
    """Say whether + and * join lists or strings here, not numbers."""
    match node:
        case ast.BinOp():
            return is_list(node.left) or is_list(node.right)
        case ast.Constant():
            return isinstance(node.value, str)
    return isinstance(node, ast.List | ast.ListComp | ast.Tuple | ast.JoinedStr | ast.Starred)


def is_matrix(node):
    """Say whether a node is named like a matrix: W_hh, p.W_hh, J[t]."""
    while isinstance(node, ast.Subscript):
        node = node.value
    name = getattr(node, "id", getattr(node, "attr", ""))
    return name[:1].isupper() and name != "T"


def text(node):
    """Return the source of an operand, in brackets where another one might tear it apart."""
    plain = isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript | ast.Constant)
    return ast.unparse(node) if plain else f"({ast.unparse(node)})"


def plus(node, step):
    """Return the source of a node plus 1 or -1, as one would write it."""
    match node:
        case ast.Constant(value=int(value)):
            return str(value + step)
        case ast.BinOp(left=a, op=op, right=ast.Constant(value=1)):
            if isinstance(op, ast.Add if step < 0 else ast.Sub):
                return ast.unparse(a)
    return f"{text(node)} {'+' if step > 0 else '-'} 1"


def terms(node, near):
    """Drop a term of a sum, or turn a sign."""
    match node:
        case ast.BinOp(left=a, op=ast.Add(), right=b) if not is_list(node):
            yield from (text(a), text(b), f"{text(a)} - {text(b)}")
        case ast.BinOp(left=a, op=ast.Sub(), right=b):
            yield from (text(a), f"-{text(b)}", f"{text(a)} + {text(b)}")
        case ast.UnaryOp(op=ast.USub(), operand=a):
            yield text(a)
        case ast.AugAssign(target=a, op=ast.Add(), value=b) if not is_list(b):
            yield from (f"{ast.unparse(a)} {sign}= {ast.unparse(b)}" for sign in ("", "-"))


def factors(node, near):
    """Forget a factor, a denominator or an exponent, or turn a product of matrices round."""
    match node:
        case ast.BinOp(left=a, op=ast.Mult(), right=b) if not is_list(node):
            yield from (text(a), text(b)) if ast.unparse(b) != "1.0" else ()  # which makes a float of it
        case ast.BinOp(left=a, op=ast.Div() | ast.FloorDiv() | ast.Pow()):
            yield text(a)
        case ast.BinOp(left=a, op=ast.MatMult(), right=b):
            yield text(b)
            if is_matrix(a) or is_matrix(b):
                yield f"{text(b)} @ {text(a)}"
        case ast.Call(func=ast.Name(id="times" | "product" as f), args=[_, _, *_] as sides):
            for k in range(len(sides)):
                yield f"{f}({', '.join(map(ast.unparse, sides[:k] + sides[k + 1 :]))})"


def moved(index):
    """Yield the neighbours of an index: one step earlier or later, or the other end."""
    match index:
        case ast.BinOp(left=a, op=ast.Add() | ast.Sub(), right=ast.Constant(value=1)):
            yield ast.unparse(a)
        case ast.Name(id="t" | "k" | "s" | "tau" | "j" | "T"):
            yield f"{index.id} - 1"
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            yield "-2"
        case ast.Slice(lower=None, upper=ast.UnaryOp(operand=b), step=None):
            yield f"{ast.unparse(b)}:"
        case ast.Slice(lower=ast.Constant(value=a), upper=None, step=None):
            yield f":-{a}"
        case ast.Slice(lower=a, upper=b, step=None) if a or b:
            yield f"{plus(a, -1)}:{plus(b, -1) if b else ''}" if a else f"1:{plus(b, 1)}"
        case ast.Slice(lower=None, upper=None, step=ast.UnaryOp()):
            yield ":"
        case ast.Tuple(elts=elements):
            parts = [ast.unparse(element) for element in elements]
            for k, element in enumerate(elements):
                yield from (", ".join([*parts[:k], other, *parts[k + 1 :]]) for other in moved(element))


def times(node, near):
    """Shift an index or the end of a range by one."""
    match node:
        case ast.Subscript(value=a, slice=index):
            yield from (f"{text(a)}[{other}]" for other in moved(index))
        case ast.Call(func=ast.Name(id="range"), args=[a]):
            yield f"range({plus(a, -1)})"
        case ast.Call(func=ast.Name(id="range"), args=[a, b]):
            yield from (f"range({plus(a, 1)}, {ast.unparse(b)})", f"range({ast.unparse(a)}, {plus(b, -1)})")
        case ast.Call(func=ast.Name(id="range"), args=[a, b, ast.UnaryOp()]):
            yield f"range({plus(a, -1)}, {ast.unparse(b)}, -1)"
            yield f"range({ast.unparse(a)}, {plus(b, 1)}, -1)"


def transposes(node, near):
    """Transpose a matrix."""
    match node:
        case ast.Attribute(value=a, attr="T"):
            yield text(a)
        case ast.Call(func=ast.Attribute(attr="outer"), args=[a, b]):
            yield f"np.outer({ast.unparse(b)}, {ast.unparse(a)})"
        case ast.Subscript(value=a, slice=ast.Tuple(elts=[ast.Name() as i, ast.Name() as j])):
            yield f"{text(a)}[{j.id}, {i.id}]"
        case ast.BinOp(left=a, op=ast.MatMult(), right=b):
            if is_matrix(a):
                yield f"{text(a)}.T @ {text(b)}"
            if is_matrix(b):
                yield f"{text(a)} @ {text(b)}.T"


def slopes(node, near):
    """Take f for f' and f' for f, or forget to differentiate."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="sp"), attr="diff"), args=[a, *_]):
            yield text(a)
        case ast.Call(func=ast.Attribute(value=a, attr="diff")) if ast.unparse(a) != "np":
            yield text(a)
        case ast.Call(func=f, args=[_]) if re.fullmatch(CURVED, ast.unparse(f)):
            value = ast.unparse(node)
            yield f"1 - {value} ** 2" if "tanh" in ast.unparse(f) else f"{value} * (1 - {value})"
        case ast.Call(func=ast.Name(id="f_prime"), args=[a]):
            yield f"{'f' if 'f' in near else 'np.tanh'}({ast.unparse(a)})"
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=ast.BinOp(left=a, op=op)):
            if isinstance(op, ast.Pow | ast.Mult):
                yield text(a)


def neighbours(node, near):
    """Take the neighbour of a function, a cell, an initializer or a norm; reverse an inequality."""
    match node:
        case ast.Attribute(value=a, attr=name) if name in NEIGHBOURS:
            yield f"{text(a)}.{NEIGHBOURS[name]}"
        case ast.Call(func=ast.Name(id="max" | "min" as name)):
            yield f"{NEIGHBOURS[name]}{ast.unparse(node)[len(name) :]}"
        case ast.Name(id=name) if NEIGHBOURS.get(name) in near:
            yield NEIGHBOURS[name]
        case ast.Call(func=ast.Attribute(attr="norm") as f, args=[a, *rest], keywords=[]):
            yield f"{ast.unparse(f)}({ast.unparse(a)}{'' if rest else ', 1'})"
        case ast.Compare(left=a, ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()], comparators=[b]):
            yield ast.unparse(ast.Compare(b, node.ops, [a]))


def gates(node, near):
    """Swap two gates: i for f, W_z for W_s, where all of them are near."""
    if isinstance(node, ast.Name) and (len(node.id) == 1 or node.id[-2] == "_"):
        stem, gate = node.id[:-1], node.id[-1]
        for letters in GATES:
            if gate in letters and {stem + letter for letter in letters} <= near:
                yield stem + letters[letters.index(gate) - 1]


RULES = (terms, factors, times, transposes, slopes, neighbours, gates)


def varied(node):
    """Yield the children that are mathematics, with the steps to them: no labels, sizes, seeds, figures."""
    wanted = {ast.Subscript: ("value",), ast.FunctionDef: ("body",), ast.Lambda: ("body",), ast.JoinedStr: ()}
    match node:
        case ast.Call(func=f) if re.fullmatch(rf"(.*\.)?({FIXED})", ast.unparse(f)):
            return
        case ast.For(target=a) | ast.comprehension(target=a) if re.search("_$|seed|draw", ast.unparse(a)):
            wanted = {ast.For: ("body",), ast.comprehension: ("ifs",)}
        case ast.ListComp(generators=loops) | ast.GeneratorExp(generators=loops):
            if any(f"seed={ast.unparse(loop.target)}" in ast.unparse(node.elt) for loop in loops):
                wanted = {type(node): ("elt",)}
        case ast.keyword(arg=name) if name in SILENT:
            return
    for step, child in steps(node):
        if step[0] in wanted.get(type(node), (step[0],)) and step[0] not in ("targets", "target", "slice"):
            yield step, child


def walk(node, path=()):
    """Yield a node and all below it that may be changed, each with the way to it."""
    yield path, node
    for step, child in varied(node):
        yield from walk(child, (*path, step))


def clipped(before, after, room=28):
    """Return before -> after, of long lines only what differs and its surroundings."""
    if max(len(before), len(after)) > 84:
        same = [a == b for a, b in zip(before, after, strict=False)] + [False]
        start = same.index(False)
        same = [a == b for a, b in zip(before[start:][::-1], after[start:][::-1], strict=False)] + [False]
        first, last = max(0, start - room), max(0, same.index(False) - room)
        before, after = (
            "…" * (first > 0) + side[first : len(side) - last] + "…" * (last > 0) for side in (before, after)
        )
    return f"{before} -> {after}"


def changed(statement, leaf, path, source):
    """Return the mutant that has `source` at the end of a path below a leaf; None where nothing changes."""
    node = frame = leaf.node
    rest = path
    for k, step in enumerate(path):
        node = at(node, step)
        if isinstance(node, SIMPLE):
            frame, rest = node, path[k + 1 :]
    new = ast.parse(source).body[0]
    new = new if isinstance(node, ast.stmt) else new.value
    before, after = ast.unparse(frame), ast.unparse(put(frame, rest, new))
    if before == after:
        return None
    mutated = put(statement, (*leaf.path, *path), new)
    function = map(ast.unparse, (mutated, statement) if defined(statement) else ())
    return Mutant(leaf.place, mutated, clipped(before, after), *function)


def mutants(statement, leaf, known=()):
    """List the mutants of a statement that change one thing below a leaf of it; `known` names are at hand."""
    arguments = {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
    near, found = names(statement) | arguments | set(known), {}
    for path, node in walk(leaf.node):
        for source in (source for rule in RULES for source in rule(node, near)):
            if mutant := changed(statement, leaf, path, source):
                found.setdefault(ast.unparse(mutant.statement), mutant)
    return list(found.values())


def draw(keys, most):
    """Choose at most so many of a list, by a hash of each, so that the choice changes with the text alone."""
    return sorted(keys, key=lambda key: hashlib.sha256(str(key).encode()).digest())[:most]


def wrapped(site):
    """Yield what might stand for the first side: its negative, its double, the truth in a refutation."""
    sides, verb = [ast.unparse(side) for side in site.call.args], site.call.func.id
    if any(isinstance(side, ast.Starred) for side in site.call.args):
        return
    if verb == "refute":
        yield sides[2]
    elif verb == "check" and not re.match(ZERO, sides[2]):
        yield f"[-v for v in {sides[1]}]" if isinstance(site.sides[0].node, ast.List) else f"-({sides[1]})"
    elif verb == "within" and not re.match(r"(0|-.*|0\.0)$", sides[2]):
        yield f"np.negative({sides[1]})"
        if "inf" not in sides[3]:
            yield from (f"np.multiply({scale}, {sides[1]})" for scale in (2, 0.5))
