// The search of this book finds sections, by the roots of their words. It stands in for Sphinx's Search.query;
// sections.py writes the index.

const HITS = 30, WORDS = 30; // how many hits are shown, and how many words of each

// What means the same, in general or in this book.
const SAME = [
  "nan inf infinite overflow",
  "explode explosion blow",
  "vanish fade decay",
  "relu rectifier",
  "sigmoid logistic",
  "reservoir echo",
  "figure picture diagram drawing plot",
  "convert translate port",
  "bug wrong slip",
  "truncate cut detach",
  "checkpoint recompute rematerialize",
  "rtrl forward online",
  "scan prefix associative blelloch",
  "arena benchmark",
  "interval confidence clopper binomial",
  "lru ssm s4 s5 mamba mingru minlstm",
  "character char language",
  "count smoothing backoff ngram",
  "saliency connectivity derivative",
  "elsewhere pytorch torch jax tensorflow keras framework",
  "padding padded packed ragged",
].map((line) => line.split(" "));

// British and American spelling are one: initialise, behaviour, modelling, centre.
const spelt = (word) =>
  word.toLowerCase()
    .replace(/(?<=\w[iy])s(?=(e|ed|es|er|ers|ing|ation|ations)$)/, "z")
    .replace(/(?<=\w\w)our/, "or")
    .replace(/ll(?=(ed|ing|er)$)/, "l")
    .replace(/tre$/, "ter");

const known = new Map();
function root(word) {
  if (!known.has(word)) known.set(word, new Stemmer().stemWord(spelt(word)));
  return known.get(word);
}

const split = (text) => [...text.matchAll(/[\p{L}\p{N}]+/gu)];
const rootsOf = (text) => split(text).map(([word]) => root(word));

// How well a word answers one that is looked for: it is the same, it means the same, or it begins like it.
function answers(found, { wanted, same }) {
  if (found === wanted) return 1;
  if (same.has(found)) return 0.7;
  return wanted.length > 2 && found.startsWith(wanted) ? 0.6 : 0;
}

// A word counts most in the title, then by its share of the text, then in the title of the page.
function rate(section, terms, query) {
  section.roots ??= rootsOf(section.text);
  const title = rootsOf(section.title), page = rootsOf(section.page);
  const best = (roots, term) => Math.max(0, ...roots.map((found) => answers(found, term)));
  let answered = 0, score = 0;
  for (const term of terms) {
    const often = section.roots.reduce((sum, found) => sum + answers(found, term), 0);
    const parts = [6 * best(title, term), (4 * often) / (often + 1 + section.roots.length / 150), 2 * best(page, term)];
    answered += parts.some((part) => part > 0);
    score += parts[0] + parts[1] + parts[2];
  }
  const covered = title.filter((found) => terms.some((term) => answers(found, term))).length;
  score += (4 * covered) / title.length;
  if (`.${section.title.toLowerCase()}`.endsWith(`.${query}`)) score += /[_.]/.test(query) ? 10 : 3; // by name
  return { section, answered, score: score * section.weight };
}

// The passage of a text that answers most terms, its answers marked.
function excerpt(text, terms) {
  const words = split(text), hits = words.map(([word]) => terms.findIndex((term) => answers(root(word), term)));
  const worth = words.map((_, k) => new Set(hits.slice(k, k + WORDS - 8).filter((hit) => hit >= 0)).size);
  const start = Math.max(0, worth.indexOf(Math.max(...worth)) - 8), end = Math.min(words.length, start + WORDS);
  const passage = document.createElement("p");
  passage.className = "context";
  let from = words[start]?.index ?? 0;
  if (from > 0) passage.append("… ");
  for (let k = start; k < end; k++) {
    if (hits[k] < 0) continue;
    const mark = document.createElement("span");
    mark.className = "highlighted";
    mark.textContent = words[k][0];
    passage.append(text.slice(from, words[k].index), mark);
    from = words[k].index + words[k][0].length;
  }
  passage.append(text.slice(from, words[end]?.index), end < words.length ? "…" : "");
  return passage;
}

function show({ section, answered }, terms) {
  const item = document.createElement("li"), link = document.createElement("a");
  link.href = section.address;
  link.textContent = section.title;
  item.append(link);
  if (section.page !== section.title) item.append(` · ${section.page}`);
  if (section.text) item.append(excerpt(section.text, terms));
  link.addEventListener("click", () => { // Sphinx marks these words on the page that opens
    const words = split(`${section.title} ${section.text}`).map(([word]) => word.toLowerCase());
    const marked = words.filter((word) => word.length > 2 && terms.some((term) => answers(root(word), term)));
    localStorage.setItem("sphinx_highlight_terms", [...new Set(marked)].join(" "));
  });
  return item;
}

Search.query = (query) => {
  const telling = rootsOf(query).filter((word) => !stopwords.includes(word));
  const lines = SAME.map((line) => line.map(root));
  const terms = [...new Set(telling)].map((wanted) => ({
    wanted,
    same: new Set(lines.filter((line) => line.includes(wanted)).flat()),
  }));
  Search.sections ??= Object.entries(Search._index.pages).flatMap(([file, sections]) =>
    sections.map(([where, title, text, weight]) => ({
      address: file + DOCUMENTATION_OPTIONS.LINK_SUFFIX + (where && `#${where}`), title, text, weight,
      page: sections[0][1],
    })));
  const rated = Search.sections.map((section) => rate(section, terms, query.trim().toLowerCase()));
  const most = Math.max(...rated.map((hit) => hit.answered));
  const hits = rated.filter((hit) => most > 0 && hit.answered === most).sort((a, b) => b.score - a.score);
  Search.stopPulse();
  Search.title.textContent = "Search results";
  Search.status.textContent =
    most === 0 ? "No section has any of these words."
    : most < terms.length ? `No section has all of these words; ${hits.length} have ${most} of ${terms.length}.`
    : `${hits.length} section${hits.length > 1 ? "s have" : " has"} all of these words${hits.length > HITS ? `; the best ${HITS}` : ""}.`;
  Search.output.append(...hits.slice(0, HITS).map((hit) => show(hit, terms)));
};
