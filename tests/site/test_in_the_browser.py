"""What the site promises to those who read it, seen in Chromium."""

import pages
import pytest
from browsing import DESKTOP, PHONE, PROBES, SMALL_PHONE, go, new_page, visit


@pytest.fixture(scope="module")
def visits(browser, base, parsed):
    """One visit to every page that is more than a way to another."""
    paths = [path for path, page in parsed.pages.items() if not page.find("meta", {"http-equiv": "Refresh"})]
    with new_page(browser) as page:
        return {path: visit(page, base, path) for path in paths}


@pytest.fixture
def page(browser):
    with new_page(browser) as opened:
        yield opened


def faults(visits, kind):
    return [f"{path}: {fault}" for path, seen in visits.items() for fault in getattr(seen, kind)]


def pages_with(parsed, selector):
    """List the pages that have what a selector describes; there must be one."""
    found = [path for path, page in parsed.pages.items() if page.select_one(selector)]
    assert found, selector
    return found


def test_no_page_asks_another_host_for_anything(visits, record_property):
    found = faults(visits, "remote_requests")
    record_property("shown", f"site: {len(visits)} pages in Chromium, {len(found)} remote requests")
    assert found == []


def test_no_page_asks_for_a_file_that_is_not_there(visits):
    assert faults(visits, "broken_requests") == []


def test_no_page_has_an_error_in_the_console(visits, record_property):
    found = faults(visits, "console_errors")
    record_property("shown", f"site: {len(found)} console errors")
    assert found == []


def test_all_mathematics_is_rendered(visits, record_property):
    found = faults(visits, "unrendered_equations")
    equations = sum(seen.equations for seen in visits.values())
    record_property("shown", f"site: {equations} formulas, {len(found)} unrendered")
    assert found == []
    assert equations > 1000


def test_axe_finds_nothing_light_and_dark_and_on_a_phone(visits, record_property):
    found = faults(visits, "axe_violations")
    record_property("shown", f"site: {len(found)} axe violations")
    assert found == []


def test_no_page_scrolls_sideways_on_a_phone(visits):
    assert faults(visits, "too_wide") == []


def test_the_keyboard_reaches_everything_that_scrolls_sideways_on_a_phone(visits):
    assert faults(visits, "out_of_reach") == []


def test_nothing_is_cut_on_a_phone_without_an_edge_that_fades(visits):
    assert faults(visits, "cut") == []


def test_a_finger_hits_every_control_on_a_phone(visits, page, base, parsed):
    assert faults(visits, "small") == []
    for size in (PHONE, SMALL_PHONE):
        page.set_viewport_size(size)
        for opener in (".primary-toggle", ".secondary-toggle", ".dropdown-download-buttons > button"):
            go(page, base + pages_with(parsed, "div.slider")[0])
            page.locator(opener).click()
            page.wait_for_timeout(400)  # it slides in
            assert page.evaluate("probes.small()") == [], opener


def test_an_equation_too_wide_for_a_phone_scrolls_by_the_arrow_keys(page, base, parsed):
    page.set_viewport_size(PHONE)
    for path in pages_with(parsed, "div.math"):
        go(page, base + path)
        wide = page.evaluate_handle(
            """() => [...document.querySelectorAll("div.math, div.math > mjx-container")].find((box) =>
                 box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX == "auto")"""
        ).as_element()
        if wide:
            break
    assert wide.get_attribute("class").split()[-1] == "more-right"
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 0", arg=wide)
    wide.evaluate("box => (box.scrollLeft = box.scrollWidth)")
    page.wait_for_function("box => box.matches('.more-left:not(.more-right)')", arg=wide)


def test_the_number_of_an_equation_is_below_it_on_a_phone_and_beside_it_elsewhere(page, base, parsed):
    below = """() => [...document.querySelectorAll("div.math:has(> .eqno)")].map((equation) =>
      equation.querySelector(".eqno").getBoundingClientRect().top >=
      equation.querySelector("mjx-math").getBoundingClientRect().bottom)"""
    go(page, base + pages_with(parsed, "div.math > .eqno")[0])
    assert not any(page.evaluate(below))
    page.set_viewport_size(PHONE)
    assert all(page.evaluate(below))


