import io
import json
import shutil
import sys
import tarfile
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from fgbgnet.data import (
    Manifest,
    PairedFgBgDataset,
    PairedShardDataset,
    collate_samples,
    eval_transform,
    make_loader,
    pack_shards,
    set_archive_limits,
    train_transform,
)
from fgbgnet.data.shards import sources
from fgbgnet.data.shards.sources import expand_braces, find_sources
from fgbgnet.errors import ArchiveError, InvalidArgumentError, MissingExtraError, MissingFileError


def same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value == second[name]
        for name, value in first.items()
    )


@pytest.fixture(scope="session")
def packed(quadruples, tmp_path_factory):
    """The index of four shards of three samples each."""
    folder = tmp_path_factory.mktemp("packed")
    pack_shards(quadruples, folder / "out-%d.tar", samples_per_shard=3)
    return folder / "out-index.json"


LAYERS = ("bg", "fg_bg", "mask", "depth")
TRANSFORMS = {
    "none": None,
    "evaluation": eval_transform(32),
    "training": train_transform(32),
    "function": lambda sample: {**sample, "bg": sample["bg"] * torch.rand(())},
}


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_samples_are_those_of_the_manifest(quadruples, tmp_path, share, transform):
    pack_shards(quadruples, tmp_path / "%d.tar", samples_per_shard=5, share_backgrounds=share)
    streamed = PairedShardDataset(tmp_path / "index.json", transform, seed=3)
    listed = PairedFgBgDataset(quadruples, transform, seed=3)
    for epoch in (0, 2):
        streamed.set_epoch(epoch)
        listed.set_epoch(epoch)
        found = {sample["id"]: sample for sample in streamed}
        assert sorted(found) == listed.ids.tolist()
        for sample in listed:
            assert same(sample, found[sample["id"]])


def test_all_columns_matter(quadruples, tmp_path):
    manifest = Manifest.read(quadruples)
    grey = Image.new("L", (64, 48), 51)
    known = Image.new("L", (64, 48), 255)
    known.paste(0, (0, 0, 20, 20))
    grey.save(tmp_path / "grey.png")
    known.save(tmp_path / "known.png")
    columns = {name: [str(manifest.resolve(p)) for p in manifest.column(name)[:3]] for name in ("bg", "fg_bg", "mask")}
    columns |= {
        "depth": ["grey.png", "", "grey.png"],
        "depth_direction": ["near_large", "", ""],
        "depth_scale": ["", "", "0.002"],
        "mask_valid": ["", "known.png", ""],
        "id": ["a.b", "c/d", "é"],
    }
    table = Manifest(columns, tmp_path)
    pack_shards(table, tmp_path / "%d.tar")
    found = {sample["id"]: sample for sample in PairedShardDataset(tmp_path / "index.json")}
    assert found["a.b"]["depth"].max() == pytest.approx(0.8)
    assert not found["c/d"]["mask_valid"].all()
    for sample in PairedFgBgDataset(table):
        assert same(sample, found[sample["id"]])


def order(dataset, epoch=0):
    dataset.set_epoch(epoch)
    return [sample["id"] for sample in dataset]


def test_the_order_is_a_function_of_seed_and_epoch(packed):
    stored = order(PairedShardDataset(packed))
    dataset = PairedShardDataset(packed, shuffle_buffer=4, seed=1)
    first = order(dataset)
    assert sorted(first) == sorted(stored)
    assert first != stored
    assert order(dataset, 1) != first
    assert order(dataset, 0) == first == order(PairedShardDataset(packed, shuffle_buffer=4, seed=1))
    assert order(PairedShardDataset(packed, shuffle_buffer=4, seed=2)) != first
    assert order(PairedShardDataset(packed), 5) == stored
    # Neither the order of shards alone, nor that of samples inside them.
    assert [first[n : n + 3] for n in range(0, 12, 3)] != [stored[n : n + 3] for n in range(0, 12, 3)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_share_out_the_shards(packed, workers):
    dataset = PairedShardDataset(packed, eval_transform(16), shuffle_buffer=2)
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=collate_samples)
    ids = [id for batch in loader for id in batch["id"]]
    assert sorted(ids) == [f"s{n:03d}" for n in range(12)]


