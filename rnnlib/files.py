"""Arrays on disk. A file is whole or not there, the save before it stays beside it, and no pickle is read."""

import io
import os
import shutil
import uuid
import zipfile
from pathlib import Path

import numpy as np

from .params import leaves, map_tree, names


def save(path, tree):
    """Write weights, or any tree of arrays, to `path` (.npz); what was there becomes `path`.bak."""
    probe(path)
    write(path, named(tree))


def load(path, like):
    """Return the tree saved in `path`, shaped as `like`: load("weights.npz", initialize.weights(...)).

    Raises ValueError if the file is damaged or foreign, or holds arrays of other names, shapes or dtypes.
    """
    return fit(path, read(path), like)


def named(tree):
    """Return the arrays of a tree by their names."""
    return dict(zip((name or "array" for name in names(tree)), leaves(tree), strict=True))


def fit(path, arrays, like):
    """Return `arrays`, read from `path`, as a tree shaped as `like`, or raise ValueError."""
    wanted = named(like)
    for name in [*wanted, *(arrays.keys() - wanted.keys())]:
        there, here = (_kind(source.get(name)) for source in (arrays, wanted))
        if there != here:
            raise ValueError(
                f"{path} holds another network or optimizer: {name} is {there} there, {here} here"
            )
    parts = iter(arrays[name] for name in wanted)
    return map_tree(lambda _: next(parts), like)


def _kind(array):
    return "not" if array is None else f"{array.shape} in {np.asarray(array).dtype}"


def write(path, arrays):
    """Write arrays by name: beside the file first, then renamed, so that nobody ever reads half of it.

    Two writers of one path do not disturb each other: the last one stays.
    """
    path = _path(path)
    new, old = _beside(path), _beside(path)
    try:
        with new.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                for name, array in arrays.items():
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            _link(path, old)
            old.replace(f"{path}.bak")
        new.replace(path)
    finally:
        for rest in (new, old):
            rest.unlink(missing_ok=True)


def read(path):
    """Return the arrays of a file by name, or raise ValueError with what is wrong and what to do."""
    path = _path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, but must be a file")
    try:
        with zipfile.ZipFile(path) as archive:
            whole = {name: io.BytesIO(archive.read(name)) for name in archive.namelist()}
        return {
            name.removesuffix(".npy"): np.lib.format.read_array(file, allow_pickle=False)
            for name, file in whole.items()
        }
    except FileNotFoundError:
        raise ValueError(f"{path} is not there") from None
    except Exception as error:  # a damaged file can make a reader stumble anywhere
        raise ValueError(
            f"{path} is damaged or no file of arrays ({type(error).__name__}: {error}): delete it to start "
            f"anew, or put the save before it, {path.name}.bak, in its place if there is one"
        ) from error


def data(name):
    """Return the path of a recorded file of the book, data("recall.csv"), from whatever folder."""
    checkout = Path(__file__).parent.parent
    for folder in (Path("data"), Path("chapters", "data"), checkout / "chapters" / "data"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not in the book's chapters/data: run the notebook in its checkout")


def probe(path):
    """Make the folder of `path`, and raise OSError unless a file can be written there."""
    path = _path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, but must be a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        trial = _beside(path)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error}): choose another path") from error


def _path(path):
    return Path(os.path.realpath(os.fsdecode(path)))  # a link stays a link


def _beside(path):
    return path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")


def _link(path, copy):
    try:
        os.link(path, copy)
    except OSError:  # a file system without links
        shutil.copy2(path, copy)
