// Repairs the stock theme's markup; each line names the axe-core rule that it satisfies.
function repair() {
  for (const button of document.querySelectorAll(".search-button-field")) // label-content-name-mismatch
    button.setAttribute("aria-label", button.innerText.replace(/\s+/g, " ").trim() || "Search");
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

// A check prints the label of its equation; here the label becomes the number, and a link to it.
function linkEquations() {
  for (const output of document.querySelectorAll(".cell_output .output.stream pre"))
    output.innerHTML = output.innerHTML.replace(/\beq-[\w-]+\w/g, (label) => {
      const number = document.querySelector(`#equation-${label} .eqno`)?.firstChild?.textContent;
      return number ? `<a href="#equation-${label}">equation ${number}</a>` : label;
    });
}

document.addEventListener("DOMContentLoaded", () => {
  repair();
  linkEquations();
  // Font Awesome replaces the icons later, and says so with a class.
  new MutationObserver((_, observer) => {
    if (document.documentElement.classList.contains("fontawesome-i2svg-complete")) {
      observer.disconnect();
      repair();
    }
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
});
window.addEventListener("load", () => setTimeout(repair, 300));
