import multiprocessing
import os
import threading
import zipfile
from collections import OrderedDict

import pytest

from fgbgnet.data import list_names, read_bytes, storage
from fgbgnet.data.storage import is_folder
from fgbgnet.errors import ArchiveError, MissingFileError, PictureError


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "part.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for n in range(50):
            file.writestr(f"data/{n}.bin", os.urandom(1) + bytes([n]) * 20_000)
    return path


def test_reads_files_and_members(tmp_path, archive):
    (tmp_path / "x.bin").write_bytes(b"abc")
    assert read_bytes(tmp_path / "x.bin") == b"abc"
    assert read_bytes(archive / "data" / "7.bin")[1:] == bytes([7]) * 20_000
    assert read_bytes(f"{archive}/data/8.bin")[1:] == bytes([8]) * 20_000


def test_a_folder_may_be_called_zip(tmp_path):
    (tmp_path / "x.zip").mkdir()
    (tmp_path / "x.zip/a").write_bytes(b"1")
    assert read_bytes(tmp_path / "x.zip/a") == b"1"
    assert list_names(tmp_path / "x.zip") == ["a"]


def test_an_archive_inside_a_folder_of_that_name(tmp_path, archive):
    (tmp_path / "all.zip").mkdir()
    archive.rename(tmp_path / "all.zip/part.zip")
    assert read_bytes(tmp_path / "all.zip/part.zip/data/3.bin")[1:] == bytes([3]) * 20_000
    assert storage.split_archive("all.zip/x") == ("all.zip", "x")
    assert storage.split_archive(f"{tmp_path}/all.zip/part.zip/data") == (f"{tmp_path}/all.zip/part.zip", "data")


def test_lists_folders_inside_an_archive(archive):
    assert list_names(archive) == ["data"]
    assert sorted(list_names(archive / "data")) == sorted(f"{n}.bin" for n in range(50))
    with pytest.raises(MissingFileError, match="no folder nothing in"):
        list_names(archive / "nothing")


def _read_all(path, repeats=3):
    good = all(read_bytes(f"{path}/data/{n}.bin")[1:] == bytes([n]) * 20_000 for _ in range(repeats) for n in range(50))
    if not good:
        raise AssertionError


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_read_at_the_same_time(archive, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    read_bytes(archive / "data/0.bin")  # the parent has the archive open already: the handle must not be shared
    paths = [f"{archive}/data/{n}.bin" for n in range(50)] * 3
    with multiprocessing.get_context(method).Pool(2) as pool:
        pending = pool.map_async(read_bytes, paths, chunksize=1)
        _read_all(archive)
        contents = pending.get(timeout=120)
    assert all(content[1:] == bytes([n % 50]) * 20_000 for n, content in enumerate(contents))


def test_threads_that_read_at_the_same_time(archive):
    failures = []

    def work():
        try:
            _read_all(archive)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_opens_an_archive(archive):
    with storage._lock:  # as that thread would hold it; the child must not wait for it
        process = multiprocessing.get_context("fork").Process(target=_read_all, args=(archive, 1))
        process.start()
        process.join(60)
    assert process.exitcode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_shares_what_is_open(archive):
    read_bytes(archive / "data/0.bin")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_identities) == _identities()


def _identities():
    return [id(archive.directory) for archive in storage._archives.values()]


def test_many_archives_do_not_exhaust_handles(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "_MAX_OPEN", 16)
    monkeypatch.setattr(storage, "_archives", OrderedDict())
    for n in range(40):
        with zipfile.ZipFile(tmp_path / f"{n}.zip", "w") as file:
            file.writestr("a", str(n))
    assert [read_bytes(tmp_path / f"{n}.zip/a") for n in range(40)] == [str(n).encode() for n in range(40)]
    assert read_bytes(tmp_path / "0.zip/a") == b"0"
    assert len(storage._archives) == 16


def test_missing_names_the_nearest(tmp_path, archive):
    (tmp_path / "picture_1.png").touch()
    with pytest.raises(MissingFileError, match=r"no file at .*picture_2\.png; the nearest are 'picture_1\.png'"):
        read_bytes(tmp_path / "picture_2.png")
    with pytest.raises(MissingFileError, match=r"the folder .*nowhere does not exist either"):
        read_bytes(tmp_path / "nowhere/a.png")
    with pytest.raises(MissingFileError, match=r"no member 'data/77\.bin' in .*the nearest are 'data/"):
        read_bytes(archive / "data/77.bin")
    with pytest.raises(MissingFileError, match=r"no archive at .*parts\.zip; the nearest are 'part\.zip'"):
        read_bytes(tmp_path / "parts.zip/data/1.bin")


def test_what_cannot_be_read(tmp_path, archive):
    with pytest.raises(PictureError, match="is a folder"):
        read_bytes(tmp_path)
    (tmp_path / "fake.zip").write_bytes(b"not a zip")
    with pytest.raises(ArchiveError, match=r"fake\.zip cannot be read: it is not a zip archive"):
        read_bytes(tmp_path / "fake.zip/a.png")
    content = bytearray(archive.read_bytes())
    content[45:55] = bytes(255 - value for value in content[45:55])  # inside the first member
    (tmp_path / "broken.zip").write_bytes(bytes(content))
    with pytest.raises(ArchiveError, match=r"broken\.zip cannot be read: data/0\.bin .*the archive is damaged"):
        read_bytes(tmp_path / "broken.zip/data/0.bin")
    with pytest.raises(PictureError, match=r"part\.zip is an archive; the path of a member was expected"):
        read_bytes(archive)


def test_an_archive_that_was_replaced_is_opened_again(tmp_path):
    path = tmp_path / "a.zip"
    for n, names in enumerate((["x"], ["y", "x"], ["x"])):
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as file:
            for name in names:
                file.writestr(name, f"content {n} {name}")
        (tmp_path / "new.zip").replace(path)
        assert read_bytes(path / "x") == f"content {n} x".encode()
        assert sorted(list_names(path)) == sorted(names)
    path.unlink()
    with pytest.raises(MissingFileError, match="no archive at"):
        read_bytes(path / "x")


def test_folders_on_disk_and_inside_an_archive(tmp_path):
    (tmp_path / "old.zipped").touch()
    (tmp_path / "x.zip").mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("data/deep/1.png", b"")
        file.writestr("readme.txt", b"")
        file.mkdir("empty")
    found = {
        name: is_folder(tmp_path / name) for name in ("", "old.zipped", "old.zipped/a", "x.zip", "b.zip", "b.zip/a")
    }
    assert [name for name, folder in found.items() if folder] == ["", "x.zip"]
    inside = {
        name: is_folder(f"{tmp_path}/a.zip/{name}") for name in ("", "data", "data/deep/", "empty", "readme.txt", "dat")
    }
    assert [name for name, folder in inside.items() if folder] == ["", "data", "data/deep/", "empty"]
    assert sorted(list_names(tmp_path / "a.zip")) == ["data", "empty", "readme.txt"]
    assert list_names(tmp_path / "a.zip/empty") == []