def test_a_tap_on_a_figure_opens_it_at_full_size(page, base, parsed):
    page.set_viewport_size(PHONE)
    path = pages_with(parsed, "div.slider")[0]
    go(page, base + path)
    for kind in ("figure > a > img", "div.slider img"):
        image = page.locator(f"article {kind}").first
        width = image.evaluate("image => image.naturalWidth")
        image.click()
        page.wait_for_function("document.contentType.startsWith('image/')")
        assert page.evaluate("document.images[0].naturalWidth") == width
        page.go_back()
        page.evaluate("probes.settle()")


def test_the_keyboard_moves_every_slider_and_with_it_picture_alt_text_and_value(page, base, parsed):
    shown = """slider => {
      const root = slider.closest(".slider"), image = root.querySelector("img");
      return [image.src, image.alt, root.querySelector("output").value, slider.ariaValueText];
    }"""
    for path in pages_with(parsed, "div.slider"):
        go(page, base + path)
        for slider in page.locator("div.slider input[type=range]").all():
            slider.press("Home")
            states = [slider.evaluate(shown)]
            for _ in range(int(slider.get_attribute("max"))):
                slider.press("ArrowRight")
                states.append(slider.evaluate(shown))
            for part in zip(*states, strict=True):
                assert len(set(part)) == len(states) > 1
            slider.press("ArrowLeft")
            assert slider.evaluate(shown) == states[-2]


def test_tab_does_not_stop_at_a_formula_that_fits(page, base, parsed):
    go(page, base + pages_with(parsed, "div.math")[0])
    assert page.locator("mjx-container").count() > 0
    assert page.evaluate(
        """() => [...document.querySelectorAll("mjx-container")]
        .every((box) => box.tabIndex < 0 || box.scrollWidth > box.clientWidth)"""
    )


