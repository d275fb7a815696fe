"""A site served below a sub-path of localhost, and a browser that reaches no other host."""

import shutil
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
PROBES = (Path(__file__).parent / "probes.js").read_text(encoding="utf-8")
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SMALL_PHONE = {"width": 320, "height": 568}


class Visit(NamedTuple):
    """What one visit to a page shows: the number of equations, and lists of faults."""

    equations: int
    remote_requests: list
    broken_requests: list
    console_errors: list
    unrendered_equations: list
    too_wide: list
    out_of_reach: list
    cut: list
    small: list
    axe_violations: list


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Say nothing: a request that fails is a fault of a visit."""


@contextmanager
def serve(folder):
    """Serve a folder, below a sub-path that is its name, and give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder.parent)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{folder.name}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def open_browser():
    """Start Chromium; every host but localhost is as good as not there."""
    blocked = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=BROWSER, args=[blocked])


@contextmanager
def new_page(browser, **options):
    """Open a page in a context of its own."""
    context = browser.new_context(viewport=DESKTOP, **options)
    context.add_init_script(PROBES)
    yield context.new_page()
    context.close()


def go(page, address):
    """Load a page and wait until its scripts have done what they do by themselves."""
    page.goto(address)
    page.evaluate("probes.settle()")


def axe_violations(page, **options):
    """List what axe-core finds in the page as it stands."""
    named = {"label-content-name-mismatch": {"enabled": True}}  # axe leaves it off
    options |= {"resultTypes": ["violations"], "preload": False}
    options["rules"] = named | options.get("rules", {})
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:120]}" for rule in found for node in rule["nodes"]
    ]


def visit(page, base, path):
    """Look at one page of the site at `base`: light and dark, desktop and phone, everything unfolded."""
    remote, broken, errors = [], [], []

    def heard(request):
        if not request.url.startswith((base, "data:", "blob:")):
            remote.append(request.url)

    def answered(response):
        if response.status >= 400:
            broken.append(f"{response.status} {response.url}")

    def said(message):
        if message.type == "error":
            errors.append(f"{message.text} {message.location['url']}")

    listeners = {
        "request": heard,
        "requestfailed": lambda request: broken.append(f"{request.failure} {request.url}"),
        "response": answered,
        "console": said,
        "pageerror": lambda error: errors.append(str(error)),
    }
    for event, listener in listeners.items():
        page.on(event, listener)
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")
    go(page, base + path)
    page.evaluate("probes.unfold()")
    equations = page.locator(".math").count()
    unrendered = page.evaluate("probes.unrendered()")
    on_phones = {"tooWide": [], "outOfReach": [], "cut": [], "small": []}
    for phone in (SMALL_PHONE, PHONE):
        page.set_viewport_size(phone)
        page.evaluate("probes.settle()")
        for probe, found in on_phones.items():
            found += [f"{phone['width']}: {fault}" for fault in page.evaluate(f"probes.{probe}()")]
    page.evaluate("probes.thin()")
    no_colours = {"color-contrast": {"enabled": False}}  # the slowest rule; a phone has the same colours
    violations = [f"phone: {fault}" for fault in axe_violations(page, rules=no_colours)]
    page.set_viewport_size(DESKTOP)
    violations += [f"light: {fault}" for fault in axe_violations(page)]
    page.emulate_media(color_scheme="dark")
    page.evaluate("probes.settle()")
    violations += [f"dark: {fault}" for fault in axe_violations(page)]
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    return Visit(equations, remote, broken, errors, unrendered, *on_phones.values(), violations)
