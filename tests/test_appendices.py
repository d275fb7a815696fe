"""The appendices are complete, and say what their sources say."""

import ast
import re
from pathlib import Path

import pytest
from appendices import VERDICTS, plain, shown
from evidence import CHAPTERS, CLAIMS, FOLDER, Line, coverage, evidence, summary

import rnnlib

each_item = pytest.mark.parametrize("item", CLAIMS)
every_module = pytest.mark.parametrize("module", rnnlib.__all__)
every_entry = pytest.mark.parametrize(
    "entry", re.findall(r"(?ms)^@\w+\{.*?^\}", (FOLDER / "references.bib").read_text(encoding="utf-8"))
)


def page(name):
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


@each_item
def test_a_statement_of_the_notes_has_a_verdict_and_whole_sentences(item):
    claim = CLAIMS[item]
    assert list(claim) == ["verdict", "statement", "correction"]
    assert claim["verdict"] in VERDICTS
    for words in (claim["statement"], claim["correction"]):
        assert words.endswith(".")
        assert words.count("$") % 2 == 0


@each_item
def test_what_is_shown_of_a_statement_was_printed_by_its_chapters(item):
    assert evidence(item)
    for line in evidence(item):
        outputs = CHAPTERS[line.chapter].cells[line.cell].outputs
        printed = "".join(output.get("text", "") for output in outputs).splitlines()
        assert f"{line.mark} {', '.join(line.label)} · {line.how}" in printed


def test_a_printed_line_is_shown_without_codes_with_links_to_equations_and_as_it_is():
    line = Line("bptt", "BPTT", 3, "✓", ["eq-bptt-swap", "A12", "|W^T| * 2", "both"], "exact")
    assert shown(line) == r"✓ equation {eq}`eq-bptt-swap`, \|W\^T\| \* 2, both · exact"
    assert shown(line._replace(label=["A12"])) == "✓ exact"


def test_the_summary_counts_every_equation_and_every_statement():
    shown, checked, items, ledger = (int(number) for number in re.findall(r"\d+", summary()))
    displayed = [re.findall(r"^\$\$ \((eq-.+)\)$", cell.source, re.M) for cell in every_markdown_cell()]
    assert shown == checked == sum(map(len, displayed))
    assert items == ledger == 94
    assert list(coverage()) == list(CHAPTERS)


def every_markdown_cell():
    return [cell for book in CHAPTERS.values() for cell in book.cells if cell.cell_type == "markdown"]


@every_module
def test_the_reference_shows_every_public_name_of_a_module(module):
    tree = ast.parse((Path(rnnlib.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    constants = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    (part,) = re.findall(rf"automodule:: rnnlib\.{module}\n   :members:\n(.*?)```", page("rnnlib"), re.S)
    listed = re.findall(r"^(?:\.\. py:data:: | {13})(\w+)$", part, re.M)
    assert sorted(listed) == sorted(name for name in constants if not name.startswith("_"))


def test_the_program_on_the_page_of_the_library_learns_its_task(tmp_path, monkeypatch, capsys):
    (program,) = re.findall(r"```python\n(.*?)```", page("rnnlib"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert float(capsys.readouterr().out) > 0.9
    assert (tmp_path / "weights.npz").exists()


def test_a_docstring_keeps_its_code_citations_and_emphasis_and_nothing_else_is_markup():
    row = plain("Return *from it* `W_hh` h_ * |x| [werbos1990].")
    assert row == r"Return *from it* ``W_hh`` h\_ \* \|x\| :cite:p:`werbos1990`\."


@every_entry
def test_a_reference_says_what_it_gave_and_stands_under_one_theme(entry):
    (theme,) = re.findall(r"^  keywords += \{(.+)\}", entry, re.M)
    (annotation,) = re.findall(r"^  annotation += \{(.+)\}", entry, re.M)
    assert page("references").count(f'keywords == "{theme}"') == 1
    assert annotation.endswith(".")


def test_the_terms_of_the_glossary_are_in_order_and_each_links_to_a_page():
    terms = re.findall(r"^(\S.*)\n  (\S.*)$", page("glossary").split("```")[1], re.M)
    names = [re.sub(r"\W", "", name).lower() for name, _ in terms]
    assert names == sorted(set(names))
    assert 50 <= len(names) <= 100
    assert all(re.search(r"\]\(\w+\.(ipynb|md)\)", meaning) for _, meaning in terms)
