import copy
import multiprocessing
import pickle
import random

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

from fgbgnet import errors
from fgbgnet.data import Manifest, PairedFgBgDataset, SeededSampler, eval_transform, make_loader, train_transform
from fgbgnet.errors import FgBgError, InvalidArgumentError, MaskError, MissingFileError, PictureError


@pytest.fixture
def dataset(quadruples):
    return PairedFgBgDataset(quadruples, train_transform(24), seed=5)


def collect(loader):
    """Every sample of one pass by id, as bytes, and the order of ids."""
    samples, order = {}, []
    for batch in loader:
        order += batch["id"]
        for i, id in enumerate(batch["id"]):
            samples[id] = b"".join(batch[k][i].numpy().tobytes() for k in ("bg", "fg_bg", "mask", "depth"))
    return samples, order


def test_a_batch(dataset):
    batch = next(iter(make_loader(dataset, 5, train=False)))
    for name, channels, dtype in [
        ("bg", 3, torch.float32),
        ("fg_bg", 3, torch.float32),
        ("mask", 1, torch.float32),
        ("depth", 1, torch.float32),
        ("depth_valid", 1, torch.bool),
    ]:
        assert batch[name].shape == (5, channels, 24, 24)
        assert batch[name].dtype == dtype
    assert batch["id"] == ["s000", "s001", "s002", "s003", "s004"]


@pytest.mark.parametrize("persistent", [True, False])
def test_samples_do_not_depend_on_the_number_of_workers(quadruples, persistent):
    epochs = {}
    for workers in (0, 1, 4):
        dataset = PairedFgBgDataset(quadruples, train_transform(24), seed=5)
        options = {"persistent_workers": persistent} if workers else {}
        loader = make_loader(dataset, 3, train=True, num_workers=workers, **options)
        epochs[workers] = [collect(loader) for _ in range(3)]
    assert epochs[0] == epochs[1] == epochs[4]
    for earlier, later in [(0, 1), (1, 2), (0, 2)]:
        (first, first_order), (second, second_order) = epochs[4][earlier], epochs[4][later]
        assert first_order != second_order
        assert set(first) == set(second)
        assert not any(first[id] == second[id] for id in first)  # epochs differ, sample by sample


def test_samples_in_several_workers_are_different_augmentations(quadruples):
    manifest = Manifest.read(quadruples)
    one = {name: [manifest.column(name)[0]] * 16 for name in manifest.names} | {"id": [str(i) for i in range(16)]}
    dataset = PairedFgBgDataset(Manifest(one, manifest.root), train_transform(24))
    samples, _ = collect(make_loader(dataset, 2, train=True, num_workers=4))
    assert len(set(samples.values())) == 16


def halve_at_random(sample):
    factor = (random.random() + np.random.rand() + torch.rand(()).item()) / 3
    return {**sample, "bg": sample["bg"] * factor}


def test_plain_callables_do_not_depend_on_the_number_of_workers(quadruples):
    passes = []
    for workers in (0, 2):
        loader = make_loader(PairedFgBgDataset(quadruples, halve_at_random), 4, train=True, num_workers=workers)
        passes.append([collect(loader) for _ in range(2)])
    assert passes[0] == passes[1]


@pytest.mark.skipif("spawn" not in multiprocessing.get_all_start_methods(), reason="no spawn here")
def test_spawned_workers(dataset):
    expected = [collect(make_loader(dataset, 6, train=True)) for _ in range(1)]
    dataset.set_epoch(0)
    loader = make_loader(dataset, 6, train=True, num_workers=1, multiprocessing_context="spawn")
    assert collect(loader) == expected[0]
    assert collect(loader) != expected[0]  # the epoch reaches a worker that lives on


def test_evaluation_is_the_same_in_every_pass(dataset):
    loader = make_loader(dataset, 5, train=False)
    first = collect(loader)
    assert collect(loader) == first
    assert first[1] == dataset.ids.tolist()


def test_set_epoch_of_the_sampler_decides(dataset):
    loader = make_loader(dataset, 12, train=True)
    passes = [collect(loader) for _ in range(3)]
    loader.sampler.set_epoch(1)
    assert collect(loader) == passes[1]
    assert dataset.epoch == 1
    assert collect(loader) == passes[2]


def test_the_sampler_s_order_is_a_function_of_seed_and_epoch():
    def orders(seed):
        sampler = SeededSampler(range(50), seed)
        return [list(sampler) for _ in range(3)]

    assert orders(1) == orders(1)
    assert all(sorted(order) == list(range(50)) for order in orders(1))
    assert len({tuple(order) for seed in (1, 2) for order in orders(seed)}) == 6


def test_making_batches_leaves_the_global_generators_alone(dataset):
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    for train in (True, False):
        collect(make_loader(dataset, 4, train=train))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert random.getstate() == states[2]


@pytest.mark.parametrize(
    ("batch_size", "train", "batches"), [(5, True, 2), (5, False, 3), (12, True, 1), (100, True, 1), (100, False, 1)]
)
def test_the_last_batch(dataset, batch_size, train, batches):
    loader = make_loader(dataset, batch_size, train)
    assert len(loader) == len(list(loader)) == batches


