"""Files: whole or not there, refused in a sentence that says what to do, readable while they are written."""

import io
import multiprocessing
import os
import random
from pathlib import Path

import numpy as np
import pytest
from points import point, same_bits

from rnnlib import files
from rnnlib.cells import LSTM, TANH
from rnnlib.params import cast, map_tree

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS = point(LSTM, 2).weights


def archive(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.fixture
def saved(tmp_path):
    """Return the path of a file, and the bytes that are in it."""
    path = tmp_path / "weights.npz"
    files.save(path, WEIGHTS)
    return path, path.read_bytes()


def test_save_and_load_are_inverse_and_keep_precision(tmp_path):
    for name, tree in {"64": WEIGHTS, "32": cast(WEIGHTS, np.float32), "one": np.arange(3.0)}.items():
        files.save(tmp_path / name, tree)
        loaded = files.load(tmp_path / name, map_tree(np.zeros_like, tree))
        assert same_bits(loaded, tree)
        assert type(loaded) is type(tree)


def test_a_file_can_be_read_with_numpy_by_the_names_of_the_arrays(saved):
    with np.load(saved[0]) as file:
        assert np.array_equal(file["layers.1.W_hh"], WEIGHTS.layers[1].W_hh)


def test_a_folder_is_made_and_a_path_may_be_anything_that_names_a_file(tmp_path):
    for path in (tmp_path / "a b" / "ü.npz", str(tmp_path / "text"), os.fsencode(tmp_path / "bytes")):
        files.save(path, WEIGHTS)
        assert same_bits(files.load(path, WEIGHTS), WEIGHTS)


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    files.save(tmp_path / "link", WEIGHTS)
    assert (tmp_path / "link").is_symlink()
    assert same_bits(files.load(tmp_path / "file", WEIGHTS), WEIGHTS)


def test_the_save_before_stays_beside_the_new_one(tmp_path):
    path = tmp_path / "weights.npz"
    for value in (1.0, 2.0, 3.0):
        files.save(path, np.full(2, value))
    assert files.load(path, np.zeros(2)).tolist() == [3, 3]
    assert files.load(f"{path}.bak", np.zeros(2)).tolist() == [2, 2]
    assert sorted(os.listdir(tmp_path)) == ["weights.npz", "weights.npz.bak"]


def test_the_save_before_stays_where_a_file_cannot_have_two_names(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    test_the_save_before_stays_beside_the_new_one(tmp_path)


def no_links(*_):
    raise OSError("not supported")


DAMAGED = {
    "empty": lambda data: b"",
    "text": lambda data: b"a list of things to do",
    "cut in half": lambda data: data[: len(data) // 2],
    "without its last bytes": lambda data: data[:-10],
    "without its first bytes": lambda data: data[10:],
    "one array": lambda data: data[data.index(b"\x93NUMPY") :],
    "with a pickle": lambda data: archive(array=np.array([None])),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_in_one_sentence_with_its_path_and_a_remedy(name, saved):
    path, data = saved
    path.write_bytes(DAMAGED[name](data))
    with pytest.raises(ValueError, match=r"weights.npz is damaged or no file of arrays \(.*\): delete it"):
        files.load(path, WEIGHTS)
    assert path.exists()


def test_a_flipped_bit_is_noticed_or_harmless(saved):
    path, data = saved
    draw, noticed = random.Random(0), 0
    for _ in range(200):
        spoiled = bytearray(data)
        spoiled[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(spoiled)
        try:
            loaded = files.load(path, WEIGHTS)
        except ValueError as error:
            noticed += str(path) in str(error)
        else:
            assert same_bits(loaded, WEIGHTS)
            noticed += 1
    assert noticed == 200


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is a folder, but must be a file"):
        files.load(tmp_path, WEIGHTS)
    with pytest.raises(ValueError, match=r"nothing.npz is not there"):
        files.load(tmp_path / "nothing.npz", WEIGHTS)


OTHERS = {
    "smaller": (
        point(LSTM, 2, sizes=(5, 2, 4, 2, 6)).weights,
        r"W_hh is \(12, 3\) in float64 there, \(8, 2\) in",
    ),
    "single": (cast(WEIGHTS, np.float32), r"W_hh is \(12, 3\) in float64 there, \(12, 3\) in float32 here"),
    "deeper": (point(LSTM, 3).weights, r"layers.2.W_hh is not there, \(12, 3\) in float64 here"),
    "shallower": (point(LSTM, 1).weights, r"is \(.*\) in float64 there, not here"),
    "ungated": (point(TANH, 2).weights, r"layers.0.W_hh is \(12, 3\) in float64 there, \(3, 3\)"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_arrays_of_another_network_are_refused_by_naming_the_first(name, saved):
    like, text = OTHERS[name]
    with pytest.raises(ValueError, match=rf"holds another network or optimizer: .*{text}"):
        files.load(saved[0], like)


def writes(path, value, times):
    for _ in range(times):
        files.write(path, {"array": np.full(20_000, value)})


def test_two_writers_and_a_reader_never_see_half_a_file(tmp_path):
    path, context = tmp_path / "shared.npz", multiprocessing.get_context("spawn")
    writes(path, 0.0, 1)
    writers = [context.Process(target=writes, args=(path, value, 60)) for value in (1.0, 2.0)]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        for name in (path, f"{path}.bak"):
            if os.path.exists(name):
                seen |= set(np.unique(files.load(name, np.zeros(20_000))))
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert {1.0, 2.0} <= seen <= {0.0, 1.0, 2.0}
    assert sorted(os.listdir(tmp_path)) == ["shared.npz", "shared.npz.bak"]


def test_the_data_of_the_book_are_found_from_any_folder(tmp_path, monkeypatch):
    for folder in (tmp_path, ROOT, ROOT / "chapters"):
        monkeypatch.chdir(folder)
        assert files.data("sunspots.csv").samefile(ROOT / "chapters" / "data" / "sunspots.csv")
    with pytest.raises(FileNotFoundError, match=r"nothing.csv is not in the book's chapters/data"):
        files.data("nothing.csv")
