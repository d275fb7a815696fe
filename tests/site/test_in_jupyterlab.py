"""What `make lab` opens: every chapter in JupyterLab, without a network."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from browsing import new_page
from evidence import CHAPTERS

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMAND = re.search(r"^\t\$\(BIN\)/(jupyter lab.*)$", MAKEFILE, re.M)[1].split()
TOKEN = "gradients"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of sight are not there
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
OPEN = """async (path) => {
  const panel = await jupyterapp.commands.execute("docmanager:open", { path });
  await panel.context.ready;
  const cells = panel.content.widgets, inCell = (selector) =>
    cells.flatMap((cell) => [...cell.node.querySelectorAll(selector)]);
  const waits = (cell) => cell.model.type === "markdown" && !cell.node.querySelector(".myst")?.textContent;
  for (let k = 0; k < 600 && cells.some(waits); k++) await new Promise((done) => setTimeout(done, 100));
  const shown = {
    waiting: cells.flatMap((cell, k) => (waits(cell) ? [k] : [])),
    text: inCell(".myst").map((part) => part.textContent).join("\\n"),
    empty: inCell(".myst a").filter((link) => !link.textContent.trim() || !link.getAttribute("href"))
      .map((link) => link.outerHTML),
    folded: cells.flatMap((cell, k) => (cell.node.querySelector(".jp-InputPlaceholder") ? [k] : [])),
  };
  await panel.context.sessionContext.shutdown();
  panel.close();
  return shown;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Start on a copy of the chapters what `make lab` starts, and give the address."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "chapters", folder / "chapters")
    for name, settings in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(settings), encoding="utf-8")
    own = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    own |= {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    options += ["--no-browser", "--allow-root", "--LabApp.expose_app_in_browser=True"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [Path(sys.executable).parent / COMMAND[0], *COMMAND[1:], *options],
            cwd=folder,
            env=os.environ | {key: str(folder / name) for key, name in own.items()},
            stdout=log,
            stderr=log,
        )
        try:
            yield wait_for(f"http://127.0.0.1:{port}/", server, folder / "log")
        finally:
            server.terminate()
            server.wait(30)


def wait_for(address, server, log):
    for _ in range(300):
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            urlopen(f"{address}api?token={TOKEN}").close()
            return address
        except URLError:
            time.sleep(0.2)
    raise TimeoutError(log.read_text()[-2000:])


def test_jupyterlab_shows_every_chapter_with_words_for_roles_and_evidence_folded(browser, lab):
    remote = []
    with new_page(browser) as page:
        page.on("request", lambda request: remote.append(request.url))
        page.goto(f"{lab}lab?token={TOKEN}")
        page.wait_for_function("window.jupyterapp?.restored.then(() => true)", timeout=60_000)
        for name, notebook in CHAPTERS.items():
            shown = page.evaluate(OPEN, f"{name}.ipynb")
            assert shown["waiting"] == [], name
            assert re.findall(r"\{[\w:-]+\}`.*|:::.*", shown["text"]) == [], name
            assert shown["empty"] == [], name
            hidden = [k for k, cell in enumerate(notebook.cells) if "jupyter" in cell.metadata]
            assert shown["folded"] == hidden, name
    assert [url for url in remote if not url.startswith((lab, "data:", "blob:"))] == []
