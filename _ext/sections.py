"""The search finds sections, not pages: this is their index, and search.js looks them up.

A section is what has an address: a heading, a theorem, an exercise, a term of the glossary, a statement of
the notes, a name of the library, a source. Code and what it prints, displayed equations and solutions, which
are folded, are left out.
"""

import re
import unicodedata
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.search import IndexBuilder

LEFT_OUT = (nodes.Invisible, nodes.literal_block, nodes.math_block, nodes.raw)
LEFT_OUT += (addnodes.desc_signature, addnodes.toctree)
# what commands of TeX look like in a line of text, beside Greek letters; others vanish
NAMES = "dots ldots cdots cdot times odot le ge partial to approx infty ne in sum sqrt"
SIGNS = dict(zip(NAMES.split(), "……⋯·×⊙≤≥∂→≈∞≠∈∑√", strict=True))
SIGNS |= {name: name for name in ("tanh", "max", "min", "log", "exp", "cos", "sin", "det")}


def sign(command):
    name, space = command[1].removeprefix("var"), command[2]
    greek = f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER {name.replace('mbd', 'md')}"
    try:
        found = SIGNS.get(name) or unicodedata.lookup(greek)
    except KeyError:
        return ""
    return found + space * (found not in "∂√")


def formula(tex):
    """Return a formula as a line of text can hold it, such as δ_t, h_(t-1), ŷ or 1/2."""
    tex = re.sub(r"\\[td]?frac ?(?:\{([^{}]*)\}|(.))(?:\{([^{}]*)\}|(.))", r"\1\2/\3\4", tex)
    tex = re.sub(r"\\hat ?\{?(\w)\}?", "\\1\u0302", tex.replace(r"\mathsf T", "T").replace(r"\|", "‖"))
    tex = re.sub(r"([_^])\{([^(){}\\]*[^(){}\\\w][^(){}\\]+)\}", r"\1(\2)", tex)
    tex = re.sub(r"\\([A-Za-z]+)( ?)", sign, re.sub(r"\\[^A-Za-z]", " ", tex))
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", tex))


def plain(node):
    """Return the text of a node in one line."""
    if isinstance(node, nodes.math):
        return formula(node.astext())
    if isinstance(node, nodes.Text):
        return re.sub(r"\s+", " ", node.astext())
    return "".join(plain(child) for child in node.children if not isinstance(child, LEFT_OUT))


def headed(node):
    """Return the address and the title of a node that is a section, None of any other."""
    first = node.children[0] if node.children else None
    if isinstance(node, addnodes.desc) or "claim" in node["classes"]:
        names = [name for part in node.children for name in part["ids"]]
        kind = "Statement " if "claim" in node["classes"] else ""
        rest = [name.rpartition(".")[2] for name in names[1:]]
        return (names[0], kind + ", ".join([names[0], *rest])) if names else None
    if not isinstance(first, nodes.title | nodes.term | nodes.label) or not (node["ids"] or first["ids"]):
        return None
    kind = node.get("realtype") or ("exercise" if "exercise" in node["classes"] else "")
    title = plain(first).strip()
    return (node["ids"] or first["ids"])[0], f"{kind.capitalize()}: {title.strip('()')}" if kind else title


def gather(node, section, found):
    """Add the texts in a node to a section, [address, title, texts, weight], and new sections to `found`."""
    if isinstance(node, LEFT_OUT) or "solution" in node["classes"]:
        return
    if isinstance(node, nodes.bullet_list) and "claim" in node.parent["classes"]:
        return  # what the checks printed
    if isinstance(node, nodes.TextElement):
        section[2].append(plain(node))
        return
    head = headed(node)
    if head:
        weight = 0.5 if isinstance(node, nodes.citation) else 0.8 if isinstance(node, addnodes.desc) else 1
        section = [*head, [], weight]
        found.append(section)
    for child in node.children[1 if head else 0 :]:
        gather(child, section, found)


class Sections(IndexBuilder):
    """Sphinx's index, with sections in the place of words."""

    def __init__(self, env):
        super().__init__(env, "en", {}, str(Path(__file__).with_name("search.js")))
        self.found = {}

    def feed(self, docname, filename, title, doctree):
        found = []
        gather(doctree, ["", "", []], found)
        found[0][0] = ""  # the page itself
        if docname == self.env.config.root_doc:
            found = found[:1]  # what follows is a table of contents
        self.found[docname] = [[where, head, " ".join(texts), weight] for where, head, texts, weight in found]

    def freeze(self):
        return {"envversion": self.env.version, "pages": self.found}

    def load(self, stream, format):
        frozen = format.load(stream)
        if frozen["envversion"] != self.env.version:
            raise ValueError("old format")
        self.found = frozen["pages"]

    def prune(self, docnames):
        self.found = {name: self.found[name] for name in docnames if name in self.found}


class Html(StandaloneHTMLBuilder):
    def load_indexer(self, docnames):
        self.indexer = Sections(self.env)
        super().load_indexer(docnames)


def setup(app):
    app.add_builder(Html, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
