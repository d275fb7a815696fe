"""Change one thing in a chapter at a time, and list the changes that no check of the chapter notices.

    python tools/mutants.py                    # all chapters, recorded in chapters/data/mutants.csv
    python tools/mutants.py lstm gru           # two chapters, and their rows of the record
    python tools/mutants.py --most 20 lstm     # more mutants for each call of a verb, not recorded

A chapter runs once. Before a block (the cells up to one with a check) it forks a child for each mutant of
the block, or of a function that the block calls. The child ends where a check fails or the time is up
(caught), where a name or a shape is wrong (raised: caught as well), or with the block (survived). A mutant of
a function has survived only if no later block that calls the function notices it either. What both sides of
a check rest on is rather its example than its claim: such mutants are counted apart. A chapter that runs JAX
cannot be forked, because its threads would stay behind: there the mutants run one after the other in the same
process, and names, arrays, lists, dictionaries and generators are put back after each.
"""

import argparse
import ast
import contextlib
import io
import os
import re
import resource
import signal
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import yaml
from dependence import Leaf, binds, blocks, called, defined, sites, verb
from mutations import NEIGHBOURS, changed, draw, mutants, wrapped
from reseed import CHAPTERS, renew

KINDS = ("numbered equations", "other checks", "both sides")
HEAD = ["chapter", "equation mutants", "caught", "other mutants", "caught"]
MOST = 4  # mutants of each kind for a call of a verb
DRAWS = re.compile(r"standard_normal|\.normal\(|uniform\(|integers\(|cauchy|choice\(|permut|random_direction")


class Tried(NamedTuple):
    """A mutant: its cell, the checks that rest on it with one side, or with both, its change, its fate."""

    cell: int
    one: list
    both: list
    change: str
    fate: str

    @property
    def kind(self):
        equation = any("eq-" in label for label in self.one)
        return KINDS[2] if not self.one else KINDS[0] if equation else KINDS[1]


def execute(statements, space):
    """Run statements in a namespace, quietly."""
    module = ast.fix_missing_locations(ast.Module(statements, []))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(module, "block", "exec"), space)


def spent():
    """Return the seconds of the processor that this process and its children have had."""
    return sum(os.times()[:4])


def fork(statements, space, seconds):
    """Run statements in a child of this process, for some seconds at most; return its number."""
    child = os.fork()
    if child:
        return child
    code = 2
    try:
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of the processor; it may share it with others
        signal.alarm(int(20 * seconds) + 60)
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
        execute(statements, space)
        code = 0
    except AssertionError:
        code = 1
    finally:
        os._exit(code)


def late(*_):
    raise TimeoutError


