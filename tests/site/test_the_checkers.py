"""A checker that never complains proves nothing: faults are planted in a tiny page, and must be found."""

import importlib.util
from pathlib import Path

import pages
import pytest
from browsing import new_page, serve, visit

PAGE = """<!DOCTYPE html><html lang="en" data-theme="light"><head><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<script>const dark = matchMedia("(prefers-color-scheme: dark)");
dark.onchange = () => (document.documentElement.dataset.theme = dark.matches ? "dark" : "light");</script>
<style>html[data-theme=dark] {{ background: #111; color: #eee }}
a {{ color: inherit }} .wide {{ display: block; width: 900px }} .box {{ overflow-x: auto }}</style>
<script defer src="mathjax/tex-chtml.js"></script></head>
<body><main><article><h1 id="top">A page</h1><p><a href="b.html#here">The next</a> and
<a href="https://elsewhere.invalid/">another</a>: <span class="math">\\(x_1\\)</span></p>
{}</article></main></body></html>"""
NEXT = '<p id="here">Here is the end.</p>'

FILES = {
    pages.broken_links: [
        '<a href="c.html">no such page</a>',
        '<a href="b.html#nowhere">no such place</a>',
        '<a href="#nowhere">no such place</a>',
        '<a href="/b.html">not below the sub-path</a>',
        '<img src="c.png" alt="no such image">',
    ],
    pages.remote_assets: [
        '<script src="https://elsewhere.invalid/a.js"></script>',
        '<img src="//elsewhere.invalid/a.png" alt="an image">',
        '<link rel="stylesheet" href="http://elsewhere.invalid/a.css">',
    ],
    pages.images_without_alt: ['<img src="data:,">', '<img src="data:," alt=" ">'],
}

VISITS = {
    "remote_requests": [
        '<script>fetch("https://elsewhere.invalid/a.json").catch(() => 0)</script>',
        '<style>@import "http://192.0.2.1/a.css";</style>',
    ],
    "broken_requests": ['<script src="c.js"></script>'],
    "console_errors": ["<script>throw Error()</script>", "<script>console.error('no')</script>"],
    "unrendered_equations": [
        '<span class="math">\\(\\frac{1}\\)</span>',
        '<span class="math">\\(\\nosuchcommand x\\)</span>',
        '<span class="math">x_1</span>',
        '<p class="mathjax_ignore tex2jax_ignore">\\(x_1\\)</p>',
    ],
    "too_wide": ['<p class="wide">A long line</p>', '<p style="overflow: hidden"><b class="wide">A</b></p>'],
    "out_of_reach": ['<div class="box"><p class="wide">A long line</p></div>'],
    "cut": ['<div class="box" tabindex="0"><table><tr><td class="wide">A long line</td></tr></table></div>'],
    "small": ['<button style="width: 20px; height: 20px">x</button>', '<a href="b.html">next</a>'],
    "axe_violations": [
        '<p style="color: #999; background: #fff">Too faint</p>',
        "<style>html[data-theme=dark] { color: #555 }</style>",
        "<button></button>",
        '<button aria-label="Find">Search</button>',
    ],
}


def plant(folder, fault):
    """Make a site of two pages, the first with a fault, and return its folder."""
    site = folder / "book"
    site.mkdir()
    (site / "a.html").write_text(PAGE.format(fault), encoding="utf-8")
    (site / "b.html").write_text(PAGE.format(NEXT), encoding="utf-8")
    mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    (site / "mathjax").symlink_to(mathjax)
    return site


def planted(faults):
    return [pytest.param(kind, fault, id=fault[:40]) for kind in faults for fault in faults[kind]]


@pytest.mark.parametrize(("checker", "fault"), planted(FILES))
def test_a_fault_in_the_files_is_found_by_its_checker_alone(checker, fault, tmp_path):
    site = pages.read(plant(tmp_path, fault))
    assert [other for other in FILES if other(site)] == [checker]


def test_a_page_without_fault_passes_every_checker(browser, tmp_path):
    folder = plant(tmp_path, "")
    assert [checker(pages.read(folder)) for checker in FILES] == [[]] * len(FILES)
    with serve(folder) as base, new_page(browser) as page:
        assert visit(page, base, "a.html") == (1, *[[]] * len(VISITS))


@pytest.mark.parametrize(("kind", "fault"), planted(VISITS))
def test_a_fault_that_only_a_browser_shows_is_found(kind, fault, browser, tmp_path):
    with serve(plant(tmp_path, fault)) as base, new_page(browser) as page:
        assert getattr(visit(page, base, "a.html"), kind)
