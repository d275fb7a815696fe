"""The generated appendices: what the notes say and what the checks found, the theorems, and the library."""

import re
from itertools import groupby

from docutils import nodes
from evidence import CHAPTERS, CLAIMS, coverage, evidence, summary, text
from pybtex.plugin import register_plugin
from pybtex.richtext import Tag, Text
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from sphinx.addnodes import pending_xref
from sphinx.roles import XRefRole
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode
from sphinx.util.rst import escape

VERDICTS = ("correct", "correct under conditions", "imprecise", "wrong", "omission")
UNTOUCHED = (nodes.literal, nodes.FixedTextElement, nodes.math, nodes.reference, nodes.title, pending_xref)


class Verdicts(SphinxDirective):
    """Count the verdicts by note, and let the reader choose one."""

    def run(self):
        rows = ["| verdict | note A | note B | note C | all |", "|---|--:|--:|--:|--:|"]
        for verdict in (*VERDICTS, "all"):
            found = [item for item, claim in CLAIMS.items() if verdict in (claim["verdict"], "all")]
            counts = [sum(item[0] in notes for item in found) for notes in ("A", "B", "C", "ABC")]
            rows.append(f"| {verdict} | " + " | ".join(map(str, counts)) + " |")
        choices = "".join(
            f'<label><input type="radio" name="verdict" autocomplete="off" value="{slug(verdict)}"'
            f"{' checked' if verdict == 'all' else ''}> {verdict}</label> "
            for verdict in ("all", *VERDICTS)
        )
        field = f'<fieldset class="claim-choice"><legend>Show</legend>{choices}</fieldset>'
        return [*self.parse_text_to_nodes("\n".join(rows)), nodes.raw("", field, format="html")]


class Claims(SphinxDirective):
    """Show the statements of the note whose letter is given, with what the checks of the chapters printed."""

    required_arguments = 1

    def run(self):
        self.env.note_reread()  # the notebooks may have changed
        return [self.claim(item) for item in CLAIMS if item[0] == self.arguments[0]]

    def claim(self, item):
        claim, found = CLAIMS[item], []
        for _, group in groupby(evidence(item), key=lambda line: (line.chapter, line.heading)):
            group = list(group)
            printed = "\\\n  ".join(shown(line) for line in group)
            found.append(f"- {{cell}}`{group[0].chapter}:{group[0].cell}`\\\n  {printed}")
        code = nodes.strong("", "", nodes.reference("", item, refid=item))
        head = nodes.paragraph("", "", code, nodes.Text(" "))
        head += nodes.inline("", claim["verdict"], classes=["verdict"])
        parts = [self.parse_text_to_nodes(part) for part in (claim["statement"], claim["correction"])]
        return nodes.container(
            "",
            nodes.target("", "", ids=[item]),
            head,
            nodes.block_quote("", *parts[0]),
            *parts[1],
            *self.parse_text_to_nodes("\n".join(found)),
            classes=["claim", slug(claim["verdict"])],
        )


class Theorems(SphinxDirective):
    """List the definitions and theorems of the chapters."""

    def run(self):
        self.env.note_reread()
        found = []
        for name in CHAPTERS:
            for title, label in re.findall(r":::\{prf:\w+\} ?(.*)\n:label: (\S+)", text(name)):
                found.append(f"- {{prf:ref}}`{label}`. {title}, in [](/chapters/{name}.ipynb)")
        return self.parse_text_to_nodes("\n".join(found))


class Coverage(SphinxDirective):
    """Show per chapter what there is to verify and what is verified."""

    def run(self):
        self.env.note_reread()
        counts = coverage()
        columns = list(next(iter(counts.values())))
        rows = ["| chapter | " + " | ".join(columns) + " |", "|---" + "|--:" * len(columns) + "|"]
        for name, count in counts.items():
            rows.append(
                f"| [](/chapters/{name}.ipynb) | " + " | ".join(str(count[c]) for c in columns) + " |"
            )
        return self.parse_text_to_nodes("\n".join([f"{summary().capitalize()}.", "", *rows]))


def slug(verdict):
    return verdict.replace(" ", "-")


def shown(line):
    """Return a printed line in Markdown, with its equations as links and without the codes of statements."""
    parts = [
        f"equation {{eq}}`{part}`" if part.startswith("eq-") else quoted(part)
        for part in line.label
        if part not in CLAIMS
    ]
    return " ".join([line.mark, *([", ".join(parts), "·"] if parts else []), quoted(line.how)])


def quoted(words):
    return re.sub(r"([\\`*_{}\[\]<>$|#~^])", r"\\\1", words)


