"""Re-run notebooks in place, each in its own kernel, and store nothing that changes from run to run."""

import base64
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import yaml
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
