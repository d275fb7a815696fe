"""What Jupyter Book has no option for: a site that asks no other host for anything, and figures to open.

MathJax is copied into the site from the package sphinx-mathjax-offline (MathJax 3.2.2); the scripts of
sphinx-thebe, which name another host, and the maps of the theme's sources are left out.
"""

import importlib.util
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.util.osutil import relative_uri

# what tex-chtml.js loads at run time, and no more: a third of the package
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions", "a11y", "ui", "sre")


def use_own_mathjax(app, config):
    config.mathjax_path = "mathjax/tex-chtml.js"


def copy_mathjax(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    source = Path(package.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in MATHJAX:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            shutil.copy2(source / part, target / part)


def drop_source_maps(app, exception):
    """Leave out what only those need who mend the theme's scripts: an eighth of the site."""
    for path in Path(app.outdir, "_static").rglob("*.map"):
        path.unlink()


def drop_thebe(app, pagename, templatename, context, doctree):
    def is_thebe(asset):
        body = getattr(asset, "attributes", {}).get("body", "")
        return "thebe" in f"{getattr(asset, 'filename', asset)} {body}".lower()

    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context.get(kind, []) if not is_thebe(asset)]


def link_figures(app, doctree, docname):
    """Let a tap on a figure open its file, whose letters can be read on a phone."""
    if app.builder.format != "html":
        return
    folder = relative_uri(app.builder.get_target_uri(docname), app.builder.imagedir)
    for image in list(doctree.findall(nodes.image)):
        file = app.env.images[image["uri"]][1]
        link = nodes.reference("", "", internal=True, refuri=f"{folder}/{file}")
        image.replace_self(link)
        link += image


def setup(app):
    app.connect("config-inited", use_own_mathjax)
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", drop_source_maps, priority=900)
    app.connect("doctree-resolved", link_figures)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
