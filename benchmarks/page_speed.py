"""Time from navigation to the last formula, on the longest chapter: this book against two stock pages.

The same notebooks are built three times: as this book; by Jupyter Book with its own settings; and by Sphinx
with mxtheme, the theme of d2l.ai. The stock pages ask cdn.jsdelivr.net for MathJax. Here every request, of
all three, is answered from the disk in the same way, so no network is in the times: in their favour.

    .venv/bin/pip install --no-deps --no-build-isolation mxtheme==0.3.17
    .venv/bin/python benchmarks/page_speed.py
"""

import importlib.util
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import yaml
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 9
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MATHJAX = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
STOCK = {
    "title": "Gradients Through Time",
    "execute": {"execute_notebooks": "off"},
    "only_build_toc_files": True,
    "parse": {"myst_enable_extensions": ["colon_fence", "dollarmath"]},
    "bibtex_bibfiles": ["chapters/references.bib"],
    "sphinx": {"extra_extensions": ["sphinx_proof", "sphinx_exercise"]},
}
D2L = STOCK | {
    "sphinx": {
        **STOCK["sphinx"],
        "config": {
            "html_theme": "mxtheme",
            "html_theme_options": {"primary_color": "blue", "accent_color": "deep_orange"},
        },
    },
}
# MathJax typesets all formulas and puts them on the page as it goes; the last one counts.
WATCH = """new MutationObserver((changes) => {
  if (changes.some((change) => [...change.addedNodes].some((node) => node.nodeName == "MJX-CONTAINER")))
    window.lastFormula = performance.now();
}).observe(document, { childList: true, subtree: true });"""


def build(source, folder):
    command = [Path(sys.executable).parent / "jupyter-book", "build", source, "--path-output", folder, "-q"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "_build" / "html"


def build_stock(folder, config):
    shutil.copytree(ROOT / "chapters", folder / "chapters")
    shutil.copy(ROOT / "_toc.yml", folder)
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return build(folder, folder)


def measure(browser, site, page):
    """Load a page with an empty cache; return milliseconds to the last formula, formulas and requests."""
    requests = []

    def answer(route):
        address = urlsplit(route.request.url)
        requests.append(address)
        is_mathjax = address.netloc == "cdn.jsdelivr.net"
        parts = address.path.split("/es5/")[-1] if is_mathjax else address.path[1:]
        file = (MATHJAX if is_mathjax else site) / parts
        if file.is_file():
            route.fulfill(path=file)
        else:
            route.abort()

    context = browser.new_context()
    context.route("**/*", answer)
    opened = context.new_page()
    opened.add_init_script(WATCH)
    opened.goto(f"http://book.invalid/{page}")
    opened.evaluate("() => MathJax.startup.promise")
    time, formulas = opened.evaluate(
        "() => [window.lastFormula, document.querySelectorAll('mjx-container').length]"
    )
    context.close()
    return time, formulas, len(requests)


def length(notebook):
    return sum(len(cell.source) for cell in nbformat.read(notebook, as_version=4).cells)


def main():
    longest = max(ROOT.glob("chapters/*.ipynb"), key=length)
    page = f"chapters/{longest.stem}.html"
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        folders = [Path(folder) / name for name in ("ours", "stock", "d2l")]
        sites = {
            "this book": build(ROOT, folders[0]),
            "Jupyter Book, stock": build_stock(folders[1], STOCK),
            "Sphinx with mxtheme, as d2l.ai": build_stock(folders[2], D2L),
        }
        browser = driver.chromium.launch(executable_path=next(filter(None, map(shutil.which, BROWSERS))))
        runs = {name: [] for name in sites}
        for _ in range(ROUNDS):
            for name, site in sites.items():
                runs[name].append(measure(browser, site, page))
        browser.close()
    medians = {name: statistics.median(time for time, _, _ in seen) for name, seen in runs.items()}
    ours = medians["this book"]
    print(f"{page}, milliseconds to the last formula, median of {ROUNDS} interleaved runs with empty cache")
    for name, seen in runs.items():
        times = sorted(time for time, _, _ in seen)
        _, formulas, requests = seen[0]
        print(
            f"{name:31} {medians[name]:6.0f}  ({times[0]:.0f} to {times[-1]:.0f}), "
            f"{medians[name] / ours:.2f} of ours; {formulas} formulas, {requests} requests"
        )


if __name__ == "__main__":
    main()
