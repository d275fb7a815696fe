"""The rules that keep the library small and its witnesses independent, read off the syntax trees."""

import ast
import importlib
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import rnnlib

TREES = {
    path.stem: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(Path(rnnlib.__file__).parent.glob("*.py"))
}
MODULES = [name for name in TREES if name != "__init__"]
every_module = pytest.mark.parametrize("name", TREES)
WITNESSES = [name for name in ("gradcheck", "rtrl") if name in TREES]
MAY_IMPORT = {
    "symbolic": {"sympy"},
    "jacobians": {"scipy"},
    "interactive": {"PIL"},
    "train": {"tqdm"},
}  # beside NumPy
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def imports(name, ours):
    """Return the modules of the package that a module imports, or the top names from outside."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= set() if ours else {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and bool(node.level) == ours:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {module.split(".")[0] for module in names}
    return found


def functions(name):
    return [node for node in ast.walk(TREES[name]) if isinstance(node, ast.FunctionDef)]


def public(tree):
    """Yield the public functions and classes of a module, and the public methods of these classes."""
    for node in tree.body:
        if isinstance(node, DEFINITIONS) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_the_modules_the_rules_speak_of_are_there():
    assert WITNESSES == ["gradcheck", "rtrl"]
    assert {"cells", "recurrence", "network", "params", "symbolic"} <= set(MODULES)


@every_module
def test_a_module_imports_numpy_the_standard_library_and_what_it_is_there_for(name):
    allowed = {"numpy"} | sys.stdlib_module_names | MAY_IMPORT.get(name, set())
    assert imports(name, ours=False) <= allowed


@every_module
def test_a_module_imports_others_of_the_package_relatively_and_only_these(name):
    assert imports(name, ours=True) <= set(MODULES)
    levels = {node.level for node in ast.walk(TREES[name]) if isinstance(node, ast.ImportFrom)}
    assert levels <= {0, 1}


@every_module
def test_nothing_imports_everything(name):
    froms = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.ImportFrom)]
    assert "*" not in [alias.name for node in froms for alias in node.names]


@pytest.mark.parametrize("name", WITNESSES)
def test_a_judge_shares_no_code_with_the_accused(name):
    assert imports(name, ours=True) <= {"params", "shapes"}


def test_cells_know_nothing_of_time_and_figures_nothing_of_models():
    assert imports("cells", ours=True) == set()
    assert imports("params", ours=True) == set()
    assert imports("figures", ours=True) == imports("interactive", ours=True) == set()


@every_module
def test_the_numerical_library_needs_no_symbols_figures_or_witnesses(name):
    if name != "__init__":
        assert not imports(name, ours=True) & {"symbolic", "figures", "interactive", "checks", *WITNESSES}


def test_imports_have_no_cycles():
    TopologicalSorter({name: imports(name, ours=True) for name in MODULES}).prepare()


@every_module
def test_a_module_has_at_most_250_lines(name):
    assert len(Path(rnnlib.__file__).with_name(f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 250


@every_module
def test_the_body_of_a_function_has_at_most_25_lines(name):
    # signature and docstring do not count, comments, blank lines and inner functions do
    for function in functions(name):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        assert length <= 25, function.name


@every_module
def test_everything_public_has_a_docstring(name):
    assert ast.get_docstring(TREES[name])
    assert [node.name for node in public(TREES[name]) if not ast.get_docstring(node)] == []


def test_the_public_names_exist_and_are_listed_once():
    assert rnnlib.__all__
    assert len(set(rnnlib.__all__)) == len(rnnlib.__all__)
    for name in rnnlib.__all__:
        assert importlib.import_module(f"rnnlib.{name}")


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_alone(name):
    assert importlib.import_module(f"rnnlib.{name}").__name__ == f"rnnlib.{name}"
