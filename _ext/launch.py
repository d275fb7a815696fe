"""Buttons that run a chapter elsewhere or lead to its source, each only where it leads somewhere.

`repository: url` of _config.yml turns on repository, edit, issue, Binder and Colab; `make lite`, which
builds the chapters for the browser beside the book, sets LITE.
"""

import os

WITH_JAX = ("chapters/real_frameworks",)  # which has no build for the browser


def need_an_address(app, config):
    options = config.html_theme_options
    for kind in ("repository", "edit_page", "issues"):
        options[f"use_{kind}_button"] = bool(options["repository_url"])
    if not options["repository_url"]:
        options["launch_buttons"] = {}


def run_in_the_browser(app, pagename, templatename, context, doctree):
    chapter = context.get("page_source_suffix") == ".ipynb" and pagename not in WITH_JAX
    if "LITE" in os.environ and chapter:
        button = {
            "type": "link",
            "url": f"{context['pathto']('lite/lab/index.html', 1)}?path={pagename}.ipynb",
            "text": "",
            "tooltip": "Run in the browser",
            "icon": "fas fa-play",
            "label": "run-in-the-browser-button",
        }
        context["header_buttons"].insert(0, button)


def setup(app):
    app.connect("config-inited", need_an_address)
    app.connect("html-page-context", run_in_the_browser, priority=502)  # the theme's own buttons are 501
    return {"parallel_read_safe": True, "parallel_write_safe": True}
