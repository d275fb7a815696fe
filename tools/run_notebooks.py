"""Re-run notebooks in place, each in its own kernel, and store nothing that changes from run to run.

What a page and JupyterLab show of a cell at first is decided here, by one rule: see `folded`.
"""

import ast
import base64
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import yaml
from dependence import verb
from nbclient import NotebookClient

from rnnlib.interactive import shrink

ROOT = Path(__file__).resolve().parent.parent
README_FIGURE = ROOT / "_static" / "journey.png"
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
FETCH = f"""# @title Away from the book, run this first: it fetches rnnlib and the data
from pathlib import Path

address = "{ADDRESS}"
if not Path("matplotlibrc").exists():
    get_ipython().system(f"[ -d book ] || git clone -q --depth 1 {{address}} book")
    get_ipython().run_line_magic("cd", "-q book/chapters")
    get_ipython().run_line_magic("pip", "install -q ..[chapters]")"""
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def first_cells():
    """Return the cell that fetches the book, if it has an address; pages leave it out, Colab folds it."""
    tags = {"cellView": "form", "tags": ["remove-cell"]}
    return [nbformat.v4.new_code_cell(FETCH, id="fetch", metadata=tags)] if ADDRESS else []


def folded(cell):
    """Return what the code of a cell is if it is one click away, or "" if the lecture shows it.

    A lecture shows the lines that build a thing. What verifies it, imports, draws, or prepares an experiment
    or a picture is evidence. The first three can be seen; the last one its author marks, by the tag
    `preparation`.
    """
    tree = ast.parse(cell.source)
    shown = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
    if any(map(verb, ast.walk(tree))):
        return "check"
    if all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in tree.body):
        return "imports"
    if "image/png" in shown:
        return "picture"
    return "preparation" if "preparation" in cell.metadata.get("tags", []) else ""


def fold(cell):
    """Write into the metadata of a code cell whether its code is folded: for the site, and for JupyterLab."""
    kind, metadata = folded(cell), cell.metadata
    tags = {tag for tag in metadata.pop("tags", []) if tag != "hide-input"}
    options = {key: value for key, value in metadata.pop("mystnb", {}).items() if "prompt" not in key}
    metadata.pop("jupyter", None)
    if kind and not tags & {"remove-input", "remove-cell"}:
        tags |= {"hide-input"}
        options |= {f"code_prompt_{way}": f"code: {kind}" for way in ("show", "hide")}
        metadata["jupyter"] = {"source_hidden": True}
    if options:
        metadata["mystnb"] = options
    if tags:
        metadata["tags"] = sorted(tags)


def run(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = first_cells() + [cell for cell in notebook.cells if cell.id != "fetch"]
    NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,  # how the kernel cuts up its prints is chance
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            fold(cell)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = shrink(base64.b64decode(output.data["image/png"]))
                if path.stem == "index":  # the README shows this figure
                    README_FIGURE.write_bytes(base64.b64decode(output.data["image/png"]))
    notebook.metadata = METADATA
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return path


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    paths = [Path(name).resolve() for name in sys.argv[1:]] or sorted((ROOT / "chapters").glob("*.ipynb"))
    with ThreadPoolExecutor(2) as pool:
        for path in pool.map(run, paths):
            print("ran", path.relative_to(ROOT))
