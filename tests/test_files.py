import json

import pytest

from fgbgnet.files import atomic_path, write_bytes, write_json


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


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert names(tmp_path) == []
