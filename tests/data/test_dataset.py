import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from fgbgnet.data import Manifest, PairedFgBgDataset, check_sample, eval_transform, seeded_split, train_transform
from fgbgnet.errors import (
    InvalidArgumentError,
    ManifestError,
    MaskError,
    MissingFileError,
    PictureError,
    UnknownNameError,
)


def same(first, second):
    return first["id"] == second["id"] and all(torch.equal(first[k], second[k]) for k in first if k != "id")


@pytest.fixture
def files(tmp_path):
    """Writes one sample; returns a function that makes its data set."""

    def make(bg, fg_bg, mask, depth=None, **columns):
        layers = {"bg": bg, "fg_bg": fg_bg, "mask": mask, "depth": depth}
        paths = {}
        for name, picture in layers.items():
            if picture is not None:
                paths[name] = [f"{name}.png"]
                picture.save(tmp_path / f"{name}.png")
        return PairedFgBgDataset(Manifest.from_lists(**paths, root=tmp_path, **columns))

    return make


def test_a_sample_is_what_the_files_hold(quadruples):
    dataset = PairedFgBgDataset(quadruples)
    assert len(dataset) == 12
    for i, sample in enumerate(dataset):
        check_sample(sample, "the data set")
        assert sample["id"] == f"s{i:03d}"
        for name, path in [("bg", f"bg/bg_{i % 4}.png"), ("fg_bg", f"fg_bg/{i:03d}.png")]:
            stored = np.asarray(Image.open(quadruples.parent / path))
            assert np.array_equal(np.rint(sample[name].permute(1, 2, 0).numpy() * 255), stored)
        stored = np.asarray(Image.open(quadruples.parent / f"mask/{i:03d}.png"))
        assert np.array_equal(sample["mask"][0].numpy() * 255, stored)
        stored = np.asarray(Image.open(quadruples.parent / f"depth/{i:03d}.png"))
        np.testing.assert_allclose(sample["depth"][0].numpy(), stored / 1000, rtol=1e-6)
        assert np.array_equal(sample["depth_valid"][0].numpy(), stored > 0)
    assert dataset.depth_unit == "metres"
    assert not dataset[11]["mask"].any()


def test_indices():
    names = ["a.png", "b.png"]
    dataset = PairedFgBgDataset(Manifest.from_lists(names, names, names))
    for index in (2, -3):
        with pytest.raises(IndexError, match=f"index {index} is out of range for 2 samples"):
            dataset[index]


def test_negative_and_numpy_indices(quadruples):
    dataset = PairedFgBgDataset(quadruples)
    assert same(dataset[-1], dataset[11])
    assert same(dataset[np.int64(3)], dataset[3])
    assert [s["id"] for s in dataset] == dataset.ids.tolist()


def test_without_depth_nothing_is_valid(files):
    grey = Image.new("L", (6, 4))
    sample = files(grey, grey, grey)[0]
    assert sample["depth"].shape == (1, 4, 6)
    assert not sample["depth_valid"].any()
    assert not sample["depth"].any()


def test_sizes_and_modes_may_differ_inside_a_sample(files):
    half = np.zeros((40, 60), np.uint8)
    half[:, 30:] = 255
    dataset = files(
        Image.new("CMYK", (120, 80), (0, 255, 255, 0)).convert("RGB").convert("P"),
        Image.new("RGBA", (60, 40), (10, 20, 30, 40)),
        Image.fromarray(half).resize((120, 80), Image.Resampling.NEAREST).convert("1"),
        Image.fromarray((half[::2, ::2] / 255 * 60000).astype(np.uint16)),
    )
    sample = dataset[0]
    check_sample(sample, "the data set")
    assert sample["fg_bg"].shape == (3, 40, 60)
    assert np.array_equal(sample["mask"][0].numpy() * 255, half)
    assert np.array_equal(sample["depth"][0].numpy(), (half / 255 * 60000 / 65535).astype(np.float32))
    assert sample["bg"][0].mean() > 0.9
    assert sample["bg"][1:].max() < 0.1


def test_depth_directions_and_scale_of_the_manifest(files):
    grey = Image.new("L", (6, 4))
    stored = Image.fromarray(np.full((4, 6), 51, np.uint8))
    assert files(grey, grey, grey, stored)[0]["depth"][0, 0, 0] == pytest.approx(0.2)
    assert files(grey, grey, grey, stored, depth_direction="near_large")[0]["depth"][0, 0, 0] == pytest.approx(0.8)
    scaled = files(grey, grey, grey, stored, depth_unit="metres", depth_scale=["0.1"])
    assert scaled[0]["depth"][0, 0, 0] == pytest.approx(5.1)


def test_augmentation_is_a_function_of_seed_epoch_and_id(quadruples):
    transform = train_transform(32)
    dataset = PairedFgBgDataset(quadruples, transform, seed=3)
    first = [dataset[i] for i in range(4)]
    assert all(same(dataset[i], first[i]) for i in (3, 1, 0, 2))
    # By id, not by position.
    assert same(dataset.subset([5, 2, 8])[1], first[2])
    assert same(dataset.with_transform(train_transform(32))[2], first[2])
    assert not same(PairedFgBgDataset(quadruples, transform, seed=4)[0], first[0])
    dataset.set_epoch(1)
    assert dataset.epoch == 1
    assert not any(same(dataset[i], first[i]) for i in range(4))
    dataset.set_epoch(0)
    assert same(dataset[0], first[0])


def test_samples_are_different_augmentations(quadruples):
    manifest = Manifest.read(quadruples)
    one = {name: [manifest.column(name)[0]] * 16 for name in manifest.names} | {"id": [str(i) for i in range(16)]}
    dataset = PairedFgBgDataset(Manifest(one, manifest.root), train_transform(32))
    assert len({sample["bg"].numpy().tobytes() for sample in dataset}) == 16


