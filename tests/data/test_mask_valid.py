"""The optional layer ``mask_valid``: from a picture to a batch, through every transform."""

import albumentations
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from fgbgnet.data import (
    JointTransform,
    Layers,
    Manifest,
    PairedFgBgDataset,
    check_sample,
    collate_samples,
    eval_transform,
    make_loader,
    train_transform,
)
from fgbgnet.errors import InvalidArgumentError, MaskError, PictureError

KNOWN = np.ones((48, 64), bool)
KNOWN[:, :20] = False


@pytest.fixture
def manifest(quadruples, tmp_path):
    """The quadruples; the labels of the left 20 columns of the first are not known, the others have no such file."""
    Image.fromarray(KNOWN.astype(np.uint8) * 255).save(tmp_path / "known.png")
    table = Manifest.read(quadruples)
    columns = {name: table.column(name) for name in table.names}
    return Manifest({**columns, "mask_valid": [tmp_path / "known.png"] + [""] * 11}, table.root)


def test_all_samples_have_the_key_or_none(manifest, quadruples):
    first, second = PairedFgBgDataset(manifest)[0], PairedFgBgDataset(manifest)[1]
    assert first["mask_valid"].dtype == second["mask_valid"].dtype == torch.bool
    np.testing.assert_array_equal(first["mask_valid"][0].numpy(), KNOWN)
    assert second["mask_valid"].shape == (1, 48, 64)
    assert second["mask_valid"].all()
    blank = {name: manifest.column(name) for name in manifest.names} | {"mask_valid": [""] * 12}
    for silent in (Manifest.read(quadruples), Manifest(blank, manifest.root), manifest.select([3, 4])):
        assert "mask_valid" not in PairedFgBgDataset(silent)[0]


def test_the_column_is_a_path_that_moves_with_the_manifest(manifest, tmp_path):
    manifest.write(tmp_path / "manifest.csv")
    again = Manifest.read(tmp_path)
    assert again.column("mask_valid").tolist() == ["known.png"] + [""] * 11
    np.testing.assert_array_equal(PairedFgBgDataset(again)[0]["mask_valid"][0].numpy(), KNOWN)


def test_what_is_no_mask_is_an_error(manifest, tmp_path):
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))).save(tmp_path / "known.png")
    with pytest.raises(MaskError, match=r"known\.png is grey"):
        PairedFgBgDataset(manifest)[0]
    Image.new("L", (48, 64)).save(tmp_path / "known.png")
    with pytest.raises(PictureError, match=r"known\.png is 48 x 64 pixels"):
        PairedFgBgDataset(manifest)[0]


def test_any_size_of_the_right_shape(manifest, tmp_path):
    Image.fromarray(KNOWN.astype(np.uint8) * 255).resize((128, 96), Image.Resampling.NEAREST).save(
        tmp_path / "known.png"
    )
    np.testing.assert_array_equal(PairedFgBgDataset(manifest)[0]["mask_valid"][0].numpy(), KNOWN)


@pytest.mark.parametrize(
    "transform",
    [
        train_transform(32, perturb_pair=0.5),
        eval_transform(32),
        v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(32), v2.ToDtype({"others": torch.float32}, scale=False)]),
        lambda sample: sample,
    ],
    ids=["train", "eval", "torchvision", "function"],
)
def test_comes_out_of_every_transform(manifest, transform):
    dataset = PairedFgBgDataset(manifest, transform)
    for epoch in range(4):
        dataset.set_epoch(epoch)
        for index in (0, 1):
            check_sample(dataset[index], "the data set")
            assert dataset[index]["mask_valid"].dtype == torch.bool
        assert dataset[1]["mask_valid"].all()


@pytest.mark.parametrize("name", ["HorizontalFlip", "Transpose", "Affine", "RandomCrop"])
def test_moves_with_the_mask(manifest, name):
    options = {"Affine": {"rotate": 30, "scale": 1.3}, "RandomCrop": {"height": 20, "width": 20}}.get(name, {})
    joint = JointTransform([getattr(albumentations, name)(p=1, **options)])
    layers = Layers.from_sample(PairedFgBgDataset(manifest)[0])
    layers.mask = KNOWN.astype(np.uint8)
    for seed in range(5):
        out = joint.apply_layers(layers, "a", seed)
        mask, valid = out["mask"] > 0, out["mask_valid"]
        assert 0 < out["mask"].mean() < 1 or name == "RandomCrop"
        assert not (valid & ~mask).any()  # what was unknown never becomes known
        assert (mask & ~valid).float().mean() <= (0.05 if name == "Affine" else 0)  # along its edge, when resampled


def test_a_batch_is_valid_where_a_sample_does_not_say(manifest, quadruples):
    spoken, silent = PairedFgBgDataset(manifest)[0], PairedFgBgDataset(quadruples)[1]
    batch = collate_samples([silent, spoken])
    assert batch["mask_valid"].shape == (2, 1, 48, 64)
    assert batch["mask_valid"][0].all()
    torch.testing.assert_close(batch["mask_valid"][1], spoken["mask_valid"])
    assert "mask_valid" not in silent
    assert "mask_valid" not in collate_samples([silent, silent])


@pytest.mark.parametrize("workers", [0, 2])
def test_loader(manifest, workers):
    batches = list(make_loader(PairedFgBgDataset(manifest), 5, train=False, num_workers=workers))
    valid = torch.cat([batch["mask_valid"] for batch in batches])
    assert valid.shape == (12, 1, 48, 64)
    np.testing.assert_array_equal(valid[0, 0].numpy(), KNOWN)
    assert valid[1:].all()


@pytest.mark.parametrize(
    ("value", "words"),
    [(torch.ones(1, 48, 64), "bool"), (torch.ones(1, 4, 4, dtype=torch.bool), "size of fg_bg"), (None, "NoneType")],
)
def test_a_wrong_layer_is_named(manifest, value, words):
    with pytest.raises(InvalidArgumentError, match=rf"gave mask_valid.*{words}"):
        check_sample({**PairedFgBgDataset(manifest)[0], "mask_valid": value}, "the test")


def test_statistics_are_those_of_the_known_pixels(manifest, tmp_path):
    masks = [PairedFgBgDataset(manifest)[index]["mask"].numpy() for index in range(12)]
    known = np.concatenate([masks[0][:, KNOWN].ravel(), np.ravel(masks[1:])])
    found = PairedFgBgDataset(manifest).statistics()
    assert found["mask"]["mean"] == pytest.approx(known.mean())
    assert found["mask"]["std"] == pytest.approx(known.std())
    whole = PairedFgBgDataset(Manifest.read(manifest.root)).statistics()
    assert {key: found[key] for key in ("bg", "fg_bg", "depth")} == {
        key: whole[key] for key in ("bg", "fg_bg", "depth")
    }
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "known.png")
    assert PairedFgBgDataset(manifest).statistics()["mask"]["empty"] == whole["mask"]["empty"] + 1