@pytest.mark.parametrize("workers", [0, 2])
def test_make_loader_counts_epochs(packed, workers):
    dataset = PairedShardDataset(packed, train_transform(16), shuffle_buffer=4)

    def epoch(loader):
        batches = list(loader)
        bg = {id: picture for batch in batches for id, picture in zip(batch["id"], batch["bg"], strict=True)}
        return [id for batch in batches for id in batch["id"]], bg

    loader = make_loader(dataset, 5, train=True, num_workers=workers)
    (first, pictures), (second, others) = epoch(loader), epoch(loader)
    assert sorted(first) == sorted(second) == [f"s{n:03d}" for n in range(12)]
    assert first != second
    assert not any(torch.equal(pictures[id], others[id]) for id in pictures)
    assert len(loader) == (3 if workers == 0 else 4)  # of 12, or of twice 6 samples
    assert len(list(make_loader(dataset, 5, train=True, num_workers=workers, drop_last=True))) == 2
    loader.set_epoch(0)
    again, same_pictures = epoch(loader)
    assert again == first
    assert all(torch.equal(pictures[id], same_pictures[id]) for id in pictures)
    # Batches hold what single samples are.
    listed = {sample["id"]: sample for sample in PairedShardDataset(packed, train_transform(16))}
    assert all(torch.equal(listed[id]["bg"], pictures[id]) for id in pictures)
    plain = make_loader(PairedShardDataset(packed, eval_transform(16)), 5, train=False, num_workers=workers)
    assert epoch(plain)[0] == epoch(plain)[0]


def test_subclasses_are_left_as_they_are(packed):
    class Dimmed(PairedShardDataset):
        def __iter__(self):
            for sample in super().__iter__():
                yield {**sample, "bg": sample["bg"] * 0.25}

    for batch in make_loader(Dimmed(packed, eval_transform(16)), 4, train=False):
        assert batch["bg"].max() <= 0.25


def test_a_loader_of_another_stream():
    class Numbers(IterableDataset):
        def __iter__(self):
            return iter(range(5))

    assert [batch.tolist() for batch in make_loader(Numbers(), 2, train=True, collate_fn=torch.tensor)] == [
        [0, 1],
        [2, 3],
        [4],
    ]


def test_ranks_share_out_the_shards(packed):
    parts = [PairedShardDataset(packed, shuffle_buffer=2, rank=rank, world_size=3) for rank in range(3)]
    for epoch in range(3):
        ids = [order(part, epoch) for part in parts]
        assert sorted(id for part in ids for id in part) == [f"s{n:03d}" for n in range(12)]
        assert [len(part) for part in parts] == [len(part) for part in ids]
    assert len(PairedShardDataset(packed)) == 12
    with pytest.raises(
        InvalidArgumentError, match=r"fewer shards \(4\) than processes \(5\): some would have no sample"
    ):
        next(iter(PairedShardDataset(packed, rank=0, world_size=5)))


def test_more_workers_than_shards(packed):
    dataset = PairedShardDataset(packed, eval_transform(16), rank=0, world_size=4)
    # Warnings are errors in these tests; elsewhere the other workers go on.
    with pytest.raises(Warning, match=r"fewer shards \(1\) than workers \(2\), so that some have nothing to do"):
        list(DataLoader(dataset, batch_size=2, num_workers=2, collate_fn=collate_samples))


