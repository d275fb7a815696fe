"""What the files of the site promise, without a browser."""

import launch
import nbformat
import pages
import pytest

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


def test_the_site_has_at_most_25_mb_and_a_page_at_most_1_mb(parsed, record_property):
    total = sum(file.stat().st_size for file in parsed.folder.rglob("*") if file.is_file())
    heaviest = max(pages.weight(parsed, path) for path in parsed.pages)
    record_property("shown", f"site: {total / MB:.1f} MB, heaviest page {heaviest / MB:.2f} MB")
    assert total <= 25 * MB
    assert heaviest <= 1 * MB


def test_two_builds_give_the_same_bytes(site, again):
    first, second = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (site, again)
    )
    assert first.keys() == second.keys()
    assert [str(path) for path in first if first[path] != second[path]] == []


@pytest.mark.parametrize(
    ("suffix", "urls"), [(".ipynb", ["lite/lab/index.html?path=chapters/lstm.ipynb"]), (".md", [])]
)
def test_make_lite_gives_chapters_and_no_other_pages_a_button_that_runs_them(suffix, urls, monkeypatch):
    monkeypatch.setenv("LITE", "1")
    context = {"page_source_suffix": suffix, "pathto": lambda path, _: path, "header_buttons": []}
    launch.run_in_the_browser(None, "chapters/lstm", None, context, None)
    assert [button["url"] for button in context["header_buttons"]] == urls
