"""The book on paper: what the pages of the site need to become one LaTeX document.

The first page becomes a chapter without a number, the captions of the table of contents become parts, what
is folded on the site is left out, solutions move to a chapter of their own, and every number is the site's.
"""

import re

from docutils import nodes
from sphinx.addnodes import start_of_file, toctree
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import texescape
from sphinx.util.math import wrap_displaymath
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node
from sphinx_proof.nodes import NODE_TYPES, proof_node, unenumerable_node

FOLDED = {
    "cell_input": {"tag_hide-input", "tag_hide-cell"},
    "cell_output": {"tag_hide-output", "tag_hide-cell"},
}
THEOREMS = (*NODE_TYPES.values(), unenumerable_node)


def latex(code):
    return nodes.raw("", code, format="latex")


def inline(code):
    """LaTeX that ends no paragraph."""
    return nodes.inline("", "", latex(code))


def every(root, *kinds):
    """List the nodes of these kinds, so that the tree may change meanwhile."""
    return list(root.findall(lambda node: isinstance(node, kinds)))


def page(node):
    """Return the name of the page that a node was written on."""
    while not isinstance(node, (start_of_file, nodes.document)):
        node = node.parent
    return node["docname"]


def number(env, node, kind):
    """Return the number that a node has on the site, or an empty string."""
    numbers = env.toc_fignumbers.get(page(node), {}).get(kind, {})
    return ".".join(map(str, numbers.get(node["ids"][0], ()) if node["ids"] else ()))


def mend_parents(env, document):
    """Sphinx gives the pages their content, but does not tell the content."""
    for node in every(document, start_of_file):
        node.children, children = [], node.children
        node += children


def leave_out_what_is_folded(env, document):
    for node in every(document, nodes.container):
        for part in set(FOLDED) & set(node["classes"]):
            if FOLDED[part] & set(node.parent["classes"]):
                node.parent.remove(node)


def leave_out_empty_pages(env, document):
    """Leave out a page that holds a title alone, such as the index, which LaTeX makes itself."""
    for node in every(document, start_of_file):
        if len(node.children) == 1 and len(node[0].children) == 1:
            node.parent.remove(node)


def name_printed_equations(env, document):
    """A check prints the label of its equation; here the label becomes the number."""
    names = {
        node["label"]: f"equation ({number(env, node, 'displaymath')})"
        for node in every(document, nodes.math_block)
        if node.get("label")
    }
    for node in every(document, nodes.literal_block):
        if "stream" in node["classes"]:
            text = re.sub(r"\beq-[\w-]+\w", lambda label: names.get(label[0], label[0]), node.astext())
            node.rawsource, node[0] = text, nodes.Text(text)


def keep_short_cells_whole(env, document):
    """Ask for room for a cell of up to 24 lines with what it prints, and for six lines of a longer one."""
    for cell in every(document, nodes.container):
        if "cell" in cell["classes"]:
            blocks = every(cell, nodes.literal_block)
            lines = sum(len(block.astext().splitlines()) + 1 for block in blocks)
            cell.insert(0, latex(rf"\room{{{0.9 * lines if lines <= 24 else 6:.1f}}}"))


def number_as_on_the_site(env, document):
    for node in every(document, nodes.math_block):
        if node.get("label"):
            code = wrap_displaymath(node.astext(), f"equation:{page(node)}:{node['label']}", False)
            tag = rf"\tag{{{number(env, node, 'displaymath')}}}"
            code = code.replace(r"\begin{equation}", rf"\begin{{equation}}{tag}")
            node.replace_self(inline(code))
    for node in every(document, nodes.figure, nodes.table):
        if found := number(env, node, node.tagname):
            node.parent.insert(node.parent.index(node), latex(rf"\renewcommand\the{node.tagname}{{{found}}}"))


def passage(environment, title, label, body):
    """Return an environment with a label, its title run in, and its body without the section around it."""
    inner = [child for part in body for child in (part if isinstance(part, nodes.section) else [part])]
    begin = rf"\begin{{{environment}}}\phantomsection\label{{\detokenize{{{label}}}}}"
    heading = [latex(begin), nodes.paragraph("", "", *title), latex(r"\nopagebreak")]
    return [*heading, *inner, latex(rf"\end{{{environment}}}")]


