import errno
import hashlib
import json
import tarfile
import zipfile

import pytest
from hypothesis import given, strategies as st

from fgbgnet.data import Manifest, PairedShardDataset, ShardIndex, pack_shards
from fgbgnet.data.shards import packing
from fgbgnet.data.shards.names import id_of, key_of, split_member
from fgbgnet.errors import InvalidArgumentError, ManifestError, MissingFileError, OutputError


def members(path):
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_members_are_the_files_as_they_are(quadruples, tmp_path):
    manifest = Manifest.read(quadruples)
    index = pack_shards(quadruples, tmp_path / "out-%04d.tar", samples_per_shard=5, shuffle=False)
    assert [shard.samples for shard in index.shards] == [5, 5, 2]
    assert [shard.name for shard in index.shards] == ["out-0000.tar", "out-0001.tar", "out-0002.tar"]
    found = {}
    for shard in index.shards:
        content = (tmp_path / shard.name).read_bytes()
        assert (shard.bytes, shard.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        found |= members(tmp_path / shard.name)
    assert len(found) == 5 * 12
    for row, id in enumerate(manifest.column("id").tolist()):
        for layer in ("bg", "fg_bg", "mask", "depth"):
            stored = manifest.resolve(manifest.column(layer)[row]).read_bytes()
            assert found[f"{id}.{layer}.png"] == stored
        assert json.loads(found[f"{id}.json"]) == {name: manifest.column(name)[row] for name in manifest.names}
    assert ShardIndex.read(tmp_path / "out-index.json") == index
    assert sorted(path.name for path in tmp_path.glob("out*")) == [
        "out-0000.tar", "out-0001.tar", "out-0002.tar", "out-index.json",
    ]  # fmt: skip


def test_the_order_is_random_and_the_same_again(quadruples, tmp_path):
    def keys(**settings):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        pack_shards(quadruples, folder / "%d.tar", **settings)
        return [name.removesuffix(".json") for name in members(folder / "0.tar") if name.endswith("json")]

    ids = Manifest.read(quadruples).column("id").tolist()
    assert keys(shuffle=False) == ids
    assert keys() == keys(seed=0) != ids
    assert sorted(keys(seed=1)) == ids
    assert keys(seed=1) != keys()


def test_files_out_of_archives(quadruples, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in quadruples.parent.rglob("*.png"):
            archive.write(path, path.relative_to(quadruples.parent))
    manifest = Manifest.read(quadruples)
    columns = {name: manifest.column(name).tolist() for name in manifest.names}
    for name in ("bg", "fg_bg", "mask", "depth"):
        columns[name] = [f"all.zip/{path}" for path in columns[name]]
    pack_shards(Manifest(columns, tmp_path), tmp_path / "zips-%d.tar")
    pack_shards(manifest, tmp_path / "files-%d.tar")
    pictures = [
        {name: content for name, content in members(tmp_path / f"{source}-0.tar").items() if "json" not in name}
        for source in ("zips", "files")
    ]
    assert pictures[0] == pictures[1]


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_keys_of_any_id(id):
    key = key_of(id)
    assert id_of(key) == id
    assert key.isascii()
    assert not set(key) & set("./ \\")
    assert split_member(f"{key}.fg_bg.jpg") == (key, "fg_bg")


def test_odd_ids_and_suffixes(quadruples, tmp_path):
    ids = ["a.b/c", "raum ä", "x" * 300]
    names = ["1.JPG", "noext", "odd.p?g"]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    pack_shards(Manifest.from_lists("1.JPG", names, names, root=tmp_path, id=ids), tmp_path / "%d.tar", shuffle=False)
    found = members(tmp_path / "0.tar")
    keys = ["a%2Eb%2Fc", "raum%20%C3%A4", "x" * 300]
    assert [found[f"{key}.fg_bg{end}"] for key, end in zip(keys, [".jpg", "", ""], strict=True)] == [
        name.encode() for name in names
    ]
    assert [json.loads(found[f"{key}.json"])["id"] for key in keys] == ids


def test_a_limit_of_bytes(quadruples, tmp_path):
    for limit in (30_000, 50_000):
        index = pack_shards(quadruples, tmp_path / str(limit) / "%d.tar", max_bytes=limit, share_backgrounds=True)
        assert index.samples == 12
        assert len(index.shards) > 1
        assert all(shard.bytes <= limit for shard in index.shards)
        assert all(shard.bytes == (tmp_path / str(limit) / shard.name).stat().st_size for shard in index.shards)
    # A sample that is larger than the limit has a shard of its own.
    assert [s.samples for s in pack_shards(quadruples, tmp_path / "one" / "%d.tar", max_bytes=1).shards] == [1] * 12


def test_long_names_count_towards_the_limit(quadruples, tmp_path):
    manifest = Manifest.read(quadruples)
    long = manifest.with_column("id", [str(n).zfill(240) for n in range(12)])
    index = pack_shards(long, tmp_path / "%d.tar", max_bytes=40_960)
    assert len(index.shards) > 1
    assert all(shard.bytes <= 40_960 for shard in index.shards)


def test_shared_backgrounds(quadruples, tmp_path):
    pack_shards(quadruples, tmp_path / "twice-%d.tar", shuffle=False)
    pack_shards(quadruples, tmp_path / "once-%d.tar", shuffle=False, share_backgrounds=True)
    found = members(tmp_path / "once-0.tar")
    manifest = Manifest.read(quadruples)
    shared = [name for name in found if name.startswith("bg/")]
    assert shared == ["bg/0.png", "bg/1.png", "bg/2.png", "bg/3.png"]
    for row, id in enumerate(manifest.column("id").tolist()):
        reference = json.loads(found[f"{id}.json"])["__shared__"]["bg"]
        assert found[reference] == manifest.resolve(manifest.column("bg")[row]).read_bytes()
        assert f"{id}.bg.png" not in found
    assert (tmp_path / "once-0.tar").stat().st_size < (tmp_path / "twice-0.tar").stat().st_size


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_what_was_interrupted_goes_on(quadruples, tmp_path, monkeypatch, failure):
    calls = []

    def read(path):
        calls.append(path)
        if len(calls) == 30:
            raise failure
        return packing_read(path)

    packing_read = packing.read_bytes
    monkeypatch.setattr(packing, "read_bytes", read)
    arguments = {"shards": tmp_path / "out" / "%d.tar", "samples_per_shard": 3}
    expected = KeyboardInterrupt if failure is KeyboardInterrupt else OutputError
    message = None if expected is KeyboardInterrupt else r"the disk is full; .*the same call goes on"
    with pytest.raises(expected, match=message):
        pack_shards(quadruples, **arguments)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert sorted(before) == ["0.tar", "1.tar", "index.partial.json"]
    calls.clear()
    monkeypatch.setattr(packing, "read_bytes", lambda path: calls.append(path) or packing_read(path))
    resumed = pack_shards(quadruples, **arguments)
    assert len(calls) == 6 * 4
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert sorted(after) == ["0.tar", "1.tar", "2.tar", "3.tar", "index.json"]
    assert after["0.tar"] == before["0.tar"]
    whole = pack_shards(quadruples, tmp_path / "whole" / "%d.tar", samples_per_shard=3)
    assert [shard.sha256 for shard in resumed.shards] == [shard.sha256 for shard in whole.shards]
    assert pack_shards(quadruples, **arguments) == resumed  # nothing is left to do
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == after


def test_shards_are_never_mixed(quadruples, tmp_path):
    pattern = tmp_path / "out-%d.tar"
    (tmp_path / "out-7.tar").touch()
    with pytest.raises(InvalidArgumentError, match=r"out-7\.tar is there already, without out-index\.json"):
        pack_shards(quadruples, pattern)
    (tmp_path / "out-7.tar").unlink()
    pack_shards(quadruples, pattern, samples_per_shard=6)
    with pytest.raises(InvalidArgumentError, match="lists shards of another manifest or of other settings"):
        pack_shards(quadruples, pattern, samples_per_shard=5)
    with pytest.raises(InvalidArgumentError, match="lists shards of another manifest"):
        pack_shards(Manifest.read(quadruples).select(range(11)), pattern, samples_per_shard=6)
    (tmp_path / "out-1.tar").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match=r"out-1\.tar is not the shard of \d+ bytes that out-index\.json"):
        pack_shards(quadruples, pattern, samples_per_shard=6)


@pytest.mark.parametrize("pattern", ["out.tar", "out-%d-%d.tar", "out-%06d.zip", "out-%s.tar", "%d%%.tar"])
def test_patterns_that_do_not_number(quadruples, tmp_path, pattern):
    with pytest.raises(InvalidArgumentError, match=r"does not number the shards; expected a name with one %06d"):
        pack_shards(quadruples, tmp_path / pattern)


def test_wrong_arguments(quadruples, tmp_path):
    with pytest.raises(InvalidArgumentError, match="samples_per_shard is 0; expected at least 1"):
        pack_shards(quadruples, tmp_path / "%d.tar", samples_per_shard=0)
    with pytest.raises(InvalidArgumentError, match="max_bytes is 0; expected at least 1"):
        pack_shards(quadruples, tmp_path / "%d.tar", max_bytes=0)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentError, match="is a file, so no folder can be made there"):
        pack_shards(quadruples, tmp_path / "file" / "%d.tar")
    with pytest.raises(MissingFileError, match="nowhere"):
        pack_shards(tmp_path / "nowhere.csv", tmp_path / "%d.tar")
    picture = quadruples.parent / "bg/bg_0.png"
    with pytest.raises(MissingFileError, match=r"no file at .*lost\.png"):
        pack_shards(Manifest.from_lists(picture, [picture], ["lost.png"], root=tmp_path), tmp_path / "%d.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_index_never_names_what_is_elsewhere(tmp_path, monkeypatch):
    # An index may come from anywhere; beside it in the current folder "pipe:" would be a command.
    monkeypatch.chdir(tmp_path)
    for name in ("pipe:touch here", "../x.tar", "/etc/passwd", "..\\x.tar", "s3://bucket/x.tar", "", 7):
        shard = {"name": name, "samples": 1, "bytes": 1, "sha256": ""}
        content = {"format": "fgbgnet-shards", "version": 1, "source": "", "shards": [shard]}
        (tmp_path / "index.json").write_text(json.dumps(content))
        with pytest.raises(ManifestError, match="which is not the name of a file beside it"):
            list(PairedShardDataset("index.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


def test_indexes_that_are_none(tmp_path):
    shard = {"name": "a.tar", "samples": "3", "bytes": 1, "sha256": ""}
    wrong = {"format": "fgbgnet-shards", "version": 1, "source": "", "shards": [shard]}
    for content, message in [
        (json.dumps(wrong), r"is damaged \(a\.tar has '3' samples\)"),
        ("[]", "is no index of shards"),
        ("{", "is no index of shards"),
        ('{"format": "fgbgnet-shards", "version": 9}', "has version 9; this release reads 1"),
        ('{"format": "fgbgnet-shards", "version": 1, "source": "", "shards": [{"name": "a"}]}', "is damaged"),
    ]:
        (tmp_path / "index.json").write_text(content)
        with pytest.raises(ManifestError, match=message):
            ShardIndex.read(tmp_path / "index.json")
    with pytest.raises(MissingFileError, match="no index of shards at"):
        ShardIndex.read(tmp_path / "none.json")