def copies(value):
    """Yield what can change inside of a value, each with a copy of it."""
    if isinstance(value, list | dict) or (isinstance(value, np.ndarray) and value.flags.writeable):
        yield value, value.copy()
    if isinstance(value, np.random.Generator):
        yield value, value.bit_generator.state
    if isinstance(value, list | dict | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from copies(part)


def put_back(value, kept):
    """Make what a value holds what it was."""
    if isinstance(value, np.random.Generator):
        value.bit_generator.state = kept
    elif isinstance(value, dict):
        value.clear()
        value.update(kept)
    else:
        value[... if isinstance(value, np.ndarray) else slice(None)] = kept


def in_turn(statements, space, seconds):
    """Run statements in this process, for some seconds at most, and put everything back."""
    kept, handler = list(copies(space)), signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        execute(statements, space)
        return "survived"
    except (AssertionError, TimeoutError):
        return "caught"
    except Exception:
        return "raised"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        plt.close("all")
        for value, before in kept:
            put_back(value, before)


def fates(programs, space, seconds, width=1):
    """Run each program in a child, `width` at once; return what became of each."""
    if "jax" in sys.modules:
        return [in_turn(program, space, seconds) for program in programs]
    found = []
    for k in range(0, len(programs), width):
        for child in [fork(program, space, seconds) for program in programs[k : k + width]]:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            found.append({0: "survived", 2: "raised"}.get(code, "caught"))
    return found


def program(block, mutant):
    """Return the statements of a block with a mutant in its place."""
    if mutant.place < 0:
        return [mutant.statement, *block]
    return [*block[: mutant.place], mutant.statement, *block[mutant.place + 1 :]]


def split(groups):
    """Return what only one of one or two lists has, and what both have."""
    both = [item for item in groups[0] if len(groups) > 1 and item in groups[1]]
    return [item for group in groups for item in group if item not in both], both


def levels(block, site, live, known):
    """Yield the mutants of a check's sides, lines and functions, and whether both sides rest on them."""
    here = block[site.place]
    whole = [changed(here, site.sides[0], (), source) for source in wrapped(site)]
    yield [mutant for mutant in whole if mutant], False
    if verb(site.call) == "refute":
        return  # other wrong formulas are wrong as well
    yield [mutant for side in site.sides for mutant in mutants(here, side, known)], False
    functions = split([called(needs, live) for needs in site.needs])
    for both, lines in enumerate(split(site.leaves)):
        if verb(site.call) == "check":  # what holds for every draw is not about the draws
            lines = [leaf for leaf in lines if not DRAWS.search(ast.unparse(leaf.node))]
        yield [mutant for leaf in lines for mutant in mutants(block[leaf.place], leaf, known)], bool(both)
        lines = [Leaf(-1, (), live[name], set(), set()) for name in functions[both]]
        yield [mutant for leaf in lines for mutant in mutants(leaf.node, leaf, known)], bool(both)


def go_on(block, space):
    """Run a block as it is, a statement at a time; say what fails, and go on."""
    for statement, cell in zip(*block, strict=True):
        try:
            execute([statement], space)
        except Exception as error:
            print(f"cell {cell} fails as it is: {str(error)[:100]}", flush=True)
    plt.close("all")


def drawn(block, live, known, most):
    """Draw the mutants of a block; return {key: (mutant, Tried)} of those drawn, and of all."""
    chosen, every = set(), {}
    for site in sites(block.statements):
        for level, both in levels(block.statements, site, live, known):
            keys = [m.function or (block.cells[0], m.place, ast.unparse(m.statement)) for m in level]
            for key, mutant in zip(keys, level, strict=True):
                new = mutant, Tried(block.cells[site.place], [], [], mutant.change, "")
                tried = every.setdefault(key, new)[1]
                (tried.both if both else tried.one).append(site.label)
            chosen |= set(draw(keys, most // 2 if both else most))
    return {key: every[key] for key in every if key in chosen}, every


def again(tried, reached, live):
    """Yield the surviving mutants of functions that a block calls."""
    for key, (mutant, held) in tried.items():
        name = defined(mutant.statement)
        if held.fate == "survived" and name in reached and ast.unparse(live[name]) == mutant.original:
            yield key, (mutant._replace(place=-1), held)


def try_block(block, space, live, tried, new, width):
    """Run the mutants of a block, and those of its functions that survived before; add them to `tried`."""
    reached = called({n for site in sites(block.statements) for needs in site.needs for n in needs}, live)
    todo = {key: pair for key, pair in new.items() if key not in tried} | dict(again(tried, reached, live))
    start = spent()
    control = [live[name] for name in reached] + block.statements
    if todo and fates([control], space, 600) != ["survived"]:
        print(f"cell {block.cells[-1]}: fails with its functions defined anew; left out", flush=True)
        return
    seconds = 5 * (spent() - start) + 2
    programs = [program(block.statements, mutant) for mutant, _ in todo.values()]
    found = fates(programs, space, seconds, width)
    for (key, (mutant, held)), fate in zip(todo.items(), found, strict=True):
        tried[key] = mutant, held._replace(fate=fate)


def try_cells(cells, most, width=1, wanted=None):
    """Run cells and their mutants, or those of wanted blocks; return those tried, all, and the seconds."""
    space, live, known, tried, every, own = {"__name__": "__main__", "display": print}, {}, set(), {}, {}, 0
    for number, block in enumerate(blocks(cells)):
        imports = [s for s in block.statements if isinstance(s, ast.ImportFrom)]
        known |= {alias.name for s in imports for alias in s.names if alias.name in NEIGHBOURS}
        if wanted is None or number in wanted:
            new, could = drawn(block, live, known, most)
            every |= could
            if wanted is not None:  # whether a later block notices the mutant of a function is not seen
                new = {key: pair for key, pair in new.items() if not pair[0].function}
            try_block(block, space, live, tried, new, width)
        elif number > max(wanted):
            break
        start = spent()
        go_on(block, space)
        own += spent() - start
        for statement in block.statements:
            for name in binds(statement):
                live.pop(name, None)
            if defined(statement):
                live[defined(statement)] = statement
    return [held for _, held in tried.values()], [held for _, held in every.values()], own


def try_chapter(path, most, width=1, wanted=None):
    """Run a chapter and its mutants; return what was tried, all there was to try, and the seconds."""
    os.chdir(path.parent)
    matplotlib.use("agg")
    warnings.simplefilter("ignore")
    return *try_cells(nbformat.read(path, as_version=4).cells, most, width, wanted), spent()


def pattern(text):
    """Return the regular expression of a mutation in the list, where … stands for anything."""
    return re.compile(".*".join(map(re.escape, text.split("…"))), re.DOTALL)


def excuse(tried, every, entries):
    """Mark the survivors that are listed as no error; return all, and the entries that match nothing."""

    def matches(entry, held):
        labels = held.one + held.both
        return pattern(entry["mutation"]).fullmatch(held.change) and entry["label"] in (*labels, "…")

    marked = [
        held._replace(fate="listed")
        if held.fate == "survived" and any(matches(entry, held) for entry in entries)
        else held
        for held in tried
    ]
    return marked, [entry for entry in entries if not any(matches(entry, held) for held in every)]


def score(tried, kind):
    """Return how many mutants of a kind count (those listed as no error do not), and how many were caught."""
    fates = Counter(held.fate for held in tried if held.kind == kind)
    caught = fates["caught"] + fates["raised"]
    return caught + fates["survived"], caught


def report(name, tried, own, total):
    """Print the survivors of a chapter, its scores, and its cost."""
    for held in sorted(tried, key=lambda held: (KINDS.index(held.kind), held.cell)):
        if held.fate == "survived":
            labels = list(dict.fromkeys(held.one or held.both))
            more = f" and {len(labels) - 1} more" * (len(labels) > 1)
            print(f"{name}, cell {held.cell}, {held.kind}: {labels[0]}{more}")
            print("    " + held.change.replace("\n", "\n    "))
    for kind in KINDS:
        (count, caught), fates = score(tried, kind), Counter(held.fate for held in tried if held.kind == kind)
        share = f" = {caught / count:.0%}" if count else ""
        less = f"{fates['raised']} of them raised; {fates['listed']} more are listed as no error"
        print(f"{name}, {kind}: {caught} of {count} caught{share} ({less})")
    print(f"{name}: {total:.0f} s of a processor, {own:.0f} s of them for the chapter itself", flush=True)


def listed(folder):
    """Return the list of the mutations that are no error."""
    path = folder / "data" / "equivalent_mutants.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or [] if path.exists() else []


def main(names, most, folder):
    """Try the chapters, report each as it is done; return the entries of the list that match nothing."""
    for variable in ("OPENBLAS_NUM_THREADS", "TQDM_DISABLE"):
        os.environ.setdefault(variable, "1")  # the processes read them when they start
    there, entries, scores = sorted(path.stem for path in folder.glob("*.ipynb")), listed(folder), {}
    odd = [entry for entry in entries if entry["chapter"] not in there]
    with ProcessPoolExecutor(os.cpu_count(), max_tasks_per_child=1) as pool:
        width = max(1, os.cpu_count() // len(names or there))
        jobs = {
            pool.submit(try_chapter, folder / f"{name}.ipynb", most, width): name for name in names or there
        }
        for job in as_completed(jobs):
            name, (tried, every, own, total) = jobs[job], job.result()
            tried, unused = excuse(tried, every, [entry for entry in entries if entry["chapter"] == name])
            odd += unused
            report(name, tried, own, total)
            scores[name] = [*score(tried, KINDS[0]), *score(tried, KINDS[1])]
    if most == MOST:
        renew(folder / "data" / "mutants.csv", HEAD, scores, there)
    return odd


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="chapter")
    parser.add_argument("--most", type=int, default=MOST, help="mutants of each kind for a call (4)")
    parser.add_argument("--chapters", type=Path, default=CHAPTERS, help="the folder of the notebooks")
    options = parser.parse_args()
    odd = main(options.names, options.most, options.chapters.resolve())
    for entry in odd:
        print("equivalent_mutants.yml, matches nothing:", entry)
    sys.exit(bool(odd))
