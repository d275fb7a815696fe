"""What those see who come from outside: descriptions, addresses that last, a map of the site.

`html: baseurl` of _config.yml, the public address, turns on what needs one: sitemap.xml, robots.txt, and the
address and the picture of a page that is shared.
"""

import re
from html import escape
from pathlib import Path

from docutils import nodes
from sections import plain

LONG = 300  # a description takes whole sentences up to so many characters, and at least one
PICTURE = "_static/journey.png"


def description(doctree):
    """Return the first sentences of a page: the question, and as much of the answer as there is room for."""
    title = next(doctree.findall(nodes.title))
    paragraphs = [plain(node) for node in title.parent.children if isinstance(node, nodes.paragraph)]
    text = ""
    for sentence in re.split(r"(?<=[.?!]) ", " ".join(paragraphs)):
        if text and len(text) + len(sentence) > LONG:
            break
        text += f" {sentence}"
    return text.strip()


def head(app, pagename, title, words):
    """Return the tags that describe a page to a search engine, and to those whom its link is sent."""
    tags = {"og:title": title, "og:description": words, "og:site_name": app.config.html_title}
    tags["og:type"] = "website" if pagename == app.config.root_doc else "article"
    if address := app.config.html_baseurl.rstrip("/"):
        tags |= {"og:url": f"{address}/{pagename}.html", "og:image": f"{address}/{PICTURE}"}
    lines = [f'<meta property="{name}" content="{escape(text)}" />' for name, text in tags.items()]
    return "\n".join([f'<meta name="description" content="{escape(words)}" />', *lines])


def describe(app, pagename, templatename, context, doctree):
    if doctree is not None:
        title, words = plain(next(doctree.findall(nodes.title))), description(doctree)
    else:
        title = re.sub("<[^>]*>", "", context.get("title") or app.config.html_title)
        words = description(app.env.get_doctree(app.config.root_doc))
    context["metatags"] = context.get("metatags", "") + "\n" + head(app, pagename, title, words)


def link_numbered(app, doctree, docname):
    """Give theorems and exercises a link to themselves, and take from their contents an id that all share."""
    for node in doctree.findall(nodes.Admonition) if app.builder.format == "html" else ():
        for part in node.children:
            if isinstance(part, nodes.section):
                part["ids"] = []
        if {"proof", "exercise"} & set(node["classes"]) and node.get("label"):
            words = f"Link to this {node.get('realtype', 'exercise')}"
            link = f'<a class="headerlink" href="#{node["ids"][0]}" title="{words}">#</a>'
            node[0].append(nodes.raw("", link, format="html"))


def place(app, exception):
    """Write what lies beside the pages: the way from the site's own address, and the map of the site."""
    if exception is not None or app.builder.name != "html":
        return
    root, out, title = app.config.root_doc, Path(app.outdir), app.config.html_title
    lines = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" /><title>{title}</title>
<meta http-equiv="Refresh" content="0; url={root}.html" />
{head(app, root, title, description(app.env.get_doctree(root)))}
</head><body><a href="{root}.html">{title}</a></body></html>
"""
    (out / "index.html").write_text(lines, encoding="utf-8")
    if address := app.config.html_baseurl.rstrip("/"):
        pages = "".join(
            f"<url><loc>{address}/{name}.html</loc></url>\n" for name in sorted(app.env.found_docs)
        )
        space = "http://www.sitemaps.org/schemas/sitemap/0.9"
        lines = f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="{space}">\n{pages}</urlset>\n'
        (out / "sitemap.xml").write_text(lines, encoding="utf-8")
        lines = f"User-agent: *\nAllow: /\nSitemap: {address}/sitemap.xml\n"
        (out / "robots.txt").write_text(lines, encoding="utf-8")


def setup(app):
    app.connect("html-page-context", describe)
    app.connect("doctree-resolved", link_numbered)
    app.connect("build-finished", place, priority=100)  # at 500 a mere redirection would be written
    return {"parallel_read_safe": True, "parallel_write_safe": True}
