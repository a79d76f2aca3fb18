import copy
import fnmatch

import pytest
import torch

from fgbgnet.errors import UnknownNameError
from fgbgnet.models import DualHeadUNet, count_parameters, create_model, list_models
from fgbgnet.models.memory_format import is_channels_last

MILLIONS = {
    "classic": (33, 34),
    "fgbgnet_xs": (1, 1.6),
    "fgbgnet_s": (1.7, 2.3),
    "fgbgnet_m": (4, 6),
    "fgbgnet_l": (22, 28),
}
COMMERCIAL = ("apache-*", "mit", "bsd-*")
NAMES = [card.name for card in list_models()]


def pair(height, width):
    return torch.rand(2, 2, 3, height, width, generator=torch.Generator().manual_seed(0)).unbind()


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_what_is_built(name):
    (card,) = list_models(name)
    with torch.device("meta"):  # shapes alone
        assert count_parameters(create_model(name)) == card.parameters
    low, high = MILLIONS[name]
    assert low <= card.parameters / 1e6 <= high


@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_the_size_of_the_pictures(name):
    model = create_model(name).eval()
    with torch.no_grad():
        outputs = model(*pair(45, 70))
    assert {task: tuple(layer.shape) for task, layer in outputs.items()} == dict.fromkeys(model.tasks, (2, 1, 45, 70))
    assert all(layer.isfinite().all() for layer in outputs.values())


@pytest.mark.parametrize("name", ["fgbgnet_s", "fgbgnet_m", "fgbgnet_l"])
def test_default_weights_of_encoders_may_be_used_commercially(name):
    (card,) = list_models(name)
    assert card.encoder.pretrained
    assert any(fnmatch.fnmatch(card.encoder.licenses[0], pattern) for pattern in COMMERCIAL)


@pytest.mark.parametrize("name", ["fgbgnet_s", "fgbgnet_m", "fgbgnet_l"])
def test_the_second_head_adds_little_work(name):
    """Multiply-accumulates of the three branches, from the model's own table."""
    rows = create_model(name).summary(128).splitlines()[2:5]
    shared, mask, depth = (float(row.split()[2]) for row in rows)
    assert (shared + mask + depth) / (shared + mask) < 1.35


def test_small_model_learns():
    """A few steps on one batch bring the loss down: no layer of the thin decoder is cut off."""
    torch.manual_seed(0)
    model = create_model("fgbgnet_s").train()
    bg = torch.rand(4, 3, 64, 64)
    mask = torch.zeros(4, 1, 64, 64)
    mask[..., 16:48, 20:40] = 1
    frame = torch.where(mask > 0, torch.rand(4, 3, 1, 1), bg)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(bg, frame, tasks="mask")["mask"], mask)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_patterns_and_unknown_names():
    assert [card.name for card in list_models("fgbgnet_?")] == ["fgbgnet_s", "fgbgnet_m", "fgbgnet_l"]
    with pytest.raises(UnknownNameError, match="'fgbgnet_s'"):
        create_model("fgbgnet-s")


def test_weights_are_channels_last_and_come_back_so(tmp_path):
    model = create_model("fgbgnet_s").eval()
    assert is_channels_last(model)
    again = DualHeadUNet.from_pretrained(model.save_pretrained(tmp_path))
    assert is_channels_last(again)
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    assert not is_channels_last(plain)
    assert not is_channels_last(DualHeadUNet.from_pretrained(plain.save_pretrained(tmp_path)))
    with torch.no_grad():
        outputs = [one(*pair(32, 64)) for one in (model, again, plain)]
    for task in model.tasks:
        assert torch.equal(outputs[0][task], outputs[1][task])
        assert torch.allclose(outputs[0][task], outputs[2][task], atol=1e-4)
