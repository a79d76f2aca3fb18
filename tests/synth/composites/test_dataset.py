import pickle
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image

from fgbgnet.data import eval_transform, make_loader, seeded_split, train_transform
from fgbgnet.data.layers import check_sample
from fgbgnet.errors import InvalidArgumentError, PictureError, UnknownNameError
from fgbgnet.synth import ComposedDataset
from fgbgnet.synth.composites.composer import Composer


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("bg", "fg"):
        (root / name).mkdir()
    for k in range(4):
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(root / "bg" / f"b{k}.png")
    for k in range(3):
        rgba = rng.integers(0, 256, (40, 30 + 10 * k, 4), dtype=np.uint8)
        rgba[..., 3] = 0
        rgba[5:-5, 5:-5, 3] = 255
        Image.fromarray(rgba).save(root / "fg" / f"f{k}.png")
    return root


def make(folders, **arguments):
    return ComposedDataset(folders / "bg", folders / "fg", **{"size": (40, 48), "n": 24, **arguments})


def same(one, other):
    return all(torch.equal(one[key], other[key]) for key in ("bg", "fg_bg", "mask", "depth", "depth_valid"))


def test_samples_are_samples_and_functions_of_seed_epoch_and_position(folders):
    dataset, twin = make(folders), make(folders)
    for k in range(24):
        check_sample(dataset[k], "the data set")
        assert same(dataset[k], twin[k])
        assert dataset[k]["id"] == dataset.ids[k]
        assert dataset[k]["mask"].any()
        assert not dataset[k]["depth_valid"].any()
        changed = (dataset[k]["fg_bg"] != dataset[k]["bg"]).any(0)
        assert changed[dataset[k]["mask"][0] == 1].float().mean() > 0.9
    assert not same(dataset[0], make(folders, seed=1)[0])
    dataset.set_epoch(1)
    assert dataset.epoch == 1
    assert not set(dataset.ids) & set(twin.ids)
    assert not same(dataset[0], twin[0])
    assert torch.equal(dataset[0]["bg"], twin[0]["bg"])
    dataset.set_epoch(0)
    assert same(dataset[7], twin[7])
    assert same(dataset[-1], twin[23])


def test_samples_own_their_memory(folders):
    dataset = make(folders)
    before = dataset[3]
    for key in ("bg", "fg_bg", "mask"):
        dataset[3][key].zero_()
    assert same(dataset[3], before)


def test_every_beginning_is_balanced_and_a_round_shows_every_pair(folders):
    dataset = make(folders)
    pairs = list(zip(dataset.group_ids("bg").tolist(), dataset.group_ids("fg").tolist(), strict=True))
    assert len(set(pairs[:12])) == 12
    assert pairs[:12] == pairs[12:]
    for count in range(1, 24):
        for side, groups in ((0, 4), (1, 3)):
            shown = [pair[side] for pair in pairs[:count]]
            assert max(map(shown.count, set(shown))) <= -(-count // groups) + 1
    assert len(make(folders, n=None)) == 12


def test_both_mirrored_and_not(folders):
    turned = []

    class Spy(Composer):
        def __call__(self, number, background, cutout, mirrored):
            turned.append(mirrored)
            return super().__call__(number, background, cutout, mirrored)

    for flip in (True, False):
        dataset = make(folders, n=60, flip=flip)
        dataset._composer.__class__ = Spy
        turned.clear()
        for k in range(60):
            dataset[k]
        assert 15 <= sum(turned) <= 45 if flip else not any(turned)


@pytest.mark.parametrize("groups", ["bg", "fg", ("bg", "fg")])
def test_splits_hold_out_what_they_name(folders, groups):
    train, test = seeded_split(make(folders), (0.5, 0.5), seed=2, group_by=groups)
    for kind in [groups] if isinstance(groups, str) else groups:
        assert not set(train.group_ids(kind)) & set(test.group_ids(kind))
    whole = make(folders)
    position = whole.ids.index(train.ids[2])
    assert same(train[2], whole[position])


def test_with_several_cutouts_no_foreground_can_be_held_out(folders):
    dataset = make(folders, max_cutouts=3)
    assert len(set(dataset.group_ids("bg"))) == 4
    with pytest.raises(InvalidArgumentError, match="two data sets of two folders"):
        dataset.group_ids("fg")
    with pytest.raises(UnknownNameError, match="'background'"):
        dataset.group_ids("background")


def test_loaders_give_the_same_whatever_the_workers(folders):
    batches = {}
    for workers, context in ((0, None), (1, "fork"), (2, "spawn")):
        dataset = make(folders, transform=train_transform((32, 32)))
        loader = make_loader(
            dataset, 6, train=True, seed=5, num_workers=workers,
            multiprocessing_context=None if context is None else get_context(context),
        )  # fmt: skip
        batches[workers] = [batch for _ in range(2) for batch in loader]
    ids = [i for batch in batches[0] for i in batch["id"]]
    assert len(set(ids)) == 48  # other composites in the second epoch
    for workers in (1, 2):
        assert [i for batch in batches[workers] for i in batch["id"]] == ids
        assert all(same(a, b) for a, b in zip(batches[0], batches[workers], strict=True))


def test_the_fast_path_is_what_the_layers_give(folders):
    plain, joint = make(folders), make(folders, transform=eval_transform((40, 48)))
    assert all(same(plain[k], joint[k]) for k in range(6))
    turned = make(folders, transform=lambda sample: {**sample, "mask": 1 - sample["mask"]})
    assert torch.equal(turned[0]["mask"], 1 - plain[0]["mask"])


def test_subsets_and_copies_count_their_own_epochs(folders):
    dataset = make(folders)
    part = dataset.subset([5, 2])
    assert part.ids == [dataset.ids[5], dataset.ids[2]]
    assert same(part[0], dataset[5])
    dataset.set_epoch(3)
    assert part.epoch == 0
    assert dataset.subset([1]).epoch == 3
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent.epoch == 3
    assert same(sent[4], dataset[4])
    assert "24 composites of 40 x 48, 4 backgrounds, 3 cut-outs" in repr(dataset)


def test_memory_does_not_matter(folders):
    assert same(make(folders, memory=0)[5], make(folders)[5])


def test_wrong_arguments_are_named(folders, tmp_path):
    for arguments, text in (({"n": 0}, "n is 0"), ({"shadw": 1}, "shadw"), ({"transform": 3}, "transform is 3")):
        with pytest.raises((InvalidArgumentError, UnknownNameError), match=text):
            make(folders, **arguments)
    with pytest.raises(IndexError, match="index 24 is out of range for 24"):
        make(folders)[24]
    Image.new("RGB", (20, 20)).save(tmp_path / "flat.png")
    with pytest.raises(PictureError, match=r"flat\.png has mode RGB"):
        ComposedDataset(folders / "bg", tmp_path)
