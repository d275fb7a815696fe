"""What a check rests on, read from the source: assignments before it, heads of loops, functions it calls."""

import ast
import copy
from typing import NamedTuple

VERBS = ("check", "refute", "within")
SIMPLE = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return | ast.Assert


class Leaf(NamedTuple):
    """Something that may be mutated: in which statement, the way to it, and the names it binds and uses."""

    place: int
    path: tuple
    node: ast.AST
    binds: set
    loads: set


class Site(NamedTuple):
    """A call of a verb: where, the compared sides, and for each of them leaves and names it rests on."""

    place: int
    call: ast.Call
    sides: list
    leaves: list
    needs: list

    @property
    def label(self):
        label = self.call.args[0]
        return label.value if isinstance(label, ast.Constant) else ast.unparse(label)


class Block(NamedTuple):
    """The statements of a cell with checks and of the cells before it that have none, and each one's cell."""

    statements: list
    cells: list


def steps(node):
    """Yield (field, position) and child for every child of a node."""
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield (field, None), value
        elif isinstance(value, list):
            yield from (((field, k), child) for k, child in enumerate(value) if isinstance(child, ast.AST))


def at(tree, step):
    """Return the child of a node to which a step leads."""
    field, k = step
    return getattr(tree, field) if k is None else getattr(tree, field)[k]


def put(tree, path, new):
    """Return a copy of a tree with `new` at the end of a path."""
    if not path:
        return new
    (field, k), old, tree = path[0], getattr(tree, path[0][0]), copy.copy(tree)
    child = put(at(tree, path[0]), path[1:], new)
    setattr(tree, field, child if k is None else [*old[:k], child, *old[k + 1 :]])
    return tree


def names(node):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def loads(node):
    """Return the names that a node takes from outside."""
    own = {a.arg for a in ast.walk(node) if isinstance(a, ast.arg)}
    own = own.union(*(names(n.target) for n in ast.walk(node) if isinstance(n, ast.comprehension)))
    if isinstance(node, ast.FunctionDef):
        own |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names(node) - own


def bound(target):
    """Return the names to which an assignment to a target gives a value, or an entry."""
    if isinstance(target, ast.Tuple | ast.List):
        return set().union(*map(bound, target.elts))
    return {next(n.id for n in ast.walk(target) if isinstance(n, ast.Name))}


def binds(node):
    """Return the names that a statement gives a value, or changes by an index or a method."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign(targets=targets):
            return set().union(*map(bound, targets))
        case ast.AugAssign(target=a) | ast.AnnAssign(target=a):
            return bound(a)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=a))):
            return names(a)
    own = bound(node.target) if isinstance(node, ast.For) else set()
    return own.union(*(binds(child) for _, child in steps(node) if isinstance(child, ast.stmt)))


def paired(node):
    """Yield target, step and value of `a, b = c, d` and of `for a, b in zip(c, d)`, one by one."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            way = (("value", None),)
        case ast.For(target=ast.Tuple(elts=targets), iter=ast.Call(func=ast.Name(id="zip"), args=values)):
            way = (("iter", None),)
        case _:
            return
    if len(targets) == len(values):
        field = "args" if isinstance(node, ast.For) else "elts"
        for k, (target, value) in enumerate(zip(targets, values, strict=True)):
            yield target, (*way, (field, k)), value


def leaves(node, place, path=()):
    """Yield the simple statements of a statement, functions whole, and the heads of loops and conditions."""
    pairs = list(paired(node))
    for target, way, value in pairs:
        yield Leaf(place, (*path, *way), value, bound(target), loads(value))
    if isinstance(node, ast.FunctionDef | ast.ClassDef | SIMPLE):
        if not pairs:
            yield Leaf(place, path, node, binds(node), loads(node))
        return
    for step, child in steps(node):
        if isinstance(child, ast.stmt):
            yield from leaves(child, place, (*path, step))
        elif step[0] in ("iter", "test") and not pairs:
            yield Leaf(place, (*path, step), child, binds(node), loads(child))


def everywhere(node, path=()):
    yield path, node
    for step, child in steps(node):
        yield from everywhere(child, (*path, step))


def verb(node):
    """Return the name of the verb that a node calls with something to compare, or nothing."""
    name = getattr(getattr(node, "func", None), "id", "")
    return name if name in VERBS and len(node.args) > 1 else ""


def blocks(cells):
    """Cut the cells of a notebook into blocks; what comes after the last check is in the last one."""
    statements, places, found = [], [], []
    for k, cell in enumerate(cells):
        if cell.cell_type == "code" and cell.get("id") != "fetch":
            body = ast.parse(cell.source).body
            statements, places = statements + body, places + [k] * len(body)
            if any(verb(node) for statement in body for node in ast.walk(statement)):
                found.append(Block(statements, places))
                statements, places = [], []
    return [*found, Block(statements, places)]


def sites(block):
    """Find the calls of the verbs in a block, a list of statements, and what each side rests on in it."""
    found = []
    for place, statement in enumerate(block):
        before = [leaf for k in range(place + 1) for leaf in leaves(block[k], k)]
        for path, node in everywhere(statement):
            if verb(node):
                compared = node.args[1 : 2 if verb(node) == "within" else 3]
                sides = [
                    Leaf(place, (*path, ("args", k)), side, set(), loads(side))
                    for k, side in enumerate(compared, 1)
                ]
                rests = [relevant(before, side) for side in sides]
                found.append(Site(place, node, sides, *zip(*rests, strict=True)))
    return found


def relevant(before, side):
    """Return the leaves on which a side depends, and all the names that these use."""
    needs, chosen = set(side.loads), []
    while more := [leaf for leaf in before if leaf.binds & needs and leaf not in chosen]:
        chosen += more
        needs = needs.union(*(leaf.loads for leaf in more))
    return chosen, needs


def called(needs, live):
    """List the functions among names, and those that these call."""
    found = []
    while more := [name for name in sorted(needs) if name in live and name not in found]:
        found += more
        needs = needs.union(*(loads(live[name]) for name in more))
    return found


def defined(statement):
    """Return the name of the function that a statement defines, if it does."""
    match statement:
        case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda()):
            return name
    return ""