@pytest.mark.parametrize(
    "transform",
    [
        lambda s: {**s, "bg": s["bg"] * torch.rand(())},
        v2.Compose([v2.RandomResizedCrop((24, 24)), v2.RandomHorizontalFlip(), v2.ColorJitter(0.3)]),
    ],
    ids=["function", "torchvision v2"],
)
def test_plain_callables_are_reproducible(quadruples, transform):
    dataset = PairedFgBgDataset(quadruples, transform)
    before = torch.get_rng_state()
    first = dataset[0]
    check_sample(first, "it")
    assert torch.equal(torch.get_rng_state(), before)
    assert same(dataset[0], first)
    dataset.set_epoch(1)
    assert not same(dataset[0], first)


def test_subset_and_with_transform(quadruples):
    dataset = PairedFgBgDataset(quadruples, eval_transform(8), seed=5)
    part = dataset.subset([3, 1])
    assert part.ids.tolist() == ["s003", "s001"]
    assert (part.transform, part.seed) == (dataset.transform, 5)
    assert dataset.subset([0], transform=None).transform is None
    assert dataset.with_transform(None)[0]["bg"].shape == (3, 48, 64)
    part.set_epoch(4)
    assert dataset.epoch == 0
    # A new epoch count starts where that of the whole stands, and goes its own way.
    dataset.set_epoch(3)
    for other in (dataset.subset([0]), dataset.with_transform(None)):
        assert other.epoch == 3
        other.set_epoch(8)
        assert dataset.epoch == 3


def test_subclasses_survive_subset_and_with_transform(quadruples):
    class Dimmed(PairedFgBgDataset):
        def __init__(self, factor):
            super().__init__(quadruples, eval_transform(8), seed=5)
            self.factor = factor

        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return {**sample, "bg": sample["bg"] * self.factor}

    dimmed = Dimmed(0.25)
    for part in (dimmed.subset([1, 3]), dimmed.with_transform(None), seeded_split(dimmed, (0.5, 0.5))[1]):
        assert type(part) is Dimmed
        assert part.factor == 0.25
        assert part[0]["bg"].max() <= 0.25
    assert len(dimmed) == 12
    assert dimmed.transform is not None


def test_groups(quadruples):
    dataset = PairedFgBgDataset(quadruples)
    assert dataset.group_ids("bg").tolist() == [f"b{i % 4}" for i in range(12)]
    assert dataset.group_ids("fg").tolist() == [f"f{i // 4}" for i in range(12)]
    with pytest.raises(UnknownNameError, match="unknown group 'bgs'; the nearest are 'bg'"):
        dataset.group_ids("bgs")


def test_copies_and_pickles(quadruples):
    dataset = PairedFgBgDataset(quadruples, train_transform(16), seed=2)
    dataset.set_epoch(7)
    for twin in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert twin.epoch == 7
        assert same(twin[1], dataset[1])


def test_units_that_are_mixed(quadruples):
    names = ["a.png", "b.png"]
    columns = {"depth_unit": ["metres", "relative"]}
    dataset = PairedFgBgDataset(Manifest.from_lists(names, names, names, ["d", "e"], **columns))
    with pytest.raises(ManifestError, match="metres for some samples and relative for others; make one manifest"):
        _ = dataset.depth_unit
    # A sample without depth has no say.
    assert PairedFgBgDataset(Manifest.from_lists(names, names, names, ["d", ""], **columns)).depth_unit == "metres"


def test_bad_files_are_named_when_they_are_read(files, tmp_path):
    grey = Image.new("L", (6, 4))
    dataset = files(grey, grey, grey, grey)
    for name, error in [
        ("bg", MissingFileError),
        ("depth", PictureError),
        ("fg_bg", PictureError),
        ("mask", MaskError),
    ]:
        good = (tmp_path / f"{name}.png").read_bytes()
        if error is MissingFileError:
            (tmp_path / f"{name}.png").unlink()
        elif error is MaskError:
            Image.new("L", (6, 4), 90).save(tmp_path / f"{name}.png")
        else:
            (tmp_path / f"{name}.png").write_bytes(good[:-25])
        with pytest.raises(error, match=rf"{name}\.png"):
            dataset[0]
        (tmp_path / f"{name}.png").write_bytes(good)
    assert dataset[0]["id"] == "fg_bg"


def test_wrong_arguments(tmp_path, quadruples):
    with pytest.raises(InvalidArgumentError, match="transform is 224; expected a callable"):
        PairedFgBgDataset(quadruples, 224)
    with pytest.raises(MissingFileError, match=r"nothing\.csv"):
        PairedFgBgDataset(tmp_path / "nothing.csv")


def test_plot(quadruples):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    figure = PairedFgBgDataset(quadruples, eval_transform(32)).plot(1)
    assert len(figure.axes) >= 4
    import matplotlib.pyplot as plt

    plt.close(figure)


def test_reads_from_zip(quadruples, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in quadruples.parent.rglob("*.png"):
            archive.write(path, path.relative_to(quadruples.parent))
    manifest = Manifest.read(quadruples)
    columns = {name: manifest.column(name).tolist() for name in manifest.names}
    for name in ("bg", "fg_bg", "mask", "depth"):
        columns[name] = [f"all.zip/{path}" for path in columns[name]]
    packed = PairedFgBgDataset(Manifest(columns, tmp_path).write(tmp_path / "packed.csv"))
    assert all(same(a, b) for a, b in zip(packed, PairedFgBgDataset(quadruples), strict=True))
