"""What the chapters verify, read off the cells of the notebooks and the lines that these have printed."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import nbformat
import yaml

FOLDER = Path(__file__).resolve().parent.parent / "chapters"
TOC = (FOLDER.parent / "_toc.yml").read_text(encoding="utf-8")
CHAPTERS = {
    path.stem: nbformat.read(path, as_version=4)
    for path in sorted(FOLDER.glob("*.ipynb"), key=lambda path: TOC.find(f"chapters/{path.stem}\n"))
}
CLAIMS = yaml.safe_load((FOLDER / "data" / "claims.yml").read_text(encoding="utf-8"))
VERBS = ("check", "refute", "within")


def code_cells(name):
    return [cell for cell in CHAPTERS[name].cells if cell.cell_type == "code"]


def text(name):
    return "\n".join(cell.source for cell in CHAPTERS[name].cells if cell.cell_type == "markdown")


def calls(source):
    """List the names of the functions called in a cell, each with its first argument if that is a string."""
    found = []
    for call in (item for item in ast.walk(ast.parse(source)) if isinstance(item, ast.Call)):
        function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        first = call.args[0] if call.args else None
        found.append((function, first.value if isinstance(first, ast.Constant) else None))
    return found


def labels(source):
    """Return what a cell verifies: the labels of its checks, cut at commas."""
    found = [label for verb, label in calls(source) if verb in VERBS and isinstance(label, str)]
    return {part.strip() for label in found for part in label.split(",")}


def verified(name):
    return set().union(*(labels(cell.source) for cell in code_cells(name)))


def equations(name):
    """List the labels of the numbered equations of a chapter."""
    return re.findall(r"\$\$ \((eq-[\w-]+)\)", text(name))


class Line(NamedTuple):
    """A line that a check printed: ✓ or ✗, its label, cut at commas, and how it was verified.

    `cell` is the place of its cell in the notebook, `heading` the nearest heading above.
    """

    chapter: str
    heading: str
    cell: int
    mark: str
    label: list
    how: str


def lines(name):
    """List the lines that the checks of a chapter printed, from top to bottom."""
    found, heading = [], ""
    for k, cell in enumerate(CHAPTERS[name].cells):
        if cell.cell_type == "markdown":
            heading = [heading, *re.findall(r"^#+ (.+)", cell.source, re.M)][-1]
        else:
            printed = "".join(output.get("text", "") for output in cell.outputs)
            for mark, label, how in re.findall(r"^([✓✗]) (.+) · (.+)", printed, re.M):
                found.append(Line(name, heading, k, mark, label.split(", "), how))
    return found


def evidence(item):
    """List the lines about one statement of the notes, of all chapters."""
    return [line for name in CHAPTERS for line in lines(name) if item in line.label]


def coverage():
    """Count per chapter what there is and what is verified; the keys are the columns of a table."""
    return {name: _count(name) for name in CHAPTERS}


def _count(name):
    shown, found = set(equations(name)), verified(name)
    marks = Counter(line.mark for line in lines(name))
    return {
        "equations": len(shown),
        "checked": len(shown & found),
        "✓": marks["✓"],
        "✗": marks["✗"],
        "statements": len(found & CLAIMS.keys()),
    }


def summary():
    """Return what is verified and what there is to verify, in one line."""
    counts = list(coverage().values())
    shown, checked = (sum(count[key] for count in counts) for key in ("equations", "checked"))
    items = set().union(*map(verified, CHAPTERS)) & CLAIMS.keys()
    of_the_notes = f"statements of the notes checked {len(items)} / {len(CLAIMS)}"
    return f"numbered equations checked {checked} / {shown}; {of_the_notes}"
