import pytest
import torch

from fgbgnet.models import DualHeadUNet
from fgbgnet.models.task_branch import EMPTY_LOGIT

FUSIONS = ["early", "early_diff", "siamese"]


def scrambled(fusion, **arguments):
    """A network that says something else at every pixel, nothing sensible, and mostly foreground."""
    torch.manual_seed(3)
    model = DualHeadUNet("unet_small", fusion=fusion, cross_task=True, **arguments)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the statistics of the first batch, all of them
    model.set_priors(foreground=0.9, depth=3.0)
    with torch.no_grad():
        for branch in model.task_branches().values():
            branch.head.convolution.weight.mul_(5)
        model(*torch.rand(2, 4, 3, 45, 39))
    return model


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("extra", [{}, {"uncertainty": ("mask", "depth")}, {"shared_stages": 2}], ids=str)
def test_equal_pictures_give_an_empty_mask_and_the_backgrounds_own_depth(fusion, training, extra):
    model = scrambled(fusion, **extra).train(training)
    bg, frame = torch.rand(2, 2, 3, 45, 39)
    with torch.no_grad():
        equal = model(bg, bg)
        features = model.encode(bg, bg)
        reference = model.depth_branch(features)[1]
        own = model.depth_branch.head.interpret(reference)[0][..., :45, :39]
        different = model(bg, frame)
    assert (equal["mask"].sigmoid() < 0.5).all()
    if "uncertainty" not in extra:
        assert (equal["mask"] <= EMPTY_LOGIT).all()
    assert torch.equal(equal["depth"], own)
    assert (different["mask"] > EMPTY_LOGIT + 0.1).any()  # only equal pictures are forced to be empty
    assert not torch.allclose(different["depth"], equal["depth"], rtol=1e-3)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_without_foreground_the_depth_is_the_backgrounds(fusion):
    """The gate is the mask's probability: shut, the pair's own opinion of the depth does not come through."""
    model = scrambled(fusion).eval()
    bg, frame = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        at_rest = model(bg, bg)["depth"]
        model.set_priors(foreground=1e-9, depth=3.0)
        model.mask_branch.head.convolution.weight.zero_()
        shut = model(bg, frame)
        model.set_priors(foreground=1 - 1e-6, depth=3.0)
        model.mask_branch.head.convolution.weight.zero_()
        shifted = model(bg, frame)
    assert torch.allclose(shut["depth"], at_rest, rtol=1e-4)
    # What says foreground in equal pictures too is subtracted again.
    assert (shifted["mask"] <= EMPTY_LOGIT + 1e-5).all()


def test_no_gradient_of_the_depth_reaches_the_mask_branch():
    model = scrambled("siamese").train()
    bg, frame = torch.rand(2, 2, 3, 32, 32)
    model(bg, frame)["depth"].mean().backward()
    assert all(parameter.grad is None for parameter in model.mask_branch.parameters())
    assert all(parameter.grad is not None for parameter in model.depth_branch.parameters())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_alone_or_together_the_tasks_say_the_same(fusion):
    model = scrambled(fusion).eval()
    bg, frame = torch.rand(2, 2, 3, 32, 32)
    with torch.no_grad():
        both = model(bg, frame)
        features = model.encode(bg, frame)
        for task in ("mask", "depth"):
            assert torch.equal(model(bg, frame, tasks=task)[task], both[task])
            assert torch.equal(model.decode(features, task), both[task])
        assert list(model(bg, frame, tasks="depth")) == ["depth"]


def test_a_siamese_encoder_sees_each_picture_once():
    calls = []
    for fusion in ("siamese", "early"):
        model = scrambled(fusion).eval()
        model.shared.encoder.register_forward_hook(lambda *_: calls.append(1))
        with torch.no_grad():
            model(*torch.rand(2, 1, 3, 32, 32))
    assert len(calls) == 4


def test_one_and_the_same_batch_statistics_for_pair_and_reference():
    """In training both pass BatchNorm in one batch: its counter moves once per step."""
    for fusion in FUSIONS:
        model = DualHeadUNet("unet_small", fusion=fusion, cross_task=True, shared_stages=2)
        model(*torch.rand(2, 2, 3, 32, 32))
        counters = [b for n, b in model.named_buffers() if n.endswith("num_batches_tracked")]
        assert {int(counter) for counter in counters} == {1}, fusion


def test_it_survives_saving(tmp_path):
    model = scrambled("siamese", uncertainty="depth").eval()
    again = DualHeadUNet.from_pretrained(model.save_pretrained(tmp_path / "model"))
    bg, frame = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad():
        for key, layer in model(bg, frame).items():
            assert torch.equal(layer, again(bg, frame)[key])
