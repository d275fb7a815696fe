"""In the reader's browser: a notebook runs from end to end in JupyterLite, as `make lite` builds it.

A reader's browser gets Pyodide from its CDN. Here the core comes from npm and the pure Python wheels from
PyPI, in the CDN's place. NumPy, SciPy and Matplotlib for Pyodide are in neither, so that the notebook is one
with SymPy alone: it cannot be shown here that a whole chapter runs.
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import launch
import nbformat
import pytest
from browsing import new_page, serve

constants = pytest.importorskip(
    "jupyterlite_pyodide_kernel.constants", reason="`make lite` installs JupyterLite"
)

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("lite", ROOT / "tools" / "lite.py")
lite = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(lite)

# What the chapters use besides NumPy: SymPy, rnnlib, their data, files of their own, tqdm.
CELLS = (
    "%pip install -q --no-deps rnnlib",
    """import sympy as sp
from rnnlib import symbolic

net = symbolic.unroll(sp.tanh, 2)
through_h_1 = net.w * (1 - net.h[1] ** 2) * net.h[0]
by_hand = (1 - net.h[2] ** 2) * (net.h[1] + through_h_1)
print("difference", sp.simplify(net.h[2].diff(net.w) - by_hand))""",
    """from pathlib import Path

year = [line.split(",")[0] for line in Path("data/sunspots.csv").read_text(encoding="utf-8").splitlines()]
print("last year", year[-1], "style", Path("matplotlibrc").exists())""",
    """import inspect
import os
from tempfile import TemporaryDirectory
from timeit import repeat
from unittest.mock import Mock

from tqdm import tqdm

called = Mock(wraps=symbolic.logistic)
repeat(lambda: called(0), number=1, repeat=3)
with TemporaryDirectory() as folder, (Path(folder) / "part").open("wb") as file:
    for k in tqdm(range(5)):
        file.write(bytes([k]))
    file.flush()
    os.fsync(file.fileno())
    size = Path(file.name).replace(Path(folder) / "whole").stat().st_size
print("called", called.call_count, "bytes", size, inspect.getsource(symbolic.logistic).splitlines()[0])""",
)


def pure(lock, names):
    """List the wheels that the packages need, themselves among them; a wheel is the name of its file."""
    found, open_ = {}, list(names)
    while open_:
        package = lock["packages"][open_.pop().replace("_", "-")]
        if package["name"] not in found:
            found[package["name"]] = package
            open_ += package["depends"]
    return found.values()


@pytest.fixture(scope="module")
def cdn(request):
    """What the CDN would serve, by file name; fetched once, and kept in pytest's cache."""
    if not shutil.which("npm"):
        pytest.skip("npm is needed, to fetch Pyodide")
    folder = request.config.cache.mkdir(f"pyodide-{constants.PYODIDE_VERSION}")
    if not any(folder.glob("*.tgz")):
        pack = [
            "npm",
            "pack",
            "--silent",
            f"pyodide@{constants.PYODIDE_VERSION}",
            "--pack-destination",
            folder,
        ]
        if subprocess.run(pack, capture_output=True).returncode:
            pytest.skip(f"npm does not reach pyodide@{constants.PYODIDE_VERSION}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    lock = json.loads((folder / "package" / constants.PYODIDE_LOCK).read_text(encoding="utf-8"))
    wanted = pure(lock, ("ipython", "jedi", "micropip", "sympy", "tqdm"))
    wheels = folder / "wheels"
    if not all((wheels / package["file_name"]).exists() for package in wanted):
        pins = [f"{package['name']}=={package['version']}" for package in wanted]
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        version = ["--python-version", constants.PYODIDE_PYTHON_VERSION]
        if subprocess.run([*pip, *version, "-d", wheels, *pins], capture_output=True).returncode:
            pytest.skip("pip does not reach the wheels of IPython and SymPy")
    for package in wanted:  # Pyodide builds these wheels itself: same code, other bytes
        package["sha256"] = hashlib.sha256((wheels / package["file_name"]).read_bytes()).hexdigest()
    files = {
        path.name: path.read_bytes() for kind in ("package", "wheels") for path in (folder / kind).iterdir()
    }
    return files | {constants.PYODIDE_LOCK: json.dumps(lock).encode()}


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """The folder that `make lite` builds from."""
    folder = tmp_path_factory.mktemp("lite") / "staged"
    lite.stage(folder)
    return folder


@pytest.fixture(scope="module")
def site(staged):
    """The site that `make lite` builds, with a notebook for this test."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    metadata = nbformat.read(ROOT / "chapters" / "index.ipynb", as_version=4).metadata
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.write(notebook, staged / "files" / "chapters" / "tried.ipynb")
    lite.build(staged, staged.parent / "site")
    return staged.parent / "site"


def test_every_chapter_is_there_as_it_is_after_a_cell_that_installs_rnnlib(staged):
    runs = [path for path in ROOT.glob("chapters/*.ipynb") if f"chapters/{path.stem}" not in launch.WITH_JAX]
    assert {path.name for path in runs} == {p.name for p in (staged / "files/chapters").glob("*.ipynb")}
    for path in runs:
        first, *cells = nbformat.read(staged / "files" / "chapters" / path.name, as_version=4).cells
        assert first.source.splitlines()[-1] == "%pip install -q rnnlib[chapters]"
        assert cells == nbformat.read(path, as_version=4).cells


def test_the_site_holds_rnnlib_and_whatever_the_chapters_load(staged, site):
    assert set(json.loads((site / "pypi" / "all.json").read_text(encoding="utf-8"))) == {"comm", "rnnlib"}
    listed = json.loads(
        (site / "api" / "contents" / "chapters" / "data" / "all.json").read_text(encoding="utf-8")
    )["content"]
    assert {file["name"] for file in listed} == {path.name for path in ROOT.glob("chapters/data/*")}


def test_a_notebook_runs_from_end_to_end(site, browser, cdn):
    asked = []

    def answer(route):
        url = route.request.url
        if url.startswith(base):
            return route.continue_()
        asked.append(url)
        name = url.removeprefix(f"{constants.PYODIDE_CDN_URL}/")
        if name not in cdn:
            return route.abort()
        kind = {".mjs": "text/javascript", ".wasm": "application/wasm"}.get(Path(name).suffix)
        headers = {"access-control-allow-origin": "*", "content-type": kind or "application/octet-stream"}
        return route.fulfill(body=cdn[name], headers=headers)

    with serve(site) as base, new_page(browser) as page:
        page.context.route("**/*", answer)
        page.goto(f"{base}lab/index.html?path=chapters/tried.ipynb")
        page.get_by_text("Python (Pyodide) | Idle").wait_for(timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.get_by_text("called 3").wait_for(timeout=120_000)
        printed = page.locator(".jp-OutputArea-output").all_inner_texts()
    for line in ("difference 0", "last year 2008 style True", "called 3 bytes 5 def logistic(a):"):
        assert any(line in text for text in printed), printed
    assert all(url.removeprefix(f"{constants.PYODIDE_CDN_URL}/") in cdn for url in asked), asked
