"""Re-run notebooks in place, each in its own kernel, and store nothing that changes from run to run."""

import base64
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from rnnlib.interactive import shrink

ROOT = Path(__file__).resolve().parent.parent
README_FIGURE = ROOT / "_static" / "journey.png"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path):
    notebook = nbformat.read(path, as_version=4)
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
