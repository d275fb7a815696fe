"""What the files of a site say without a browser; a checker returns its faults, one line for each."""

import posixpath
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

ADDRESSES = ("href", "src", "action", "data", "poster")


class Link(NamedTuple):
    """A tag with an address: the tag's name, and the address as it is written."""

    tag: str
    address: str


class Site(NamedTuple):
    """A folder, and its parsed pages by their paths in the folder."""

    folder: Path
    pages: dict


def read(folder):
    """Parse all pages of a site; what themes keep in _static are not pages."""
    paths = [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]
    return Site(
        folder,
        {
            str(path.relative_to(folder)): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
            for path in paths
        },
    )


def links(page):
    """List what a page links to or loads, also where its meta refresh leads."""
    found = [Link(tag.name, tag[key]) for key in ADDRESSES for tag in page.find_all(attrs={key: True})]
    for tag in page.find_all("meta", attrs={"http-equiv": "Refresh"}):
        found.append(Link("meta", tag["content"].partition("url=")[2]))
    return found


def is_remote(address):
    """Say whether an address names another host, or a program such as mail."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def target(path, address):
    """Return the file that an address on the page `path` means, and the fragment."""
    parts = urlsplit(address)
    file = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path)))
    return (file if parts.path else path), unquote(parts.fragment)


def broken_links(site):
    """List the links that stay in the site and lead to no file or to no place on its page."""
    places = {
        path: {tag[key] for key in ("id", "name") for tag in page.find_all(attrs={key: True})}
        for path, page in site.pages.items()
    }
    faults = []
    for path, page in site.pages.items():
        for link in links(page):
            if is_remote(link.address) or link.address.startswith("data:"):
                continue
            file, fragment = target(path, link.address)
            # an absolute path leaves a site that lies below a sub-path
            found = not file.startswith(("/", "..")) and (site.folder / file).is_file()
            if not found or (fragment and fragment not in places.get(file, ())):
                faults.append(f"{path}: {link.address}")
    return faults


def remote_assets(site):
    """List the addresses of other hosts that are not mere links."""
    return [
        f"{path}: <{link.tag}> {link.address}"
        for path, page in site.pages.items()
        for link in links(page)
        if link.tag != "a" and is_remote(link.address)
    ]


def images_without_alt(site):
    """List the images without an alt text; outside the text it may be empty, for decoration."""
    return [
        f"{path}: {str(image)[:80]}"
        for path, page in site.pages.items()
        for image in page.find_all("img")
        if image.get("alt") is None or (image.find_parent("article") and not image["alt"].strip())
    ]


def step(site, path, direction):
    """Return the page that "next" or "prev" leads to, None at the end."""
    button = site.pages[path].select_one(f".prev-next-area a.{direction}")
    return target(path, button["href"])[0] if button else None


def reading_order(site):
    """List the pages from the first to the last, by "next"."""
    (start,) = (link.address for link in links(site.pages["index.html"]) if link.tag == "meta")
    order = [start]
    while (path := step(site, order[-1], "right-next")) and path not in order:
        order.append(path)
    return order


def contents(site):
    """Return the pages that the table of contents of the first page lists, and the first page."""
    start = reading_order(site)[0]
    listed = site.pages[start].select(".bd-docs-nav a.internal")
    return {start} | {target(start, link["href"])[0] for link in listed}


def notebooks(site):
    """Map each page that offers a notebook to the file it offers."""
    offered = {}
    for path, page in site.pages.items():
        for link in page.select("a.btn-download-source-button"):
            if link["href"].endswith(".ipynb"):
                offered[path] = site.folder / target(path, link["href"])[0]
    return offered


def weight(site, path):
    """Return the bytes of a page and of the images that only pages have."""
    images = {target(path, image["src"])[0] for image in site.pages[path].select('img[src*="_images/"]')}
    return sum((site.folder / file).stat().st_size for file in {path, *images})
