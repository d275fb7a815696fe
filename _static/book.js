// Repairs the stock theme's markup; each line names the axe-core rule that it satisfies.
function repair() {
  for (const button of document.querySelectorAll(".search-button-field")) // label-content-name-mismatch
    button.removeAttribute("aria-label");
  for (const icon of document.querySelectorAll("button[aria-label] svg")) { // label-content-name-mismatch
    icon.querySelector("title")?.remove();
    icon.removeAttribute("aria-labelledby");
    icon.setAttribute("aria-hidden", "true");
  }
  for (const summary of document.querySelectorAll("summary[aria-label]")) // label-content-name-mismatch
    summary.removeAttribute("aria-label");
  const sidebar = document.getElementById("pst-primary-sidebar"); // region
  sidebar?.setAttribute("role", "complementary");
  sidebar?.setAttribute("aria-label", "Book contents and search");
  for (const entry of document.querySelectorAll("[role=doc-biblioentry]")) // aria-deprecated-role
    entry.setAttribute("role", "listitem");
  for (const link of document.querySelectorAll(".citation-list > a")) // aria-required-children
    link.setAttribute("role", "none");
}

// A check prints a mark and labels; the mark gets a colour, the label of an equation and the code of a
// statement of the notes become links.
function linkLabels() {
  for (const output of document.querySelectorAll(".cell_output .output.stream pre"))
    output.innerHTML = output.innerHTML
      .replace(/[✓✗] .+? ·/g, (labels) =>
        labels.replace(/\b[ABC][1-9]\d?\b/g, (code) => `<a href="claims.html#${code}">${code}</a>`))
      .replace(/\beq-[\w-]+\w/g, (label) => {
        const number = document.querySelector(`#equation-${label} .eqno`)?.firstChild?.textContent;
        return number ? `<a href="#equation-${label}">equation ${number}</a>` : label;
      })
      .replace(/✓/g, '<span class="holds">✓</span>')
      .replace(/✗/g, '<span class="differs">✗</span>');
}

// The number of an equation leads to the check that verifies it, which leads back, and says how.
function linkProofs() {
  for (const output of document.querySelectorAll(".cell_output .output.stream pre"))
    for (const link of output.querySelectorAll('a[href^="#equation-"]')) {
      const number = document.querySelector(`${link.hash} .eqno`);
      if (!number || number.querySelector(".proof")) continue;
      const rest = document.createRange();
      rest.setStartAfter(link);
      rest.setEndAfter(output.lastChild);
      const how = rest.toString().match(/ · (.+)/)[1];
      const proof = document.createElement("a");
      link.id = `proof-${link.hash.slice("#equation-".length)}`;
      proof.href = `#${link.id}`;
      proof.className = "proof";
      proof.title = how === "exact, by SymPy" ? "proved by SymPy" : `verified: ${how}`;
      proof.ariaLabel = proof.title;
      proof.textContent = "✓";
      number.append(proof);
    }
}

// Evidence is what a lecture leaves out: one switch unfolds it, on this page and on those that follow. An
// address with ?evidence unfolds it as well.
function unfoldEvidence(open) {
  for (const code of document.querySelectorAll("div.cell > details.hide")) code.open = open;
  for (const button of document.querySelectorAll(".btn-evidence")) button.ariaPressed = open;
  reachEvidence();
}

function toggleEvidence() {
  const open = localStorage.getItem("evidence") !== "open";
  localStorage.setItem("evidence", open ? "open" : "folded");
  unfoldEvidence(open);
}

// A line may break after a formula, but not before the comma that follows it.
function keepTogether() {
  for (const formula of document.querySelectorAll("span.math")) {
    const text = formula.nextSibling;
    const [mark] = (text?.nodeType === Node.TEXT_NODE && text.data.match(/^[.,:;?!)\]’”]+/)) || [];
    if (!mark) continue;
    const whole = document.createElement("span");
    whole.className = "together";
    formula.before(whole);
    whole.append(formula, mark);
    text.deleteData(0, mark.length);
  }
}

// What is wider than the column scrolls. Tab stops there and not where all is to be seen, and a class for each
// edge behind which there is more lets the style sheet fade it.
function showMore(boxes) {
  const rests = boxes.map((box) => box.scrollWidth - box.clientWidth);
  boxes.forEach((box, k) => {
    box.tabIndex = rests[k] > 1 ? 0 : -1;
    box.classList.toggle("more-left", box.scrollLeft > 1);
    box.classList.toggle("more-right", rests[k] - box.scrollLeft > 1);
  });
}

function watchWide(selector) {
  const observer = new ResizeObserver((sized) => showMore(sized.map(({ target }) => target)));
  for (const box of document.querySelectorAll(`.bd-article :is(${selector})`)) {
    observer.observe(box);
    box.addEventListener("scroll", () => showMore([box]));
  }
}

// A tap opens a figure at its full size: a link to its file, but the frames of a slider are in the page.
function openFrames() {
  for (const image of document.querySelectorAll("div.slider img")) {
    const link = document.createElement("a");
    link.href = "#";
    image.replaceWith(link);
    link.append(image);
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      location = URL.createObjectURL(await (await fetch(image.src)).blob());
    });
  }
}

// Tab passes by the buttons that copy and the links of the lines that a check prints, unless their cell is
// unfolded; the switch unfolds them all.
function reachEvidence() {
  const all = document.querySelector(".btn-evidence")?.ariaPressed === "true";
  for (const stop of document.querySelectorAll("div.cell :is(.copybtn, .stream a)")) {
    const fold = stop.closest("div.cell").querySelector("details.hide");
    stop.tabIndex = (fold ? fold.open : all) ? 0 : -1;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  repair();
  linkLabels();
  linkProofs();
  if (new URLSearchParams(location.search).has("evidence")) localStorage.setItem("evidence", "open");
  unfoldEvidence(localStorage.getItem("evidence") === "open");
  keepTogether();
  openFrames();
  watchWide("pre, .pst-scrollable-table-container");
  document.addEventListener("toggle", reachEvidence, true);
  // Font Awesome replaces the icons later, and says so with a class.
  new MutationObserver((_, observer) => {
    if (document.documentElement.classList.contains("fontawesome-i2svg-complete")) {
      observer.disconnect();
      repair();
    }
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
});
window.addEventListener("load", () => {
  reachEvidence(); // the buttons that copy are there now
  window.MathJax?.startup?.promise.then(() => watchWide("mjx-container[display], span.math"));
});
