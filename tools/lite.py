"""Build the chapters as a JupyterLite site: they run in the reader's browser, with rnnlib from a wheel."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
FIRST = "# Run this cell first. A browser that is new to it takes a minute.\n%pip install -q rnnlib[chapters]"


def stage(folder):
    """Lay out in `folder` what JupyterLite takes up by itself: pypi/ holds wheels, files/ the chapters.

    The kernel needs comm, which Pyodide does not bring; from here, no reader has to fetch it from PyPI.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(ROOT / "_build" / "rnnlib", ignore_errors=True)  # else a wheel keeps deleted modules
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", folder / "pypi", ROOT, f"comm=={version('comm')}"], check=True)
    chapters = folder / "files" / "chapters"
    shutil.copytree(ROOT / "chapters" / "data", chapters / "data")
    shutil.copy2(ROOT / "chapters" / "matplotlibrc", chapters)
    for path in sorted(ROOT.glob("chapters/*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if any("import jax" in cell.source for cell in notebook.cells):
            continue  # JAX has no build for the browser
        notebook.cells.insert(0, nbformat.v4.new_code_cell(FIRST, id="first"))
        nbformat.write(notebook, chapters / path.name)


def build(folder, site):
    """Build a staged folder into `site`; JupyterLite's own notes on what it has done stay in `folder`."""
    command = [sys.executable, "-m", "jupyterlite_core", "build", "--apps", "lab", "--no-sourcemaps"]
    subprocess.run([*command, "--no-unused-shared-packages", "--output-dir", site], cwd=folder, check=True)


if __name__ == "__main__":
    staged = ROOT / "_build" / "lite"
    stage(staged)
    build(staged, ROOT / "_build" / "html" / "lite")
