// What a visit asks of a page; every page that the tests open has these functions.
window.probes = {
  // Font Awesome draws the icons after the page has loaded, and _static/book.js mends them then.
  async settle() {
    await window.MathJax?.startup?.promise;
    await document.fonts.ready;
    await new Promise((done) => setTimeout(done, 500));
  },

  unfold() {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    for (const fold of document.querySelectorAll(".toggle-hidden")) fold.classList.remove("toggle-hidden");
  },

  // MathJax writes a command that it does not know in red, and says nothing.
  unrendered() {
    const faults = [...document.querySelectorAll(".math")].filter((node) => !node.querySelector("mjx-math"));
    faults.push(...document.querySelectorAll("mjx-merror, mjx-math [style*='color: red']"));
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); )
      if (/\\\(|\\\[|\$\$/.test(text.data) && !text.parentElement.closest("pre, code, script, style, .math"))
        faults.push(text);
    return faults.map((fault) => fault.textContent.trim().slice(0, 80));
  },

  scrolls: (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX),

  show: (elements) => elements.map((element) => element.cloneNode(false).outerHTML.slice(0, 120)),

  // What sticks out at the right, unless a box in the text scrolls; the text itself must not.
  tooWide() {
    const inBox = (element) =>
      element.matches("article *") && (probes.scrolls(element) || inBox(element.parentElement));
    const aside = ".bd-sidebar-secondary, .bd-sidebar-secondary *, mjx-assistive-mml, mjx-assistive-mml *";
    const out = [...document.querySelectorAll(`main *:not(${aside})`)].filter((element) =>
      element.checkVisibility({ visibilityProperty: true }) &&
      element.getBoundingClientRect().right > innerWidth + 1 && !inBox(element));
    if (document.documentElement.scrollWidth > innerWidth) out.push(document.documentElement);
    return probes.show(out);
  },

  // Boxes that scroll and that Tab does not reach.
  outOfReach: () => probes.show([...document.querySelectorAll("main *")].filter((element) =>
    element.clientWidth && element.scrollWidth > element.clientWidth + 1 && probes.scrolls(element) &&
    element.tabIndex < 0 && !element.querySelector("a, button, input, [tabindex='0']"))),

  // Formulas, tables and code that go on behind an edge that does not fade.
  cut() {
    const fades = (box) => box.matches(".more-right") && getComputedStyle(box).maskImage.includes("gradient");
    const hides = (box, right) => !box.matches("article") && !fades(box) &&
      (getComputedStyle(box).overflowX !== "visible" && box.getBoundingClientRect().right < right ||
        hides(box.parentElement, right));
    return probes.show([...document.querySelectorAll("article :is(mjx-math, table, pre)")].filter((part) =>
      part.clientWidth && hides(part, part.getBoundingClientRect().left + part.scrollWidth - 1)));
  },

  // What a finger would miss. A link in a line of text is as high as the line; beside it is more text.
  small: () => probes.show([...document.querySelectorAll("a[href], button, input, summary, label")].filter((part) => {
    const box = part.getBoundingClientRect();
    const seen = part.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
      box.right > 0 && box.left < innerWidth && box.bottom > 0;
    return seen && Math.min(box.width, box.height) < 43.9 && !part.matches("article :is(p, li, dd, dt, td, pre) a, [role=doc-backlink], label > input");
  })),

  // The ring around what has the focus: none, pale, or cut off by a box around it or by the window.
  ring() {
    const part = document.activeElement, style = getComputedStyle(part);
    const shadow = style.boxShadow.match(/^(rgba?\(.+?\)) 0px 0px 0px (\d+)px$/);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    if (!outlined && !shadow) return ["no ring", ...probes.show([part])];
    const out = outlined ? parseFloat(style.outlineWidth) + parseFloat(style.outlineOffset) : +shadow[2];
    const { left, right, top, bottom } = part.getBoundingClientRect();
    const clips = (box) => box !== document.documentElement && getComputedStyle(box).overflow !== "visible";
    const inside = (box, l, t, r, b) =>
      left - out >= l - 0.6 && top - out >= t - 0.6 && right + out <= r + 0.6 && bottom + out <= b + 0.6;
    const around = [];
    for (let box = part.parentElement; box; box = box.parentElement) if (clips(box)) around.push(box);
    const cut = around.find((box) => {
      const r = box.getBoundingClientRect();
      return !inside(box, r.left, r.top, r.right, r.bottom);
    });
    if (cut) return ["cut by", ...probes.show([cut, part])];
    return inside(null, 0, 0, innerWidth, innerHeight) ? [] : ["cut by the window", ...probes.show([part])];
  },

  // Text and figures that are not to be seen, though nothing around them is folded.
  notShown: () => probes.show([...document.querySelectorAll("article :is(h2, p, pre, img)")].filter((part) =>
    !part.closest("details:not([open])") &&
    (!part.checkVisibility() || part.offsetHeight < 5 || part.naturalWidth === 0))),

  // What a lecture looks like: screens of 800 points, the share of code, lines that verify, screens to a picture.
  lecture() {
    const article = document.querySelector("article"), box = article.getBoundingClientRect();
    const seen = [...article.querySelectorAll(".cell_input")].filter((part) => part.offsetHeight > 2);
    const heights = seen.map((part) => part.getBoundingClientRect().height);
    const pictures = [...article.querySelectorAll("img")].map((image) => image.getBoundingClientRect());
    return {
      screens: box.height / 800,
      code: heights.reduce((sum, height) => sum + height, 0) / box.height,
      verbs: seen.flatMap((part) => part.innerText.match(/^\s*(check|refute|within)\(/gm) ?? []).length,
      picture: (pictures.find((image) => image.height > 90).top - box.top) / 800,
    };
  },

  // Axe needs a second for 2000 elements. Pieces of code and formulas with the same classes all the way up
  // have the same colours: one of each kind is enough.
  thin() {
    const seen = new Set();
    const kind = (element) =>
      element && `${element.tagName} ${element.className} < ${kind(element.parentElement)}`;
    for (const element of [...document.querySelectorAll("pre span, mjx-container")]) {
      if (!element.isConnected) continue;
      if (seen.has(kind(element))) element.remove();
      else seen.add(kind(element));
    }
  },
};
