"""Recorded runs as tasks of a cluster: the rows are the same, and none is lost with whatever is killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import sweep

TOOLS = Path(sweep.__file__).parent
MODULE = '''"""Squares of matrices, each with a seed of its own."""

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

DATA = Path({folder!r})


class Settings(NamedTuple):
    gain: float
    seed: int


class Result(NamedTuple):
    total: float


class Experiment(NamedTuple):
    pause: float
    runs: list


def run(experiment, settings):
    with (DATA / "begun").open("a") as log:
        log.write(f"{{settings.seed}}\\n")
    time.sleep(experiment.pause)
    if settings.gain < 0:
        raise ValueError("a gain must not be negative")
    W = settings.gain * np.random.default_rng(settings.seed).standard_normal((50, 50))
    return Result((W @ W).sum())


def grid(*gains):
    return [Settings(gain, seed) for gain in gains for seed in range(10)]


EXPERIMENTS = {{
    "quick": Experiment(0, grid(0.1, 2**0.5)),
    "slow": Experiment(0.3, grid(1.0, 2.0)),
    "wrong": Experiment(0, grid(1.0)[:3] + [Settings(-1.0, 0)]),
}}

if __name__ == "__main__":
    import sweep

    sweep.PATIENCE = 5
    sweep.command(__file__)
'''


@pytest.fixture
def squares(tmp_path):
    """Write a module of experiments, and give its path."""
    path = tmp_path / "squares.py"
    path.write_text(MODULE.format(folder=str(tmp_path)))
    return path


def start(*command, path=TOOLS, **options):
    environment = os.environ | {"PYTHONPATH": str(path), "TQDM_DISABLE": "1"}
    return subprocess.Popen(
        [sys.executable, *map(str, command)], env=environment, start_new_session=True, text=True, **options
    )


def kill(process):
    """Kill a process, and those that it has started, as `kill -9` does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def swept(squares, *arguments):
    """Run the command; return its exit status and what it says."""
    process = start(squares, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = process.communicate(timeout=100)
    return process.returncode, said


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def rows(squares, name):
    record = squares.with_name(f"{name}.csv")
    return record.read_text().splitlines()[2:] if record.exists() else []


def begun(squares):
    """Return the seeds of the runs that have begun so far."""
    log = squares.with_name("begun")
    return log.read_text().split() if log.exists() else []


@contextlib.contextmanager
def running(*command, **options):
    process = start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            kill(process)


@contextlib.contextmanager
def scheduler(tmp_path):
    """Start a scheduler on 127.0.0.1; give its process and its address."""
    about = tmp_path / "scheduler.json"
    at = "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", about
    with running("-m", "distributed.cli.dask_scheduler", *at) as process:
        until(lambda: about.exists() and about.read_text().rstrip().endswith("}"))
        yield process, json.loads(about.read_text())["address"]


def worker(address, tmp_path, path=TOOLS):
    at = address, "--nthreads", "1", "--no-dashboard", "--local-directory", tmp_path
    return running("-m", "distributed.cli.dask_worker", *at, path=path, cwd=tmp_path)


def expected(squares, name):
    """Return the record as it has to be, made here, in one process."""
    space = {"__name__": "squares", "__file__": str(squares)}
    exec(squares.read_text(), space)
    experiment = space["EXPERIMENTS"][name]
    given = [(s, space["run"](experiment._replace(pause=0), s)) for s in experiment.runs]
    squares.with_name("begun").unlink()
    return [f"{s.gain},{s.seed},{result.total:.10g}" for s, result in given]


def test_the_cores_of_this_machine_run_what_is_missing_and_nothing_else(squares):
    whole = expected(squares, "quick")
    assert swept(squares, "quick") == (0, "")
    assert rows(squares, "quick") == whole
    assert len(begun(squares)) == 20
    record = squares.with_name("quick.csv")
    text = record.read_text()
    record.write_text("".join(line for line in text.splitlines(keepends=True) if ",7," not in line))
    assert len(rows(squares, "quick")) == 18
    assert swept(squares, "quick") == (0, "")
    assert record.read_text() == text
    assert begun(squares)[20:] == ["7", "7"]
    assert swept(squares, "quick") == (0, "Nothing is missing.\n")


def test_a_worker_of_this_machine_has_one_thread_and_keeps_the_memory_of_its_arrays():
    names = *sweep.MALLOC, "OPENBLAS_NUM_THREADS"
    with sweep.cluster(None) as client:
        (found,) = set(client.run(lambda: tuple(os.environ[name] for name in names)).values())
    assert found == (str(2**30), str(2**30), "1")


def test_a_cluster_that_is_there_already_is_in_nobodys_way(squares):
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # the port of Dask's own pages may be taken already
            stack.enter_context(socket.create_server(("", 8787)))
        assert swept(squares, "quick") == (0, "")


def test_rows_from_two_workers_of_a_cluster_are_those_of_one_process_digit_for_digit(squares, tmp_path):
    whole = expected(squares, "quick")
    with scheduler(tmp_path) as (_, address), worker(address, tmp_path), worker(address, tmp_path):
        assert swept(squares, "quick", "--scheduler", address) == (0, "")
    assert rows(squares, "quick") == whole


def test_a_killed_driver_loses_no_finished_row_and_the_next_call_runs_the_others(squares):
    whole = expected(squares, "slow")
    driver = start(squares, "slow")
    until(lambda: len(rows(squares, "slow")) >= 3)
    kill(driver)
    kept = rows(squares, "slow")
    assert 3 <= len(kept) < 20
    assert set(kept) <= set(whole)
    before = len(begun(squares))
    assert swept(squares, "slow") == (0, "")
    assert rows(squares, "slow") == whole
    assert len(begun(squares)) - before == 20 - len(kept)


def test_a_killed_worker_loses_no_row(squares, tmp_path):
    whole = expected(squares, "slow")
    with scheduler(tmp_path) as (_, address), worker(address, tmp_path), worker(address, tmp_path) as second:
        driver = start(squares, "slow", "--scheduler", address)
        until(lambda: len(rows(squares, "slow")) >= 3)
        kill(second)
        assert driver.wait(timeout=60) == 0
    assert rows(squares, "slow") == whole


def test_a_lost_scheduler_loses_no_finished_row_and_is_named(squares, tmp_path):
    whole = expected(squares, "slow")
    with scheduler(tmp_path) as (process, address), worker(address, tmp_path):
        driver = start(squares, "slow", "--scheduler", address, stderr=subprocess.PIPE)
        until(lambda: len(rows(squares, "slow")) >= 3)
        kill(process)
        _, said = driver.communicate(timeout=100)
    assert driver.returncode == 1
    assert "The scheduler is gone" in said
    assert 3 <= len(rows(squares, "slow")) < 20
    assert swept(squares, "slow") == (0, "")
    assert rows(squares, "slow") == whole


def test_a_run_that_raises_is_named_and_the_others_are_recorded(squares):
    status, said = swept(squares, "wrong")
    assert status == 1
    assert "wrong, Settings(gain=-1.0, seed=0): ValueError: a gain must not be negative" in said
    assert len(rows(squares, "wrong")) == 3


def test_a_scheduler_that_cannot_be_reached_is_named_with_what_to_do(squares):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    status, said = swept(squares, "quick", "--scheduler", free)
    assert status == 1
    assert f"There is no scheduler at {free}" in said
    assert "dask scheduler" in said


def test_a_scheduler_without_workers_is_named_with_what_to_do(squares, tmp_path):
    with scheduler(tmp_path) as (_, address):
        status, said = swept(squares, "quick", "--scheduler", address)
    assert status == 1
    assert f"{address} has no worker. Start one: dask worker {address}" in said


@pytest.mark.parametrize(
    ("text", "what"),
    [("raise ImportError", "has no rnnlib"), ("", "has another rnnlib than this checkout")],
    ids=["none", "another"],
)
def test_a_worker_without_the_package_or_with_another_is_refused(text, what, squares, tmp_path):
    other = tmp_path / "other" / "rnnlib"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text(text)
    with scheduler(tmp_path) as (_, address), worker(address, tmp_path, path=other.parent):
        status, said = swept(squares, "quick", "--scheduler", address)
    assert status == 1
    assert f" {what}: start it from" in said
    assert rows(squares, "quick") == []


@pytest.mark.parametrize("name", sweep.LIKE)
def test_a_worker_with_another_version_is_refused(name):
    def of(python="3.12.1.final.0", **packages):
        return {"host": {"python": python}, "packages": {"numpy": "2.4", "distributed": "2026.8"} | packages}

    other = of("3.11.7.final.0") if name == "python" else of(**{name: "1.0"})
    found = {"client": of(), "workers": {"tcp://one": of(), "tcp://two": other}}
    with pytest.raises(SystemExit, match=f"The worker tcp://two has {name} "):
        sweep.require_the_same(SimpleNamespace(get_versions=lambda packages: found))


def test_a_record_made_with_another_numpy_is_not_continued(squares):
    squares.with_name("quick.csv").write_text(
        "# python tools/squares.py quick (numpy 1.0)\ngain,seed,total\n"
    )
    status, said = swept(squares, "quick")
    assert status == 1
    assert "recorded by python tools/squares.py quick (numpy 1.0)" in said
    assert "Remove the file" in said
    assert begun(squares) == []


def test_a_name_that_is_no_experiment_is_refused_with_those_that_are(squares):
    status, said = swept(squares, "quack")
    assert status == 2
    assert "quack is no experiment; there are quick, slow, wrong" in said
