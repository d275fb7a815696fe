"""The checks of the chapters are tested: of some, taken at random, most drawn mutants must be noticed.

Which ones depends on the text of the chapters, so every edit draws anew. `make mutants` records the score of
the whole book, 90 of 100 in every chapter; a sample is small, and it fails where such a chapter would leave
so many survivors less than once in a thousand draws. What a mutant is, tools/mutations.py says, and is tested
here as well.
"""

import ast
import csv
import hashlib
import math
import random
import sys
import warnings
from pathlib import Path

import dependence
import mutants
import mutations
import nbformat
import pytest
import reseed

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
SOURCES = {
    path.stem: [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    for path in sorted(CHAPTERS.glob("*.ipynb"))
}
BLOCKS = [
    (name, k, len(dependence.sites(block.statements)))
    for name, cells in SOURCES.items()
    for k, block in enumerate(dependence.blocks(cells))
]
COMPUTED = ast.Name | ast.Call | ast.BinOp
FIRST = "import numpy as np\nfrom rnnlib.checks import check, refute, within\n"
STEP = """
W, h, x, b = np.array([[1.0, 2], [3, 5]]), np.array([1.0, -2]), np.array([0.5, 3]), np.array([0.1, 0.2])
def step(h):
    return W @ h + x - b
"""


def sample(count=4):
    """Draw blocks of two chapters by a hash of the text, with so many calls of the verbs or a few more."""
    draw = random.Random(hashlib.sha256(repr(SOURCES).encode()).digest())
    names = draw.sample(sorted({name for name, _, calls in BLOCKS if calls > 2}), 2)
    found = {name: [] for name in names}
    for name, k, calls in draw.sample(BLOCKS, len(BLOCKS)):
        if name in names and count > 0 and calls:
            found[name].append(k)
            count -= calls
    return {name: set(numbers) for name, numbers in found.items() if numbers}


def chance(survivors, counted):
    """Return how often so many mutants or more survive where one in ten does."""
    return sum(math.comb(counted, k) * 0.1**k * 0.9 ** (counted - k) for k in range(survivors, counted + 1))


def tried(*sources, most=50):
    """Run cells and their mutants; return {change: fate}, and {change: fate} of what both sides rest on."""
    cells = [nbformat.v4.new_code_cell(source) for source in (FIRST, *sources)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mutants.try_cells(cells, most)[0]
    apart = [{}, {}]
    for held in found:
        apart[held.kind == "both sides"][held.change] = held.fate
    return apart


def rewritten(source, known=()):
    """Return the mutants of an expression or a statement."""
    statement = ast.parse(source).body[0]
    leaf = dependence.Leaf(0, (), statement, set(), set())
    return {ast.unparse(m.statement) for m in mutations.mutants(statement, leaf, known)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("y = a + b", {"y = a", "y = b", "y = a - b"}),
        ("y = a - b", {"y = a", "y = -b", "y = a + b"}),
        ("y = -a", {"y = a"}),
        ("y += a", {"y = a", "y -= a"}),
        ("y = a * b", {"y = a", "y = b"}),
        ("y = a ** 2 / 2", {"y = a ** 2", "y = a / 2"}),
        ("y = W @ h", {"y = h", "y = h @ W", "y = W.T @ h"}),
        ("y = u @ v", {"y = v"}),
        ("y = W.T", {"y = W"}),
        ("y = np.outer(a, b)", {"y = np.outer(b, a)"}),
        ("y = h[t - 1]", {"y = h[t]"}),
        ("y = h[t]", {"y = h[t - 1]"}),
        ("y = h[1:]", {"y = h[:-1]"}),
        ("y = h[:-1]", {"y = h[1:]"}),
        ("y = h[1:T + 1]", {"y = h[0:T]"}),
        ("y = h[-1]", {"y = h[-2]"}),
        ("y = J[i, j]", {"y = J[i, j - 1]", "y = J[j, i]"}),
        (
            "for t in range(T, 0, -1): h",
            {f"for t in range({ends}, -1):\n    h" for ends in ("T - 1, 0", "T, 1")},
        ),
        ("y = range(1, T + 1)", {"y = range(2, T + 1)", "y = range(1, T)"}),
        ("y = np.tanh(a)", {"y = 1 - np.tanh(a) ** 2"}),
        ("y = f_prime(a)", {"y = np.tanh(a)"}),
        ("y = E.diff(w)", {"y = E"}),
        ("y = np.median(a)", {"y = np.max(a)"}),
        ("y = initialize.orthogonal(rng)", {"y = initialize.gaussian(rng)"}),
        ("y = np.linalg.norm(a, 2)", {"y = np.linalg.norm(a)"}),
        ("y = a <= b", {"y = b <= a"}),
        ("def f(i, f, o, g): return i", {"def f(i, f, o, g):\n    return g"}),
    ],
)
def test_a_mutant_is_one_change_that_matters_in_this_field(source, expected):
    assert rewritten(source) == {ast.unparse(ast.parse(other)) for other in expected}


@pytest.mark.parametrize(
    "source",
    [
        "y = f'{a + b}'",
        "print(a + b)",
        "rng = np.random.default_rng(seed + 1)",
        "x = rng.standard_normal((T + 1, n))",
        "y = [None] * 3 + [0]",
        "y = [g(seed) for seed in range(5)]",
        "y = [g(seed=k) for k in range(5)]",
        "y = x * 1.0",
        "y = g(x, axis=-1)",
        "import numpy as np",
        "",
    ],
)
def test_labels_printing_seeds_and_sizes_are_left_alone(source):
    assert not source or not rewritten(source)


def test_a_cell_gets_the_neighbour_that_is_imported():
    assert rewritten("y = TANH") == set()
    assert rewritten("y = TANH", {"LOGISTIC"}) == {"y = LOGISTIC"}


def test_a_strong_check_catches_every_mutant():
    own, both = tried(STEP, "y = step(h)", "check('a step', y, [1 - 4 + 0.5 - 0.1, 3 - 10 + 3 - 0.2])")
    assert len(own) > 8
    assert set(own.values()) <= {"caught", "raised"}
    assert not both


def test_what_both_sides_of_a_tautology_rest_on_survives_and_is_counted_apart():
    own, both = tried(STEP, "y = step(h)\ncheck('nothing', y, y.copy())")
    assert own == {"y -> -y": "caught"}
    assert both["return W @ h + x - b -> return W @ h + x + b"] == "survived"
    assert "raised" in both.values() or set(both.values()) == {"survived"}


def test_a_weak_check_lets_mutants_through():
    own, _ = tried(STEP, "check('only the shape', step(h).shape == (2,), True)")
    assert own["return W @ h + x - b -> return W @ h + x"] == "survived"


def test_a_wide_range_lets_the_double_through_and_a_narrow_one_does_not():
    wide, narrow = (tried(f"v = 3.0\nwithin('v', v, {ends})")[0] for ends in ("1, 100", "2, 4"))
    assert wide["v -> np.multiply(2, v)"] == "survived"
    assert set(narrow.values()) == {"caught"} == {wide["v -> np.negative(v)"]}


def test_a_refutation_fails_when_the_truth_takes_the_wrong_side():
    assert tried(STEP, "refute('no x', W @ h, step(h), by=0.1)")[0] == {"W @ h -> step(h)": "caught"}


def test_a_mutant_of_a_function_may_be_noticed_later():
    weak, strong = "check('shape', step(h).shape, (2,))", "check('all', step(h), [-2.6, -4.2])"
    change = "return W @ h + x - b -> return W @ h + x"
    assert tried(STEP, weak)[0][change] == "survived"
    assert tried(STEP, weak, strong)[0][change] == "caught"


def test_a_mutant_that_never_ends_is_stopped():
    source = "k, steps = 3, 0\nwhile k > 0:\n    k = k - 1\n    steps += 1\ncheck('steps', steps, 3)"
    assert tried(source)[0]["k = k - 1 -> k = k + 1"] == "caught"


def test_a_mutant_that_cannot_run_is_told_apart():
    assert "raised" in tried("M, v = np.ones((2, 3)), np.ones(3)\ncheck('Mv', M @ v, [3.0, 3.0])")[0].values()


def test_what_is_mutated_leaves_no_trace():
    own, _ = tried("y = [0.5]\ny[0] += 1", "check('one', y[0], 1.5)", "check('still', y[0], 1.5)")
    assert set(own.values()) == {"caught"}


@pytest.mark.parametrize(
    "sources",
    [
        (STEP, "y = step(h)", "check('a step', y, [-2.6, -4.2])"),
        (STEP, "check('shape', step(h).shape, (2,))", "check('all', step(h), [-2.6, -4.2])"),
        ("y = [0.5]\ny[0] += 1", "check('one', y[0], 1.5)", "check('still', y[0], 1.5)"),
        ("y = {'a': np.ones(3), 'b': np.array(1.0)}", "y['a'][1] *= 4\ncheck('four', y['a'].max(), 4.0)"),
        ("a, b = 2, {}\nb[a] = [a]\nb[a] += [a + 1]\ncheck('b', b[a], [2, 3])", "check('b', b, {2: [2, 3]})"),
        ("k, n = 3, 0\nwhile k > 0:\n    k = k - 1\n    n += 1\ncheck('steps', n, 3)",),
        (
            "new = np.random.default_rng\nrng = new(1)",
            "y = rng.random(2)\ncheck('drawn', y, new(1).random(2))",
            "y = rng.random(2)\ncheck('and then', y, new(1).random(4)[2:])",
        ),
    ],
)
def test_mutants_that_run_in_one_process_meet_the_same_fates(sources, monkeypatch):
    forked = tried(*sources)
    monkeypatch.setitem(sys.modules, "jax", None)
    assert tried(*sources) == forked


@pytest.mark.parametrize("source", ["check('fails', 1, 2)", "check('no name', unknown + 1, 2)"])
def test_cells_that_fail_by_themselves_are_named_and_have_no_mutants(source, capsys):
    assert tried(source, "one = 1\ncheck('holds', one, 1)")[0] == {"one -> -one": "caught"}
    assert "cell 1: fails" in capsys.readouterr().out


def test_a_cell_that_is_no_python_is_refused():
    with pytest.raises(SyntaxError):
        tried("check('open', 1")


def test_calls_without_anything_to_compare_and_cells_without_checks_have_no_mutants():
    assert tried("y = 1 + 1", "check\n'label'") == [{}, {}]
    assert tried() == [{}, {}]


def test_the_list_excuses_survivors_and_its_odd_entries_are_named():
    one = mutants.Tried(3, ["eq-x"], [], "y = a + b -> y = a", "survived")
    right = {"label": "eq-x", "mutation": "y = … -> y = a"}
    for wrong in (right | {"label": "eq-y"}, right | {"mutation": "y = a + b -> y = b"}):
        marked, unused = mutants.excuse([one], [one], [right, wrong])
        assert [held.fate for held in marked] == ["listed"]
        assert unused == [wrong]
    assert mutants.score([one], one.kind) == (1, 0)
    assert mutants.score(marked, one.kind) == (0, 0)


def recorded(path):
    with path.open(encoding="utf-8") as file:
        return {name: [int(count) for count in row] for name, *row in list(csv.reader(file))[1:]}


def test_a_record_keeps_the_rows_of_chapters_that_were_not_tried_and_are_still_there(tmp_path):
    path, head = tmp_path / "record.csv", ["chapter", "tried", "caught"]
    reseed.renew(path, head, {"a": [2, 1], "b": [5, 5], "gone": [9, 9]}, ["a", "b", "gone"])
    reseed.renew(path, head, {"a": [2, 2], "new": [0, 0]}, ["a", "b", "new"])
    assert recorded(path) == {"a": [2, 2], "b": [5, 5], "new": [0, 0]}


def test_the_recorded_mutants_are_of_all_chapters_and_as_often_noticed_as_the_book_says():
    rows = recorded(CHAPTERS / "data" / "mutants.csv")
    assert sorted(rows) == sorted(SOURCES)
    assert all(caught >= 0.95 * equations for equations, caught, _, _ in rows.values()), rows
    assert all(caught >= 0.9 * others for _, _, others, caught in rows.values()), rows


def test_the_recorded_seeds_left_every_check_standing():
    rows = recorded(CHAPTERS / "data" / "reseeded.csv")
    assert set(rows) == set(SOURCES)
    assert all(row[1:] == [10, 0] for row in rows.values()), rows


def test_every_entry_of_the_list_names_a_chapter_and_a_reason():
    for entry in mutants.listed(CHAPTERS):
        assert set(entry) == {"chapter", "label", "mutation", "why"}
        assert entry["chapter"] in SOURCES
        assert len(entry["why"].split()) > 2


def test_a_sample_fails_where_most_of_it_survives_and_not_where_a_few_do():
    assert chance(0, 7) == pytest.approx(1)
    assert chance(1, 1) == pytest.approx(0.1)
    assert chance(2, 7) > 0.1 > 0.001 > chance(5, 7)


@pytest.mark.parametrize(("name", "numbers"), sample().items())
def test_of_checks_taken_at_random_most_mutants_are_noticed(name, numbers, monkeypatch, record_property):
    monkeypatch.chdir(CHAPTERS)  # and back, afterwards
    monkeypatch.setenv("TQDM_DISABLE", "1")
    with warnings.catch_warnings():
        found, every, *_ = mutants.try_chapter(CHAPTERS / f"{name}.ipynb", most=2, wanted=numbers)
    entries = [entry for entry in mutants.listed(CHAPTERS) if entry["chapter"] == name]
    counted = [
        held for held in mutants.excuse(found, every, entries)[0] if held.one and held.fate != "listed"
    ]
    survivors = [(held.cell, held.one[0], held.change) for held in counted if held.fate == "survived"]
    record_property("shown", f"{name}: {len(counted) - len(survivors)} of {len(counted)} mutants noticed")
    assert counted
    assert chance(len(survivors), len(counted)) > 0.001, survivors


def test_no_check_compares_a_thing_with_itself_or_literals_with_literals():
    for name, cells in SOURCES.items():
        calls = [n for cell in cells for n in ast.walk(ast.parse(cell.source)) if dependence.verb(n)]
        for call in (call for call in calls if not any(isinstance(a, ast.Starred) for a in call.args)):
            sides = [ast.dump(side) for side in call.args[1:3]]
            computed = [n for side in call.args[1:] for n in ast.walk(side) if isinstance(n, COMPUTED)]
            assert len(set(sides)) == len(sides), f"{name}: {ast.unparse(call)}"
            assert computed, f"{name}: {ast.unparse(call)}"
