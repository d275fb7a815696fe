"""Run chapters again with every seed shifted, and list the checks that fail.

    python tools/reseed.py                          # all chapters, shifts 1 to 10, recorded in chapters/data
    python tools/reseed.py --shifts 3 4 -- lstm gru # two chapters, two shifts, nothing recorded
    python tools/reseed.py --drawn 2                # all chapters, two shifts that depend on their text
    python tools/reseed.py --digits --shifts 1 2    # the seeds as they are, draws moved in the last digit

A claim that holds for other seeds is about the phenomenon. One that holds for other last digits does not hang
on the processor either: where the first digits of a long run change with the last ones, both are the same.
"""

import argparse
import contextlib
import csv
import io
import os
import random
import sys
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
from dependence import VERBS
from tqdm import tqdm

from rnnlib import checks

CHAPTERS = Path(__file__).resolve().parent.parent / "chapters"
NAMES = sorted(path.stem for path in CHAPTERS.glob("*.ipynb"))
RECORD = CHAPTERS / "data" / "reseeded.csv"
FRESH = np.random.default_rng


class Held(NamedTuple):
    """One call of a verb: where, what it said, whether it held; of `within` also what it measured."""

    cell: int
    label: str
    holds: bool
    why: str
    measured: tuple = ()  # least and largest value, low, high


class Moved(np.random.Generator):
    """A generator whose real draws are moved by at most one unit in the last place."""

    def __init__(self, bits, shift):
        super().__init__(bits)
        self.shift = FRESH(shift)

    def _move(self, draw):
        return draw * (1 + np.finfo(float).eps * self.shift.integers(-1, 2, np.shape(draw)))

    def standard_normal(self, *size, **options):
        return self._move(super().standard_normal(*size, **options))

    def normal(self, *size, **options):
        return self._move(super().normal(*size, **options))

    def uniform(self, *size, **options):
        return self._move(super().uniform(*size, **options))


def shifted(shift, digits):
    """Return a default_rng whose seeds, or whose draws in their last digit, depend on `shift`; 0 is as is."""

    def default_rng(seed=None):
        if shift == 0 or seed is None or isinstance(seed, np.random.Generator):
            return FRESH(seed)
        if digits:
            return Moved(np.random.PCG64(seed), shift)
        return FRESH([*np.atleast_1d(seed).tolist(), 7919 * shift])

    return default_rng


def recorder(verb, found):
    """Return `verb`, which notes in `found` whether it held instead of raising."""

    def call(label, *sides, **options):
        low_high = ()
        if verb.__name__ == "within" and np.size(sides[0]):
            low_high = (float(np.min(sides[0])), float(np.max(sides[0])), *map(float, sides[1:]))
        try:
            verb(label, *sides, **options)
        except AssertionError as error:
            found.append(Held(-1, label, False, str(error)[:300], low_high))
        else:
            found.append(Held(-1, label, True, "", low_high))

    return call


def run(name, shift, digits=False):
    """Run the code cells of a chapter and return a list of Held; a cell that raises is one that does not."""
    os.chdir(CHAPTERS)
    matplotlib.use("agg")
    warnings.simplefilter("ignore")
    np.random.default_rng, found = shifted(shift, digits), []
    for verb in VERBS:
        setattr(checks, verb, recorder(getattr(checks, verb), found))
    space = {"__name__": "__main__", "display": print}
    for k, cell in enumerate(nbformat.read(f"{name}.ipynb", as_version=4).cells):
        if cell.cell_type == "code" and cell.id != "fetch":
            before = len(found)
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(cell.source, f"{name}, cell {k}", "exec"), space)
            except Exception as error:
                found.append(Held(-1, f"{type(error).__name__}", False, str(error)[:300]))
            found[before:] = [held._replace(cell=k) for held in found[before:]]
            plt.close("all")
    return found


def rerun(names, shifts, digits=False):
    """Return {(name, shift): list of Held}, every run in a process of its own, one for each processor."""
    for variable in ("OPENBLAS_NUM_THREADS", "TQDM_DISABLE"):
        os.environ.setdefault(variable, "1")  # the processes read them when they start
    tasks = list(product(names, shifts))
    with ProcessPoolExecutor(os.cpu_count(), max_tasks_per_child=1) as pool:
        futures = [pool.submit(run, name, shift, digits) for name, shift in tasks]
        return {task: future.result() for task, future in zip(tasks, tqdm(futures), strict=True)}


def drawn(count):
    """Draw shifts that nobody has chosen: others after every change of a chapter."""
    text = "".join(
        cell.source for name in NAMES for cell in nbformat.read(CHAPTERS / f"{name}.ipynb", 4).cells
    )
    return random.Random(text).sample(range(11, 10_000), count)


def report(results, margins):
    """Print what failed, in how many of the runs, and with `margins` the range of every measurement."""
    failed, said, spread = Counter(), {}, {}
    for (name, shift), found in results.items():
        for held in found:
            key = (name, held.cell, held.label)
            if not held.holds:
                failed[key] += 1
                said.setdefault(key, []).append(f"    shift {shift}: {held.why}")
            if held.measured:
                spread.setdefault((*key, *held.measured[2:]), []).extend(held.measured[:2])
    for key, count in sorted(failed.items()):
        print(f"{count} x  {key[0]}, cell {key[1]}: {key[2]}", *said[key], sep="\n")
    for (name, cell, label, low, high), values in spread.items() if margins else ():
        print(f"{name}, cell {cell}: {label}: {min(values):.4g} to {max(values):.4g} in [{low:g}, {high:g}]")
    runs, lost = sum(map(len, results.values())), sum(failed.values())
    print(f"{runs} checks in {len(results)} runs, {lost} failed")


def record(results, shifts):
    """Write per chapter how many checks there are, how many shifts were tried, and how many checks failed."""
    with RECORD.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["chapter", "checks", "shifts", "failed"])
        for name in NAMES:
            found = [results[name, shift] for shift in shifts]
            failed = sum(not held.holds for run in found for held in run)
            table.writerow([name, len(found[0]), len(shifts), failed])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="chapter", choices=[[], *NAMES], default=[])
    parser.add_argument("--shifts", nargs="+", type=int, default=list(range(1, 11)))
    parser.add_argument("--drawn", type=int, help="so many shifts, others after every change of a chapter")
    parser.add_argument("--digits", action="store_true", help="move the last digits, not the seeds")
    parser.add_argument("--margins", action="store_true", help="print the range of every measurement")
    options = parser.parse_args()
    shifts = drawn(options.drawn) if options.drawn else options.shifts
    results = rerun(options.names or NAMES, shifts, options.digits)
    report(results, options.margins)
    if not (options.names or options.digits or options.drawn):
        record(results, shifts)
    sys.exit(any(not held.holds for found in results.values() for held in found))