def tab(page):
    """Press Tab until every stop had the focus, and yield after each press that gave it to one."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(page.locator("a[href], button, input, select, summary, [tabindex]").count() + 10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            return
        yield


def test_tab_reaches_every_control_of_an_unfolded_chapter(page, base, parsed):
    controls = "a[href], button, input, select, summary"
    for path in pages_with(parsed, "div.slider")[:1] + pages_with(parsed, "details.hide")[-1:]:
        go(page, f"{base}{path}?evidence")
        page.evaluate(
            """() => document.addEventListener("focusin", (event) => (event.target.dataset.reached = ""))"""
        )
        assert sum(1 for _ in tab(page)) > 20
        missed = page.evaluate(
            """controls => [...document.querySelectorAll(controls)]
            .filter((control) => control.checkVisibility({ visibilityProperty: true }))
            .filter((control) => !("reached" in control.dataset))
            .map((control) => control.outerHTML.slice(0, 120))""",
            controls,
        )
        assert missed == []


def test_tab_passes_by_what_copies_and_what_a_check_links_to_unless_the_cell_is_unfolded(page, base, parsed):
    stops = """() => [...document.querySelectorAll("div.cell :is(.copybtn, .stream a)")]
      .filter((stop) => stop.checkVisibility() && stop.tabIndex >= 0).length"""
    for path in chapters(parsed):
        go(page, base + path)
        assert page.evaluate(stops) == 0
        fold = page.locator("div.cell:has(.stream a) summary").first
        fold.press("Enter")
        page.wait_for_function(f"({stops})() > 1")
        fold.press("Enter")
        page.wait_for_function(f"({stops})() === 0")


@pytest.mark.parametrize("size", [DESKTOP, PHONE, SMALL_PHONE], ids=lambda size: str(size["width"]))
def test_what_has_the_focus_has_a_ring_that_nothing_cuts(page, base, parsed, size):
    page.set_viewport_size(size)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        go(page, base + pages_with(parsed, "div.slider")[0])
        page.add_style_tag(content="* { transition: none !important }")
        assert [fault for _ in tab(page) for fault in page.evaluate("probes.ring()")] == []


def test_the_first_stop_skips_to_the_text(page, base, parsed):
    go(page, base + pages.reading_order(parsed)[1])
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to main content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.locator("main :focus").count() == 1


def test_enter_and_space_open_and_close_what_is_folded(page, base, parsed):
    for path in pages_with(parsed, "details.hide")[:1] + pages_with(parsed, ".solution.dropdown")[:1]:
        go(page, base + path)
        for fold in page.locator("details.hide > summary:visible").all():
            is_open = "summary => summary.parentElement.open"
            fold.press("Enter")
            assert fold.evaluate(is_open)
            fold.press("Space")
            assert not fold.evaluate(is_open)
        for fold in page.locator(".solution button.toggle-button").all():
            hidden = "button => button.closest('.solution').classList.contains('toggle-hidden')"
            assert fold.evaluate(hidden)
            fold.press("Enter")
            assert not fold.evaluate(hidden)
            fold.press("Space")
            assert fold.evaluate(hidden)


def test_a_click_on_the_title_of_a_solution_opens_it(page, base, parsed):
    go(page, base + pages_with(parsed, ".solution.dropdown")[0])
    solution = page.locator(".solution.dropdown").first
    solution.locator(".admonition-title").first.click()
    assert "toggle-hidden" not in solution.get_attribute("class")


def test_enter_on_the_theme_switch_changes_the_theme(page, base, parsed):
    go(page, base + pages.reading_order(parsed)[0])
    themes = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.press("Enter")
        themes.add(page.evaluate("document.documentElement.dataset.theme"))
    assert themes == {"light", "dark"}


def chapters(parsed):
    """List the pages of the chapters: those that end with exercises."""
    return [path for path in pages.reading_order(parsed) if parsed.pages[path].select_one("#exercises")]


def test_a_chapter_is_a_lecture_with_its_evidence_folded(page, base, parsed, record_property):
    page.set_viewport_size({"width": 1280, "height": 800})
    for path in chapters(parsed):
        go(page, base + path)
        seen = page.evaluate("probes.lecture()")
        words = "{screens:.1f} screens, {code:.0%} code, first picture after {picture:.1f} screens"
        record_property("shown", f"{path}: {words.format(**seen)}")
        assert seen["verbs"] == 0, path
        assert seen["code"] <= 0.3, path
        assert seen["picture"] <= 2, path
        assert seen["screens"] < 16.5, path


def test_the_number_of_every_equation_leads_to_what_verifies_it_and_says_how(page, base, parsed):
    for path in chapters(parsed):
        go(page, base + path)
        without = """() => [...document.querySelectorAll("[id^=equation-eq-] .eqno")]
          .filter((number) => !number.querySelector(".proof")).map((number) => number.textContent)"""
        assert page.evaluate(without) == []
        for proof in page.locator(".eqno .proof").all():
            assert proof.get_attribute("aria-label").startswith(("proved by", "verified: "))
            assert page.locator(f".cell_output {proof.get_attribute('href')}").count() == 1


def test_one_switch_unfolds_all_evidence_here_and_on_the_pages_after_and_so_does_the_address(
    browser, base, parsed
):
    first, second, *_ = chapters(parsed)
    closed = "document.querySelectorAll('div.cell > details.hide:not([open])').length"
    with new_page(browser) as page:
        go(page, base + first)
        assert page.evaluate(closed) > 5
        page.locator(".btn-evidence").press("Enter")
        assert page.evaluate(closed) == 0
        go(page, base + second)
        assert page.evaluate(closed) == 0
        page.locator(".btn-evidence").press("Enter")
        assert page.evaluate(closed) > 5
    with new_page(browser) as page:
        go(page, f"{base}{first}?evidence")
        assert page.evaluate(closed) == 0


def search(page, word):
    """Search from the keyboard and follow the first result."""
    page.locator(".search-button__button:visible").first.press("Enter")
    page.keyboard.type(word)
    page.keyboard.press("Enter")
    page.locator("#search-results li a").first.click()
    page.wait_for_url("**/chapters/**")
    assert word in page.locator("main").inner_text().lower()


@pytest.mark.parametrize(
    ("words", "section"),
    [
        ("nan gradient", "clipping_in_training.html#when-the-gradient-is-not-finite"),
        ("exploding", "glossary.html#term-Exploding-gradient"),
        ("vanishing gradients", "glossary.html#term-Vanishing-gradient"),
        ("gradient clipping", "clipping.html"),
        ("weight init", "initialization.html"),
        ("initialisation", "initialization.html"),
        ("initialization", "initialization.html"),
        ("ReLU", "glossary.html#term-Rectifier"),
        ("clip_by_norm", "rnnlib.html#rnnlib.optimize.clip_by_norm"),
        ("dropout", "recipes.html#what-you-do-not-find-here"),
        ("attention", "recipes.html#what-you-do-not-find-here"),
    ],
)
def test_a_search_finds_the_section_and_shows_a_passage_of_it(words, section, page, base):
    go(page, f"{base}search.html?q={words}")
    hits = page.locator("#search-results li")
    first = [hit.locator("a").get_attribute("href") for hit in hits.all()[:3]]
    assert f"chapters/{section}" in first
    assert all(hit.locator(".context").inner_text() for hit in hits.all()[:3])
    assert page.locator("#search-results .highlighted").count() > 0 or hits.count() == 1


def test_a_hit_opens_at_its_section_with_the_words_marked_there_and_nowhere_else(page, base):
    go(page, f"{base}search.html?q=nan gradient")
    page.locator("#search-results li a[href$=when-the-gradient-is-not-finite]").click()
    page.wait_for_selector("span.highlighted")
    page.evaluate("probes.settle()")
    assert 0 <= page.evaluate("document.querySelector(':target').getBoundingClientRect().top") < 200
    coloured = """() => [...document.querySelectorAll("span.highlighted")]
      .filter((mark) => getComputedStyle(mark).backgroundColor !== "rgba(0, 0, 0, 0)")
      .map((mark) => Boolean(mark.closest(":target")))"""
    assert set(page.evaluate(coloured)) == {True}


def test_a_search_for_what_is_nowhere_says_so(page, base):
    go(page, f"{base}search.html?q=zzzqq")
    assert page.locator("#search-results li").count() == 0
    assert "No section" in page.locator("#search-results").inner_text()


def test_the_link_to_an_equation_or_an_exercise_shows_under_the_focus(page, base, parsed):
    opacity = "link => getComputedStyle(link).opacity"
    for kind in (".eqno", ".exercise .admonition-title", "figcaption", "h2"):
        go(page, base + pages_with(parsed, f"article {kind} a.headerlink")[0])
        link = page.locator(f"article {kind} a.headerlink").first
        assert link.evaluate(opacity) == "0"
        link.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        assert link.evaluate(opacity) == "1", kind


def test_a_search_for_orthogonal_leads_to_a_page_about_it(page, base, parsed):
    go(page, base + pages.reading_order(parsed)[0])
    search(page, "orthogonal")


def test_the_book_can_be_read_from_a_folder_without_a_server(page, site, parsed):
    for path in pages_with(parsed, "div.slider")[:1]:
        seen = visit(page, site.as_uri() + "/", path)
        assert seen.equations > 0
        assert not any(seen[1:]), seen
    search(page, "orthogonal")


def test_a_notebook_is_downloaded_from_the_menu_of_its_page(page, base, parsed):
    path, offered = next(iter(pages.notebooks(parsed).items()))
    go(page, base + path)
    page.locator(".dropdown-download-buttons > button").click()
    with page.context.expect_event("download") as download:
        page.locator("a.btn-download-source-button").click()
    assert download.value.path().read_bytes() == offered.read_bytes()


def test_paper_shows_text_figures_and_solutions_alone_and_black_on_white(page, base, parsed):
    page.emulate_media(media="print", color_scheme="dark")
    go(page, base + pages_with(parsed, ".solution.dropdown")[0])
    folded = page.locator(".toggle-hidden")
    before = folded.count()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    beside = "#pst-primary-sidebar, #pst-secondary-sidebar, .bd-header-article, .prev-next-footer, summary"
    assert not any(part.is_visible() for part in page.locator(beside).all())
    assert before > folded.count() == 0
    assert page.evaluate("probes.notShown()") == []
    ink = """() => [...document.querySelectorAll("article :is(p, pre)")]
      .map((part) => getComputedStyle(part).color)"""
    assert set(page.evaluate(ink)) == {"rgb(0, 0, 0)"}
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert folded.count() == before


def test_text_figures_and_solutions_are_there_without_scripts(browser, base, parsed):
    with new_page(browser, java_script_enabled=False) as page:
        for path in pages.reading_order(parsed):
            page.goto(base + path)
            page.evaluate(PROBES)
            assert page.evaluate("probes.notShown()") == []
            assert page.locator(".toggle-hidden").count() == 0