def test_options_are_passed_on(dataset):
    loader = make_loader(dataset, 5, True, drop_last=False, seed=9, collate_fn=list)
    assert len(loader) == 3
    assert loader.sampler.seed == 9
    assert isinstance(next(iter(loader)), list)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_that_differ_in_size(quadruples, workers):
    class Mixed(PairedFgBgDataset):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return sample if index != 2 else eval_transform(16)(sample)

    with pytest.raises(InvalidArgumentError, match=r"'s000' 48 x 64 and 's002' 16 x 16; give the data set a transform"):
        list(make_loader(Mixed(quadruples), 4, train=False, num_workers=workers))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, True), "batch_size is 0"), ((2, True), "num_workers is -1")],
)
def test_wrong_arguments(dataset, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        make_loader(dataset, *arguments, num_workers=-1)


def test_an_empty_data_set():
    with pytest.raises(InvalidArgumentError, match="dataset is empty"):
        make_loader([], 2, train=True)


# Errors in workers: torch makes a new exception of the same type, from one string.


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("layer", "damage", "error"),
    [
        ("mask", lambda path: path.unlink(), MissingFileError),
        ("fg_bg", lambda path: path.write_bytes(path.read_bytes()[:200]), PictureError),
        ("depth", lambda path: path.write_text("x"), PictureError),
        ("mask", lambda path: path.write_bytes((path.parent.parent / "fg_bg/001.png").read_bytes()), MaskError),
    ],
    ids=["missing", "truncated", "no picture", "no mask"],
)
def test_bad_files_are_named_from_inside_a_worker(quadruples, tmp_path, workers, layer, damage, error):
    import shutil

    shutil.copytree(quadruples.parent, tmp_path / "copy")
    damage(tmp_path / "copy" / layer / "001.png")
    loader = make_loader(PairedFgBgDataset(tmp_path / "copy"), 2, train=False, num_workers=workers)
    with pytest.raises(error, match=rf"{layer}.001\.png") as caught:
        list(loader)
    assert type(caught.value) is error


class Failing(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise self.error


EXAMPLES = {
    "UnknownNameError": errors.UnknownNameError("encoder", "resnet43", ["resnet34", "vgg11"], "List them."),
    "MissingExtraError": errors.MissingExtraError("Plotting", "plot"),
}
FAMILY = [name for name in errors.__all__ if issubclass(getattr(errors, name), FgBgError)]


@pytest.mark.parametrize("name", FAMILY)
def test_every_error_of_the_family_survives_a_worker_and_pickle(name):
    error = EXAMPLES.get(name) or getattr(errors, name)("what came, what was expected")
    with pytest.raises(FgBgError) as caught:
        list(DataLoader(Failing(error), num_workers=1))
    assert type(caught.value) is type(error)
    assert str(error) in str(caught.value)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), str(twin)) == (type(error), str(error))


# Data sets inside others


@pytest.mark.parametrize(
    "wrap",
    [
        lambda d: Subset(d, range(8)),
        lambda d: Subset(Subset(d, range(10)), range(8)),
        lambda d: ConcatDataset([d.subset([0, 1, 2, 3]), Subset(d, range(4, 8))]),
    ],
    ids=["Subset", "Subset of a Subset", "ConcatDataset"],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_the_epoch_reaches_data_sets_inside_others(dataset, wrap, workers):
    inside = PairedFgBgDataset(dataset.manifest, dataset.transform, seed=5)
    plain = make_loader(inside.subset(range(8)), 4, train=True)
    wrapped = make_loader(wrap(dataset), 4, train=True, num_workers=workers)
    assert wrapped.sampler.seed == 5  # the seed, too, is the data set's own
    passes = [collect(wrapped) for _ in range(3)]
    assert passes == [collect(plain) for _ in range(3)]
    assert not any(passes[0][0][id] == passes[1][0][id] for id in passes[0][0])


def test_data_sets_that_hold_one_another():
    class Odd(list):
        datasets = {"a": None}  # noqa: RUF012
        dataset = "name"

    odd, seen = Odd([1, 2, 3]), []
    odd.datasets = {"self": odd}
    odd.set_epoch = seen.append
    sampler = SeededSampler(odd)
    assert sorted(sampler) == [0, 1, 2]
    assert seen == [0]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("clone", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))], ids=["deepcopy", "pickle"])
def test_workers_of_a_copy_see_new_epochs(dataset, clone, workers):
    loader = make_loader(clone(dataset), 6, train=True, num_workers=workers)
    first, second = collect(loader)[0], collect(loader)[0]
    assert not any(first[id] == second[id] for id in first)


@pytest.mark.parametrize("option", [{"sampler": [0, 1]}, {"batch_sampler": [[0, 1]]}, {"shuffle": True}])
@pytest.mark.parametrize("train", [True, False])
def test_orders_of_one_s_own_are_not_for_make_loader(dataset, option, train):
    (name,) = option
    with pytest.raises(
        InvalidArgumentError, match=rf"^{name} came, but make_loader chooses the order.*DataLoader\(dataset"
    ):
        make_loader(dataset, 2, train, **option)
