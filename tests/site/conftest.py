import os
import subprocess
import sys
from pathlib import Path

import pages
import pytest
from browsing import BROWSER, open_browser, serve

ROOT = Path(__file__).resolve().parents[2]


def build(folder, seed="0"):
    """Build the book outside the checkout, as `make book` does, and return the folder of the site."""
    command = [Path(sys.executable).parent / "jupyter-book", "build", ROOT, "--path-output", folder]
    same = {"SOURCE_DATE_EPOCH": "1795219200", "PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, "-W", "-n", "--keep-going"],
        env={key: value for key, value in os.environ.items() if key != "LITE"} | same,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return folder / "_build" / "html"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the site, built once for each worker."""
    return build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def parsed(site):
    return pages.read(site)


@pytest.fixture(scope="session")
def again(tmp_path_factory):
    """The same site, built a second time, by a Python that orders its sets in another way."""
    return build(tmp_path_factory.mktemp("again"), seed="1")


@pytest.fixture(scope="module")
def browser():
    """Chromium; closed with its module, since notebooks that run later need the event loop."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is installed")
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def base(site):
    """The address of the site on localhost."""
    with serve(site) as address:
        yield address
