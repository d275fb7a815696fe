"""What the files of the site promise, without a browser."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import launch
import nbformat
import outside
import pages
import pytest
import yaml

MB = 1e6


def test_every_internal_link_and_anchor_leads_somewhere(parsed, record_property):
    found = pages.broken_links(parsed)
    count = sum(len(pages.links(page)) for page in parsed.pages.values())
    record_property("shown", f"site: {len(parsed.pages)} pages, {count} links, {len(found)} broken")
    assert found == []


def test_other_hosts_are_linked_to_and_never_loaded_from(parsed):
    assert pages.remote_assets(parsed) == []


def test_every_image_has_an_alt_text(parsed):
    assert pages.images_without_alt(parsed) == []


def test_every_figure_is_a_link_to_its_file(parsed):
    figures = [image for page in parsed.pages.values() for image in page.select("figure img[src*=_images]")]
    assert len(figures) > 20
    assert all(image.parent.name == "a" and image.parent["href"] == image["src"] for image in figures)


def test_next_and_previous_go_through_all_pages(parsed):
    order = pages.reading_order(parsed)
    assert set(order) == pages.contents(parsed)
    assert [pages.step(parsed, path, "left-prev") for path in order] == [None, *order[:-1]]


def test_every_page_that_has_a_source_is_read_in_order(parsed):
    sources = [path.relative_to(parsed.folder / "_sources") for path in parsed.folder.glob("_sources/**/*.*")]
    assert {str(path.with_suffix(".html")) for path in sources} == set(pages.reading_order(parsed))


def test_every_chapter_offers_its_notebook_and_the_notebook_is_valid(parsed):
    offered = pages.notebooks(parsed)
    assert set(offered.values()) == set(parsed.folder.glob("_sources/**/*.ipynb"))
    for notebook in offered.values():
        nbformat.validate(nbformat.read(notebook, as_version=4))


def test_the_site_has_at_most_30_mb_and_a_page_at_most_1_mb(parsed, record_property):
    total = sum(file.stat().st_size for file in parsed.folder.rglob("*") if file.is_file())
    heaviest = max(pages.weight(parsed, path) for path in parsed.pages)
    record_property("shown", f"site: {total / MB:.1f} MB, heaviest page {heaviest / MB:.2f} MB")
    assert total <= 30 * MB
    assert heaviest <= 1 * MB


def test_two_builds_give_the_same_bytes(site, again):
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (site, again)
    )
    assert first.keys() == second.keys()
    assert [str(path) for path in first if first[path] != second[path]] == []


@pytest.mark.parametrize(
    ("page", "suffix", "urls"),
    [
        ("lstm", ".ipynb", ["lite/lab/index.html?path=chapters/lstm.ipynb"]),
        ("real_frameworks", ".ipynb", []),
        ("lstm", ".md", []),
    ],
)
def test_make_lite_gives_chapters_that_run_there_a_button_and_no_other_pages(page, suffix, urls, monkeypatch):
    monkeypatch.setenv("LITE", "1")
    context = {"page_source_suffix": suffix, "pathto": lambda path, _: path, "header_buttons": []}
    launch.run_in_the_browser(None, f"chapters/{page}", None, context, None)
    assert [button["url"] for button in context["header_buttons"]] == urls


def meta(page, name):
    """Return what a page says of itself under a name, None if nothing."""
    tag = page.find("meta", attrs={"name": name}) or page.find("meta", attrs={"property": name})
    return tag and tag["content"]


def test_every_page_describes_itself_and_one_that_is_read_by_its_own_first_sentences(parsed):
    for path, page in parsed.pages.items():
        assert 50 <= len(meta(page, "description")) <= 400, path
        assert meta(page, "description") == meta(page, "og:description"), path
        assert meta(page, "og:title"), path
        assert meta(page, "og:type") in ("website", "article"), path
        assert [meta(page, name) for name in ("og:url", "og:image")] == [None, None], path
    read = {path: meta(parsed.pages[path], "description") for path in pages.reading_order(parsed)}
    assert len(set(read.values())) == len(read)
    for path, words in read.items():
        assert words[:30] in " ".join(parsed.pages[path].article.text.split()), path


def test_a_public_address_adds_the_address_of_a_page_a_picture_and_a_map_of_the_site(tmp_path, monkeypatch):
    monkeypatch.setattr(outside, "description", lambda doctree: "What is <this>?")
    config = SimpleNamespace(
        html_baseurl="https://book.example/", html_title="A book", root_doc="chapters/index"
    )
    env = SimpleNamespace(found_docs={"chapters/lstm", "chapters/index"}, get_doctree=lambda name: None)
    app = SimpleNamespace(config=config, env=env, outdir=tmp_path, builder=SimpleNamespace(name="html"))
    outside.place(app, None)
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<meta property="og:url" content="https://book.example/chapters/index.html" />' in index
    assert '<meta property="og:image" content="https://book.example/_static/journey.png" />' in index
    assert 'content="What is &lt;this&gt;?"' in index
    sitemap = (tmp_path / "sitemap.xml").read_text(encoding="utf-8")
    assert sitemap.count("<loc>https://book.example/chapters/") == 2
    assert "https://book.example/sitemap.xml" in (tmp_path / "robots.txt").read_text(encoding="utf-8")


def test_without_a_public_address_there_is_no_map_of_the_site(site):
    assert not (site / "sitemap.xml").exists()
    assert not (site / "robots.txt").exists()


def test_what_has_a_number_has_an_address_of_its_own_and_a_link_to_it(parsed):
    labels = {".exercise": "ex-", ".theorem": "thm-", ".definition": "def-", "figure": "fig-"}
    labels["div.math:has(.eqno)"] = "equation-eq-"
    for kind, label in labels.items():
        found = [
            (path, part) for path, page in parsed.pages.items() for part in page.select(f"article {kind}")
        ]
        assert found, kind
        for path, part in found:
            assert part["id"].startswith(label), (path, part["id"])
            assert part.select_one(f'a.headerlink[href="#{part["id"]}"]'), (path, part["id"])
            assert len(parsed.pages[path].find_all(id=part["id"])) == 1, (path, part["id"])


def index_of(site):
    """Return the sections that the search knows, by their pages."""
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    return json.loads(text[text.index("{") : text.rindex("}") + 1])["pages"]


def test_the_search_knows_every_page_and_every_section_it_knows_is_there(parsed):
    known = index_of(parsed.folder)
    assert {f"{name}.html" for name in known} == set(pages.reading_order(parsed))
    for name, sections in known.items():
        ids = Counter(tag["id"] for tag in parsed.pages[f"{name}.html"].find_all(id=True))
        assert [where for where, *_ in sections if where and ids[where] != 1] == [], name
        assert all(title for _, title, *_ in sections), name


def test_the_search_knows_no_code_and_nothing_that_code_prints(parsed):
    for name, sections in index_of(parsed.folder).items():
        text = " ".join(text for _, _, text, _ in sections)
        for code in parsed.pages[f"{name}.html"].select(".cell_input pre, .cell_output pre"):
            lines = [line.strip() for line in code.text.splitlines() if len(line.strip()) > 25]
            assert [line for line in lines if line in text] == [], name


def test_the_first_page_cites_the_book_as_its_citation_file_does(parsed):
    file = Path(__file__).resolve().parents[2] / "CITATION.cff"
    cited = yaml.safe_load(file.read_text(encoding="utf-8"))
    fields = {
        "author": "{" + " and ".join(author["name"] for author in cited["authors"]) + "}",
        "title": "{" + cited["title"] + "}",
        "year": cited["date-released"][:4],
        "version": cited["version"],
    } | {key: cited[key] for key in ("doi", "url") if key in cited}
    start = parsed.pages[pages.reading_order(parsed)[0]]
    (shown,) = [pre.text for pre in start.select(".dropdown pre") if "@misc" in pre.text]
    expected = ", ".join(f"{key} = {{{value}}}" for key, value in fields.items())
    assert " ".join(shown.split()) == f"@misc{{gradients_through_time, {expected} }}"
