"""Run what is missing of recorded experiments: on all cores of this machine, or on a Dask cluster.

A module of experiments has EXPERIMENTS, by name, each with its `runs`; Settings and Result, the columns of a
row; `run(experiment, settings)`, which returns a Result; and DATA, the folder of the records. It ends with
`sweep.command(__file__)`, and is then a command:

    python tools/experiments.py recall adding
    python tools/experiments.py recall --scheduler tcp://10.0.0.1:8786

A row is a task, and finds its random numbers from its own settings, so where it runs makes no difference.
It is written down as soon as it is there, into a file beside the record that then takes its name: the record
is whole at any time, and what has been interrupted goes on by giving the command again.
"""

import argparse
import contextlib
import csv
import hashlib
import importlib
import logging
import os
import sys
from pathlib import Path

import dask
import numpy as np
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, as_completed
from tqdm import tqdm

LIKE = "python", "numpy", "distributed"  # of these the workers must have the driver's version
MALLOC = "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"  # or Dask's workers ask for every array anew
PATIENCE = 30  # seconds for a scheduler to answer, and for its first worker
CURE = "start it from an environment with requirements.lock and this checkout (make .venv/.ready)."


class Record:
    """The rows of an experiment that are there, and its file."""

    def __init__(self, module, name):
        self.path, self.runs = module.DATA / f"{name}.csv", module.EXPERIMENTS[name].runs
        self.made = f"# python tools/{Path(module.__file__).name} {name} (numpy {np.__version__})\n"
        self.fields = module.Settings._fields + module.Result._fields
        self.rows = {self.key(settings): None for settings in self.runs}
        if self.path.exists():
            made, *lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            if made != self.made:
                sys.exit(f"{self.path}: recorded by {made[2:]}Remove the file to record it anew.")
            for row in list(csv.reader(lines))[1:]:
                key = tuple(row[: len(module.Settings._fields)])
                if key in self.rows:
                    self.rows[key] = row

    @staticmethod
    def key(settings):
        return tuple(map(str, settings))

    def missing(self):
        """Return the runs that have no row."""
        return [settings for settings in self.runs if self.rows[self.key(settings)] is None]

    def add(self, settings, result):
        """Write down the result of a run: the rows that are there, in the order of the runs."""
        self.rows[self.key(settings)] = [*settings, *(f"{value:.10g}" for value in result)]
        beside = self.path.with_suffix(".part")
        with beside.open("w", newline="", encoding="utf-8") as file:
            file.write(self.made)
            table = csv.writer(file, lineterminator="\n")
            table.writerow(self.fields)
            table.writerows(row for row in self.rows.values() if row)
        os.replace(beside, self.path)


def task(module, name, settings):
    """Run an experiment once, where the module is."""
    module = importlib.import_module(module)
    return tuple(module.run(module.EXPERIMENTS[name], module.Settings(*settings)))


def source():
    """Return a fingerprint of the package, as it is here, or None."""
    try:
        import rnnlib
    except ImportError:
        return None
    files = sorted(Path(rnnlib.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@contextlib.contextmanager
def cluster(scheduler):
    """Give a client of the scheduler, or of a cluster on this machine: a worker for every core."""
    if scheduler is None:
        with (
            dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": 2**30 for name in MALLOC}),
            LocalCluster(
                n_workers=CPU_COUNT,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # a worker that says goodbye too late
            ) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        sys.exit(f"There is no scheduler at {scheduler} ({error}). Start one: dask scheduler")
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            sys.exit(f"{scheduler} has no worker. Start one: dask worker {scheduler} --nthreads 1")
        yield client


def require_the_same(client):
    """Refuse workers whose versions or whose package are not those of this process: rows would differ."""

    def versions(of):
        return of["packages"] | {"python": ".".join(of["host"]["python"].split(".")[:2])}

    found = client.get_versions(packages=["numpy"])
    here = versions(found["client"])
    for address, worker in found["workers"].items():
        there = versions(worker)
        for name in LIKE:
            if there[name] != here[name]:
                sys.exit(f"The worker {address} has {name} {there[name]}, and here is {here[name]}: {CURE}")
    client.upload_file(__file__)
    for address, its_own in client.run(source).items():
        if its_own != source():
            what = "has no rnnlib" if its_own is None else "has another rnnlib than this checkout"
            sys.exit(f"The worker {address} {what}: {CURE}")


def sweep(module, names, scheduler=None):
    """Run what is missing of the named experiments, and write it down; exit with a sentence if that fails."""
    records = {name: Record(module, name) for name in names}
    missing = [(name, settings) for name, record in records.items() for settings in record.missing()]
    if not missing:
        print("Nothing is missing.")
        return
    failed, lost = [], 0
    with cluster(scheduler) as client:
        require_the_same(client)
        client.upload_file(module.__file__)
        futures = {
            client.submit(task, module.__name__, name, tuple(settings), pure=False): (name, settings)
            for name, settings in missing
        }
        for future in tqdm(as_completed(futures), total=len(futures), unit="row"):
            name, settings = futures[future]
            if future.status == "finished":
                records[name].add(settings, future.result())
            elif future.status == "error":
                error = future.exception()
                failed.append(f"{name}, {settings}: {type(error).__name__}: {error}")
            else:
                lost += 1
    if lost:
        failed.append(
            f"The scheduler is gone, and with it {lost} rows. The same command runs what is missing."
        )
    sys.exit("\n".join(failed) or None)


def command(path):
    """Be the command of the module of experiments at `path`."""
    module = importlib.import_module(Path(path).stem)
    parser = argparse.ArgumentParser(description=module.__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(module.EXPERIMENTS)}; without any, all")
    parser.add_argument("--scheduler", help="address of a Dask scheduler; without it, this machine's cores")
    given = parser.parse_args()
    for name in given.names:
        if name not in module.EXPERIMENTS:
            parser.error(f"{name} is no experiment; there are {', '.join(module.EXPERIMENTS)}")
    sweep(module, given.names or list(module.EXPERIMENTS), given.scheduler)