def test_the_environment_says_which_process_this_is(packed, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(InvalidArgumentError, match="rank is 1 and world_size is None; expected both"):
        PairedShardDataset(packed)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert order(PairedShardDataset(packed)) == order(PairedShardDataset(packed, rank=1, world_size=2))
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(InvalidArgumentError, match="rank is 2 of a world_size of 2; expected 0 to 1"):
        PairedShardDataset(packed)
    monkeypatch.setenv("RANK", "one")
    with pytest.raises(InvalidArgumentError, match="RANK is 'one'; expected a number"):
        PairedShardDataset(packed)


def test_ways_to_name_shards(packed, monkeypatch):
    folder = packed.parent
    ids = order(PairedShardDataset(packed))
    files = [folder / f"out-{n}.tar" for n in range(4)]
    for shards in (
        files,
        folder / "out-*.tar",
        f"{folder}/out-{{0..3}}.tar",
        f"{folder}/out-{{0,1,2,3}}.tar",
        f"file://{folder}/out-*.tar",
        f"file://{folder}/out-index.json",
        [f"{folder}/out-[01].tar", f"file://{folder}/out-{{2..3}}.tar"],
        f"pipe:cat {folder}/out-{{0..3}}.tar",
    ):
        assert order(PairedShardDataset(shards)) == ids
    with pytest.raises(TypeError, match="the number of samples is not known"):
        len(PairedShardDataset(files))
    monkeypatch.chdir(folder)
    assert order(PairedShardDataset("out-*.tar")) == ids


def test_natural_order(tmp_path):
    for n in (10, 9, 1):
        (tmp_path / f"x{n}.tar").touch()
    assert [source.url[-7:-4].lstrip("/") for source in find_sources(tmp_path / "*.tar")] == ["x1", "x9", "x10"]


def test_remote_shards(packed):
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in packed.parent.iterdir():
        memory.pipe(f"/there/{path.name}", path.read_bytes())
    ids = order(PairedShardDataset(packed))
    for shards in ("memory://there/out-index.json", "memory://there/out-*.tar", "memory://there/out-{0..3}.tar"):
        assert order(PairedShardDataset(shards)) == ids
    with pytest.raises(MissingFileError, match="no shard at memory://there/none"):
        order(PairedShardDataset("memory://there/none.tar"))
    with pytest.raises(InvalidArgumentError, match=r"nosuch://x\.tar cannot be opened"):
        order(PairedShardDataset("nosuch://x.tar"))


def test_what_remote_file_systems_raise(packed):
    import fsspec

    class Locked(fsspec.AbstractFileSystem):
        protocol = "locked"

        def open(self, path, mode):
            if "x.tar" in path:
                raise RuntimeError("no credentials")
            raise FileNotFoundError(path) from ConnectionError("refused")  # as that of HTTP does

    fsspec.register_implementation("locked", Locked, clobber=True)
    with pytest.raises(ArchiveError, match=r"locked://x\.tar cannot be opened \(RuntimeError: no credentials\)"):
        order(PairedShardDataset("locked://x.tar"))
    with pytest.raises(MissingFileError, match=r"no shard at locked://y\.tar \(refused\)"):
        order(PairedShardDataset("locked://y.tar"))


def test_without_the_package_for_remote_shards(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'remote'"):
        order(PairedShardDataset("s3://bucket/x.tar"))


def test_commands(packed):
    shard = packed.parent / "out-0.tar"
    assert len(order(PairedShardDataset(f"pipe:cat {shard} | tee /dev/null"))) == 3
    with pytest.raises(ArchiveError, match=r"ended with exit code 3; its shard may be incomplete"):
        order(PairedShardDataset(f"pipe:cat {shard}; exit 3"))
    # The reason, not what follows from it.
    with pytest.raises(ArchiveError, match=r"'head -c 9000 .*; exit 3' ended with exit code 3"):
        order(PairedShardDataset(f"pipe:head -c 9000 {shard}; exit 3"))
    with pytest.raises(ArchiveError, match=r"pipe:head .* is truncated"):
        order(PairedShardDataset(f"pipe:head -c 9000 {shard}"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_a_command_that_is_no_longer_needed_is_ended(packed, tmp_path):
    command = f"pipe:sleep 1000 & echo $! > {tmp_path}/pid; cat {packed.parent}/out-0.tar; wait"
    stream = iter(PairedShardDataset(command))
    next(stream)
    status = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert status.exists()
    stream.close()
    for _ in range(100):
        if not status.exists() or ") Z " in status.read_text():
            return
        time.sleep(0.05)
    pytest.fail("the command still runs")


def test_braces():
    assert expand_braces("a{01..03}b{x,y}") == ["a01bx", "a01by", "a02bx", "a02by", "a03bx", "a03by"]
    assert expand_braces("{9..11}") == ["9", "10", "11"]
    assert expand_braces("plain{}{a}") == ["plain{}{a}"]
    with pytest.raises(InvalidArgumentError, match="counts from 3 down to 1"):
        expand_braces("{3..1}")


def test_shards_that_are_not_there(packed, tmp_path):
    folder = packed.parent
    with pytest.raises(MissingFileError, match=r"no shard matches .*none\*"):
        PairedShardDataset(tmp_path / "none*.tar")
    with pytest.raises(MissingFileError, match=r"no shard at .*out-9\.tar; the nearest are 'out-"):
        order(PairedShardDataset(folder / "out-9.tar"))
    with pytest.raises(InvalidArgumentError, match=r"out-1\.tar stands twice among the shards"):
        PairedShardDataset([folder / "out-*.tar", folder / "out-1.tar"])
    with pytest.raises(InvalidArgumentError, match="no shard came"):
        PairedShardDataset([])
    with pytest.raises(ArchiveError, match="Is a directory"):
        order(PairedShardDataset(tmp_path))
    with pytest.raises(InvalidArgumentError, match="shuffle_buffer is -1"):
        PairedShardDataset(packed, shuffle_buffer=-1)


def stored_ids(path):
    with sources.open_shard(str(path)) as stream:
        from fgbgnet.data.shards.streams import read_samples

        return [sample.id for sample in read_samples(stream, str(path))]


@given(st.data())
def test_a_truncated_shard_is_an_error(packed, tmp_path_factory, data):
    whole = (packed.parent / "out-0.tar").read_bytes()
    path = tmp_path_factory.mktemp("cut") / "cut.tar"
    # Also exactly between two members, where a reader could take it for the end.
    length = 512 * data.draw(st.integers(0, len(whole) // 512)) + data.draw(st.sampled_from([0, 1, 300]))
    path.write_bytes(whole[:length])
    end = len(whole.rstrip(b"\0"))
    end = -(-end // 512) * 512 + 512  # the last member, and the empty block that tells the end
    if length >= end:
        assert len(stored_ids(path)) == 3
    else:
        with pytest.raises(ArchiveError, match=r"cut\.tar is no tar archive, is truncated or damaged"):
            stored_ids(path)


def test_a_damaged_header_is_an_error(packed, tmp_path):
    whole = bytearray((packed.parent / "out-0.tar").read_bytes())
    header = whole.index(b".fg_bg.png")
    whole[header] ^= 1
    (tmp_path / "bad.tar").write_bytes(bytes(whole))
    with pytest.raises(ArchiveError, match=r"bad\.tar is .*damaged: .*bad checksum"):
        stored_ids(tmp_path / "bad.tar")


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="session")
def png():
    file = io.BytesIO()
    Image.new("L", (6, 4)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_shards_of_other_programs(tmp_path, png, mode):
    files = [(f"./deep/{key}.{layer}", png) for key in ("a%2E1", "b") for layer in ("BG.png", "fg_bg.png", "mask.png")]
    files.insert(2, ("./deep/a%2E1.cls", b"7"))
    path = write_tar(tmp_path / "x.tar", files, mode)
    samples = list(PairedShardDataset(path))
    assert [sample["id"] for sample in samples] == ["deep/a.1", "deep/b"]
    assert not samples[0]["depth_valid"].any()


def test_samples_that_are_not_whole(tmp_path, png):
    def read(*names, row=None):
        files = [(name, png) for name in names]
        if row is not None:
            files.insert(0, ("a.json", row if isinstance(row, bytes) else json.dumps(row).encode()))
        return list(PairedShardDataset(write_tar(tmp_path / "x.tar", files)))

    good = ("a.bg.png", "a.fg_bg.png", "a.mask.png")
    assert len(read(*good, row={"id": "a"})) == 1
    with pytest.raises(ArchiveError, match=r"the sample a has no mask; it has bg, fg_bg. Expected files named a\.mask"):
        read(*good[:2])
    with pytest.raises(ArchiveError, match="the sample a has no depth"):
        read(*good, row={"id": "a", "depth": "depth/a.png"})
    with pytest.raises(ArchiveError, match="the sample a has its bg twice"):
        read("a.bg.png", "a.bg.jpg")
    with pytest.raises(ArchiveError, match=r"the sample a shares bg/0\.png, which does not stand before it"):
        read(*good[1:], row={"__shared__": {"bg": "bg/0.png"}})
    for row in (b"{", b"[]"):
        with pytest.raises(ArchiveError, match=r"x\.tar/a\.json"):
            read(*good, row=row)


def test_what_other_programs_say_about_depth(tmp_path, png):
    def read(**row):
        files = [("a.json", json.dumps(row).encode()), *((f"a.{layer}.png", png) for layer in LAYERS)]
        return next(iter(PairedShardDataset(write_tar(tmp_path / "x.tar", files))))

    assert read()["id"] == "a"
    assert read(id=0)["id"] == "0"
    # The number 0 is a value; the depth of these files is 0 everywhere.
    assert read(depth_unit="relative", depth_invalid=None)["depth_valid"].all()
    assert not read(depth_unit="relative", depth_invalid=0)["depth_valid"].any()
    for row, message in [
        ({"depth_unit": "mm"}, r"x\.tar/a\.json has the depth_unit 'mm'; expected 'metres' or 'relative'"),
        ({"depth_scale": "1 mm"}, "has the depth_scale '1 mm'; expected a number"),
        ({"depth_scale": 0}, "has the depth_scale 0; expected a number above 0"),
        ({"depth_invalid": "nan"}, "has the depth_invalid 'nan'; expected a number"),
        ({"__shared__": ["bg"]}, "has a __shared__ that is no object"),
    ]:
        with pytest.raises(ArchiveError, match=message):
            read(**row)


def test_shards_of_something_else(tmp_path, png):
    # Also keys with a dot: what stands behind it would be the layer.
    for name in ("0001.jpg", "room.1.bg.png"):
        path = write_tar(tmp_path / "x.tar", [(name, png)])
        with pytest.raises(ArchiveError, match=rf"x\.tar has no sample, but files such as '{name}'; expected <"):
            list(PairedShardDataset(path))
    assert list(PairedShardDataset(write_tar(tmp_path / "empty.tar", []))) == []


def test_members_that_are_no_files(tmp_path, png):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        link = tarfile.TarInfo("a.bg.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(ArchiveError, match=r"a\.bg\.png is a link or a device"):
        list(PairedShardDataset(tmp_path / "x.tar"))


def test_members_that_are_too_large(tmp_path, png):
    write_tar(tmp_path / "x.tar", [("a.bg.png", bytes(100_000))])
    set_archive_limits(max_member=50_000)
    try:
        with pytest.raises(ArchiveError, match=r"x\.tar: a\.bg\.png unpacks to 0\.1 MiB; at most"):
            list(PairedShardDataset(tmp_path / "x.tar"))
    finally:
        set_archive_limits(max_member=512 * 2**20)


def test_an_index_that_counts_otherwise(packed, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(packed.parent, folder)
    shutil.copy(folder / "out-0.tar", folder / "out-1.tar")
    index = json.loads(packed.read_text())
    index["shards"][0]["samples"] = 4
    (folder / "out-index.json").write_text(json.dumps(index))
    with pytest.raises(ArchiveError, match=r"out-0\.tar holds 3 samples, but its index says 4"):
        order(PairedShardDataset(folder / "out-index.json"))


def test_bad_pictures_are_named(tmp_path, png):
    files = [("a.bg.png", png), ("a.fg_bg.png", png[:-30]), ("a.mask.png", png)]
    with pytest.raises(OSError, match=r"x\.tar/a\.fg_bg\.png"):
        list(PairedShardDataset(write_tar(tmp_path / "x.tar", files)))


def test_a_launcher_that_has_not_told_the_rank_yet(packed, monkeypatch):
    """Lightning's own tells its processes how many they are, but who they are only when they connect."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert order(PairedShardDataset(packed)) == order(PairedShardDataset(packed, rank=0, world_size=1))
