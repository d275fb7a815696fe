"""What is published is what was proven: the stored state of the chapters is part of the contract."""

import ast
import base64
import copy
import re
from pathlib import Path

import nbformat
import pytest
import run_notebooks
import yaml
from evidence import CHAPTERS, CLAIMS, VERBS, calls, code_cells, equations, labels, text, verified

ROOT = Path(__file__).resolve().parent.parent

each_chapter = pytest.mark.parametrize("name", CHAPTERS)


@each_chapter
def test_a_chapter_is_valid_and_was_run_once_from_top_to_bottom(name):
    nbformat.validate(CHAPTERS[name])
    counts = [cell.execution_count for cell in code_cells(name)]
    assert counts == list(range(1, len(counts) + 1)), "make run"


@each_chapter
def test_a_chapter_stores_no_error_and_no_stderr(name):
    outputs = [output for cell in code_cells(name) for output in cell.outputs]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]


@each_chapter
def test_every_cell_has_an_id_of_its_own_and_every_chapter_the_same_kernel(name):
    ids = [cell.id for cell in CHAPTERS[name].cells]
    assert len(set(ids)) == len(ids)
    assert CHAPTERS[name].metadata.kernelspec.name == "python3"
    assert set(CHAPTERS[name].metadata) == {"kernelspec", "language_info"}


@each_chapter
def test_every_figure_has_a_name_a_caption_an_alt_text_and_at_most_60_kb(name):
    for cell in code_cells(name):
        for png in (o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})):
            figure = cell.metadata["mystnb"]["figure"]
            assert figure["name"].startswith("fig-")
            assert figure["caption"]
            assert len(cell.metadata["mystnb"]["image"]["alt"]) > 40
            assert len(base64.b64decode(png)) <= 60 * 1024
            assert cell.source.endswith("plt.show()") or "Slider(" in cell.source


@each_chapter
def test_a_cell_has_at_most_25_lines(name):
    assert max(len(cell.source.splitlines()) for cell in code_cells(name)) <= 25


@each_chapter
def test_evidence_is_folded_and_nothing_else_as_make_run_writes_it(name):
    for cell in (cell for cell in code_cells(name) if cell.id != "fetch"):
        again = copy.deepcopy(cell)
        run_notebooks.fold(again)
        assert again.metadata == cell.metadata


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("for k in range(3):\n    within('k', k, 0, 3)", "check"),
        ("import numpy as np\nfrom rnnlib import tasks", "imports"),
        ("def step(h):\n    return np.tanh(W @ h)", ""),
        ("h = step(check)", ""),
    ],
)
def test_evidence_is_what_verifies_or_only_imports(source, kind):
    assert run_notebooks.folded(nbformat.v4.new_code_cell(source)) == kind


def test_evidence_is_what_draws_or_is_marked_as_a_preparation():
    drawn = nbformat.v4.new_output("display_data", {"image/png": ""})
    assert run_notebooks.folded(nbformat.v4.new_code_cell("plt.show()", outputs=[drawn])) == "picture"
    marked = nbformat.v4.new_code_cell("run = train()", metadata={"tags": ["preparation"]})
    assert run_notebooks.folded(marked) == "preparation"


@each_chapter
def test_a_cell_whose_output_is_not_compared_asserts_something(name):
    for cell in code_cells(name):
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            asserts = any(isinstance(item, ast.Assert) for item in ast.walk(ast.parse(cell.source)))
            assert asserts or set(VERBS) & {verb for verb, _ in calls(cell.source)}
        assert "nbval-skip" not in cell.metadata.get("tags", [])


@each_chapter
def test_every_numbered_equation_is_checked_in_its_chapter(name):
    displayed = equations(name)
    assert len(set(displayed)) == len(displayed)
    assert set(displayed) <= verified(name), set(displayed) - verified(name)


@each_chapter
def test_every_check_of_an_equation_names_an_equation_of_its_chapter(name):
    assert {label for label in verified(name) if label.startswith("eq-")} <= set(equations(name))


@each_chapter
def test_every_statement_of_the_notes_that_a_chapter_names_is_verified_there(name):
    named = set(re.findall(r"\b([ABC]\d+)\b", text(name)))
    assert named <= verified(name), named - verified(name)


def test_the_ledger_has_the_94_statements_of_the_notes_and_each_is_verified_somewhere():
    items = [f"{note}{k}" for note, count in (("A", 37), ("B", 19), ("C", 38)) for k in range(1, count + 1)]
    assert list(CLAIMS) == items
    places = {item: [] for item in items}
    for name in CHAPTERS:
        for cell in code_cells(name):
            for item in labels(cell.source) & set(items):
                places[item].append(f"{name}:{cell.id}")
    assert all(places.values()), [item for item, found in places.items() if not found]


@pytest.mark.parametrize("name", [name for name in CHAPTERS if "## Exercises" in text(name)])
def test_the_time_at_the_head_of_a_chapter_is_a_hundred_words_a_minute_and_a_quarter_for_an_exercise(name):
    lecture, exercises = text(name).split("## Exercises")
    minutes = 5 * round(len(lecture.split()) / 500)
    hours = round((minutes + 15 * exercises.count(":::{exercise}")) / 30) / 2
    line = f"*It takes* about {minutes} minutes to read, and with the exercises {hours:g} hours."
    assert line in lecture


@each_chapter
def test_every_exercise_has_a_solution(name):
    exercises = re.findall(r":::\{exercise\}.*\n:label: (ex-[\w-]+)", text(name))
    solutions = re.findall(r":::\{solution-start\} (ex-[\w-]+)", text(name))
    assert exercises == solutions
    assert text(name).count(":::{solution-end}") == len(solutions)


@each_chapter
def test_a_chapter_can_fetch_the_book_from_its_address_if_it_has_one(name):
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    found = [cell for cell in CHAPTERS[name].cells if cell.id == "fetch"]
    assert found == (CHAPTERS[name].cells[:1] if address else []), "make run"
    assert all(f'"{address}"' in cell.source and "remove-cell" in cell.metadata.tags for cell in found)


def test_the_table_of_contents_lists_every_chapter():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {toc["root"]} | {entry["file"] for part in toc["parts"] for entry in part["chapters"]}
    pages = [*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("chapters/*.md")]
    assert listed == {f"chapters/{page.stem}" for page in pages}


def test_every_citation_has_an_entry_and_every_entry_is_cited():
    entries = re.findall(r"@\w+\{(\w+),", (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8"))
    pages = "".join(map(text, CHAPTERS))
    cited = {key for group in re.findall(r"\{cite:\w\}`([^`]+)`", pages) for key in group.split(",")}
    library = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rnnlib").glob("*.py"))
    cited |= set(re.findall(r"\[([a-z]+\d{4})\]", library))
    assert cited == set(entries)
    assert len(set(entries)) == len(entries)


def test_the_readme_shows_the_figure_of_the_first_page():
    outputs = [output for cell in code_cells("index") for output in cell.outputs]
    (png,) = (output.data["image/png"] for output in outputs if "image/png" in output.get("data", {}))
    shown = re.search(r"!\[.+\]\((.+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))[1]
    assert (ROOT / shown).read_bytes() == base64.b64decode(png), "make run"