def link_claims(app, doctree):
    """Turn the code of a statement, wherever it stands in a text, into a link to the statement."""
    for words in list(doctree.findall(nodes.Text)):
        ancestors, above = [], words.parent
        while above is not None:
            ancestors.append(above)
            above = above.parent
        pieces = re.split(r"\b([ABC]\d+)\b", words)
        if len(pieces) == 1 or any(isinstance(above, UNTOUCHED) for above in ancestors):
            continue
        new = [nodes.Text(piece) for piece in pieces]
        for k in range(1, len(pieces), 2):
            if pieces[k] in CLAIMS:
                options = {
                    "reftype": "claim",
                    "reftarget": pieces[k],
                    "refdomain": "",
                    "refdoc": app.env.docname,
                }
                new[k] = pending_xref("", nodes.inline("", pieces[k]), **options)
        words.parent.replace(words, new)


def resolve(app, env, node, content):
    """Resolve a link to a statement of the notes, or to the section of a chapter that holds a cell."""
    here, target = node["refdoc"], node["reftarget"]
    if node["reftype"] == "claim":
        return make_refnode(app.builder, here, "chapters/claims", target, content)
    if node["reftype"] != "cell":
        return None
    chapter, cell = target.split(":")
    document = f"chapters/{chapter}"
    for box in env.get_doctree(document).findall(nodes.container):
        if box.get("cell_index") == int(cell):
            while not (isinstance(box, nodes.section) and box["names"]):
                box = box.parent
            title = [child.deepcopy() for child in env.titles[document].children]
            if isinstance(box.parent, nodes.section):
                title += [nodes.Text(": "), *(child.deepcopy() for child in box[0].children)]
            return make_refnode(app.builder, here, document, box["ids"][0], title)
    return None


def describe(app, what, name, obj, options, lines):
    """Turn a docstring, which is plain text with `code` and [citations], into reStructuredText."""
    for k, block in enumerate(blocks := "\n".join(lines).strip().split("\n\n")):
        rows = block.split("\n")
        if all(row.startswith("    ") for row in rows):
            blocks[k] = "::\n\n" + block
        else:
            listed = all(re.match(r"\w+: ", row) for row in rows)
            blocks[k] = "\n".join(("| " if listed else "") + plain(row) for row in rows)
    lines[:] = [*"\n\n".join(blocks).split("\n"), ""]


def plain(row):
    pieces = re.split(r"(`[^`]+`|\[[a-z]+\d{4}\]|\*\w[\w ]*\w\*)", row)
    for k, piece in enumerate(pieces):
        if k % 2 == 0:
            pieces[k] = escape(piece)
        elif piece[0] == "`":
            pieces[k] = f"`{piece}`"
        elif piece[0] == "[":
            pieces[k] = f":cite:p:`{piece[1:-1]}`"
    return "".join(pieces)


def leave_out_fields(app, what, name, obj, skip, options):
    """The fields of a NamedTuple stand in its signature and its docstring."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def name_functions(app, what, name, obj, options, signature, returns):
    """Show a function that is a default by its name alone."""
    return signature and re.sub(r"<function (\w+)>", r"\1", signature), returns


class Keys(BaseLabelStyle):
    """Label an entry by its key, as the library's docstrings cite it."""

    def format_labels(self, sorted_entries):
        return [entry.key for entry in sorted_entries]


class Annotated(Unsorted):
    """The style of the bibliography: an entry is followed by its `annotation`."""

    default_sorting_style, default_label_style = "author_year_title", "keys"

    def format_entry(self, label, entry, bib_data=None):
        entry_text = super().format_entry(label, entry, bib_data)
        entry_text.text = Text(entry_text.text, " ", Tag("em", Text.from_latex(entry.fields["annotation"])))
        return entry_text


def add_buttons(app, pagename, templatename, context, doctree):
    """Add the buttons of the notation card and, on a page with code, of the evidence."""
    button = {"type": "link", "url": context["pathto"]("chapters/notation"), "icon": "fas fa-subscript"}
    context["header_buttons"].append(button | {"tooltip": "Notation", "label": "notation"})
    if context.get("page_source_suffix") == ".ipynb":
        button = {"type": "javascript", "javascript": "toggleEvidence()", "icon": "fas fa-check-double"}
        words = "Unfold the evidence: the code of all checks"
        context["header_buttons"].append(button | {"tooltip": words, "label": "evidence"})


def setup(app):
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.viewcode"):
        app.setup_extension(extension)
    register_plugin("pybtex.style.formatting", "annotated", Annotated)
    register_plugin("pybtex.style.labels", "keys", Keys)
    app.add_directive("verdicts", Verdicts)
    app.add_directive("claims", Claims)
    app.add_directive("theorems", Theorems)
    app.add_directive("coverage", Coverage)
    app.add_role("cell", XRefRole(innernodeclass=nodes.inline))
    app.connect("doctree-read", link_claims)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", describe)
    app.connect("autodoc-skip-member", leave_out_fields)
    app.connect("autodoc-process-signature", name_functions)
    app.connect("html-page-context", add_buttons, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
