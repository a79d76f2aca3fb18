import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fgbgnet.errors import InvalidArgumentError
from fgbgnet.files import atomic_path, check_output, write_bytes, write_json


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "a.json"
    assert write_json(path, {"x": 1}) == path
    write_json(path, {"x": 2})
    assert json.loads(path.read_text()) == {"x": 2}
    assert names(path.parent) == ["a.json"]


def test_an_interruption_leaves_the_former_file(tmp_path):
    path = write_bytes(tmp_path / "a.bin", b"old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_the_suffix_stays_so_that_writers_know_the_format(tmp_path):
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")


def test_threads_that_write_one_file_do_not_disturb_each_other(tmp_path):
    path, threads = tmp_path / "a.bin", 4
    written = threading.Barrier(threads, timeout=30)

    def write(number):
        with atomic_path(path) as temporary:
            temporary.write_bytes(bytes([number]) * 1000)
            written.wait()  # all have written before the first one replaces
            assert temporary.read_bytes() == bytes([number]) * 1000
        return temporary

    with ThreadPoolExecutor(threads) as pool:
        assert len(set(pool.map(write, range(threads)))) == threads
    content = path.read_bytes()
    assert content in [bytes([number]) * 1000 for number in range(threads)]
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    write_bytes(tmp_path / "ours", b"")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be synchronised elsewhere")
def test_the_folder_is_synchronised_after_the_renaming(tmp_path, monkeypatch):
    path, seen, fsync = tmp_path / "a.bin", [], os.fsync

    def spy(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_bytes(path, b"x")
    assert seen == [("file", False), ("folder", True)]


def test_long_names_are_written_too(tmp_path):
    name = "n" * 240 + ".json"
    write_bytes(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    path = write_bytes(tmp_path / "a.bin", b"old")
    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass
    assert path.read_bytes() == b"old"


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert names(tmp_path) == []


def test_output_is_checked_before_the_work(tmp_path):
    file = write_bytes(tmp_path / "file", b"x")
    check_output(tmp_path / "new" / "deep" / "results.json", folder=False)
    check_output(tmp_path / "new", folder=True)
    assert not (tmp_path / "new").exists()
    for path, folder, words in (
        (file, True, "is a file"),
        (file / "deep" / "results.json", False, "is a file"),
        (tmp_path, False, r"such as .*results\.json"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            check_output(path, folder)