def set_theorems(env, document):
    for node in every(document, *THEOREMS):
        name = f"{node['realtype'].title()} {number(env, node, node['countertype'])}".strip()
        title = [nodes.strong("", name), nodes.Text(" "), *node[0]]
        node.replace_self(passage("statement", title, f"{page(node)}:{node['label']}", node[1:]))
    for node in every(document, proof_node):
        first, last = node[0][0], node[0][-1]
        first[:1] = [nodes.emphasis("", "Proof."), nodes.Text(first[0].removeprefix("Proof."))]
        (last if isinstance(last, nodes.paragraph) else node[0]).append(inline(r"\qed"))
        node.replace_self(node[0].children)


def set_exercises(env, document):
    """Take the solutions out and return them by page; exercise and solution point to each other."""
    names, solutions = {}, {}
    solved = {node["target_label"] for node in every(document, solution_node)}
    for node in every(document, exercise_node, exercise_enumerable_node):
        label = node["label"]
        names[label] = f"Exercise {number(env, node, 'exercise')}".strip()
        title = [nodes.strong("", names[label]), nodes.Text(" "), *node[0][1:]]
        if label in solved:
            title.append(inline(rf"\seesolution{{solution:{label}}}"))
        node.replace_self(passage("exercise", title, f"exercise:{label}", node[1:]))
    for node in every(document, solution_node):
        label = node["target_label"]
        title = [inline(rf"\seeexercise{{exercise:{label}}}{{{names[label]}}}")]
        home = page(node)
        node.parent.remove(node)
        parts = passage("solution", title, f"solution:{label}", node[1:])
        solutions.setdefault(home, []).extend(parts)
    return solutions


def solutions_chapter(env, solutions):
    chapter = nodes.section("", nodes.title("", "Solutions"), ids=["solutions"])
    for name, parts in solutions.items():
        number = ".".join(map(str, env.toc_secnumbers.get(name, {}).get("", ())))
        prefix = f"Chapter {number}: " if number else ""
        title = nodes.title("", prefix, *env.titles[name].deepcopy())
        section = nodes.section("", title, *parts, ids=["solutions"])
        chapter += start_of_file("", section, docname=name)
    return chapter


def set_bibliography(env, document):
    """Set the entries where they are written; Sphinx would gather them in a chapter behind the last."""
    for node in every(document, nodes.citation):
        target = rf"\hypertarget{{cite.{node['docname']}:{node['ids'][0]}}}{{}}"
        node.replace_self([latex(rf"\begin{{entry}}{target}"), *node[1:], latex(r"\end{entry}")])


def set_parts(env, document, solutions):
    """Make the first page a chapter, each captioned list of pages a part; solutions open the last part."""
    book = every(document, nodes.section)[0]
    lists = [node for node in every(book, nodes.compound) if "toctree-wrapper" in node["classes"]]
    parts = [node for node in lists if page(node) == document["docname"]]
    for part, toc in zip(parts, every(env.get_doctree(document["docname"]), toctree), strict=True):
        part.parent.remove(part)
        depth = 1 if toc.get("numbered") else -2
        title = texescape.escape(toc["caption"], "xelatex")
        part.insert(0, latex(rf"\setcounter{{secnumdepth}}{{{depth}}}\part{{{title}}}"))
    parts[-1].insert(1, [latex(r"\tocdepth{0}"), solutions, latex(r"\tocdepth{1}")])
    preface = nodes.section("", nodes.title("", "About this book"), *book[1:], ids=["about-this-book"])
    book[1:] = [latex(r"\setcounter{secnumdepth}{-2}"), preface, *parts]


class LatexBook(SphinxPostTransform):
    formats = ("latex",)
    default_priority = 700  # titles and references are resolved, the bibliography has not been moved yet

    def run(self):
        for step in (
            mend_parents,
            leave_out_what_is_folded,
            leave_out_empty_pages,
            name_printed_equations,
            keep_short_cells_whole,
            number_as_on_the_site,
            set_theorems,
            set_bibliography,
        ):
            step(self.env, self.document)
        solutions = solutions_chapter(self.env, set_exercises(self.env, self.document))
        set_parts(self.env, self.document, solutions)


def setup(app):
    app.add_post_transform(LatexBook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
