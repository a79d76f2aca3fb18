import copy
import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from fgbgnet.errors import MissingFileError, WeightsError
from fgbgnet.models import DualHeadUNet, pretrained

CONFIG = {"encoder_name": "unet_small", "shared_stages": 2, "fusion": "early_diff", "depth_unit": "relative",
          "input_size": 48, "tasks": ("mask",)}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    model = DualHeadUNet(**CONFIG)
    for _ in range(2):  # statistics other than the initial ones
        model(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    return model, model.save_pretrained(tmp_path / "model", metadata={"seed": 1})


def test_round_trip(folder):
    model, path = folder
    again = DualHeadUNet.from_pretrained(path)
    assert not again.training
    assert again.config == model.config
    assert (again.depth_unit, again.input_size, again.tasks) == ("relative", 48, ("mask",))
    pair = torch.rand(1, 3, 40, 50), torch.rand(1, 3, 40, 50)
    with torch.no_grad():
        assert torch.equal(model.eval()(*pair)["mask"], again(*pair)["mask"])
    assert json.loads((path / "config.json").read_text())["metadata"] == {"seed": 1}


def test_a_run_folder_stands_for_its_model(folder):
    _, path = folder
    assert DualHeadUNet.from_pretrained(path.parent).config["encoder_name"] == "unet_small"


def test_loading_never_fetches_the_weights_that_training_started_from(folder):
    """Sockets are blocked in the tests: fetching would fail."""
    _, path = folder
    resnet = DualHeadUNet("resnet18", input_size=32)
    resnet.arguments["encoder_weights"] = "imagenet"
    again = DualHeadUNet.from_pretrained(resnet.save_pretrained(path))
    assert again.config["encoder_weights"] == "imagenet"


def test_what_changed_since_the_constructor_is_saved_too(tmp_path):
    model = DualHeadUNet("unet_small", input_size=32)
    model.input_size, model.tasks = 64, ("depth",)
    again = DualHeadUNet.from_pretrained(model.save_pretrained(tmp_path))
    assert (again.input_size, again.tasks) == (64, ("depth",))


def test_saving_over_a_model_replaces_it(folder):
    _, path = folder
    other = DualHeadUNet("unet_small")
    other.save_pretrained(path)
    again = DualHeadUNet.from_pretrained(path)
    assert torch.equal(again.state_dict()["mean"], other.mean)
    assert sorted(p.name for p in path.iterdir()) == ["config.json", "model.safetensors"]


def break_weights(path, change):
    weights = load_file(path / "model.safetensors")
    change(weights)
    save_file(weights, path / "model.safetensors")


KEY = "mask_branch.head.convolution.weight"
BREAKS = {
    "missing": (lambda w: w.pop(KEY), "1 missing .*mask_branch.head.convolution.weight"),
    "unknown": (lambda w: w.update(extra=torch.zeros(1)), "1 unknown .*extra"),
    "shape": (lambda w: w.update({KEY: torch.zeros(7)}), "1 of another shape .*mask_branch.head.convolution.weight"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_weights_that_do_not_fit(folder, kind):
    change, words = BREAKS[kind]
    break_weights(folder[1], change)
    with pytest.raises(WeightsError, match=words):
        DualHeadUNet.from_pretrained(folder[1])


def test_files_that_are_not_what_they_should_be(folder):
    _, path = folder
    weights = (path / "model.safetensors").read_bytes()
    (path / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(WeightsError, match=r"model\.safetensors cannot be read"):
        DualHeadUNet.from_pretrained(path)
    (path / "config.json").write_text("{")
    with pytest.raises(WeightsError, match="not valid JSON"):
        DualHeadUNet.from_pretrained(path)
    (path / "config.json").write_text("[1]")
    with pytest.raises(WeightsError, match="no 'config' object"):
        DualHeadUNet.from_pretrained(path)
    (path / "config.json").write_text('{"class": "Other", "config": {}}')
    with pytest.raises(WeightsError, match="'Other'"):
        DualHeadUNet.from_pretrained(path)
    (path / "config.json").write_text('{"class": "DualHeadUNet", "config": {"encoder": "unet"}}')
    with pytest.raises(WeightsError, match="does not take"):
        DualHeadUNet.from_pretrained(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"model\.safetensors"):
        DualHeadUNet.from_pretrained(path)
    with pytest.raises(MissingFileError, match="no model folder at nowhere"):
        DualHeadUNet.from_pretrained("nowhere")


def test_an_own_encoder_is_given_again_on_loading(tmp_path):
    from fgbgnet.models import PlainEncoder

    model = DualHeadUNet(PlainEncoder(6, (4, 8)), decoder_channels=(4,))
    model.save_pretrained(tmp_path)
    again = DualHeadUNet.from_pretrained(tmp_path, encoder_name=PlainEncoder(6, (4, 8)))
    assert torch.equal(again.state_dict()[KEY], model.state_dict()[KEY])


def test_an_own_encoder_that_is_not_given_again_is_asked_for(tmp_path):
    from fgbgnet.models import PlainEncoder

    DualHeadUNet(PlainEncoder(6, (4, 8)), decoder_channels=(4,)).save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"PlainEncoder.*from_pretrained\(folder, encoder_name=your_module\)"):
        DualHeadUNet.from_pretrained(tmp_path)


def test_a_save_that_stopped_between_the_files_is_told(folder, monkeypatch):
    """Same architecture, so that nothing but the hash can tell the new weights from those of the old configuration."""
    model, path = folder
    trained = DualHeadUNet(**CONFIG)
    write = pretrained.write_bytes

    def killed(file, content):
        if file.name == "config.json":
            raise KeyboardInterrupt
        return write(file, content)

    monkeypatch.setattr(pretrained, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        trained.save_pretrained(path)
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="interrupted"):
        DualHeadUNet.from_pretrained(path)
    before = model.mask_branch.head.convolution.weight.clone()
    with pytest.raises(WeightsError, match="interrupted"):
        model.load_weights(path)
    assert torch.equal(model.mask_branch.head.convolution.weight, before)


def test_a_configuration_without_a_hash_still_loads(folder):
    model, path = folder
    content = json.loads((path / "config.json").read_text())
    assert len(content.pop("weights_sha256")) == 64
    (path / "config.json").write_text(json.dumps(content))
    again = DualHeadUNet.from_pretrained(path)
    assert torch.equal(again.state_dict()[KEY], model.state_dict()[KEY])


def test_untrained_until_weights_are_loaded(folder):
    trained, path = folder
    assert DualHeadUNet(**CONFIG).untrained
    assert DualHeadUNet.from_pretrained(path).untrained is False
    model = DualHeadUNet(**CONFIG)
    model.load_state_dict(trained.state_dict())
    assert model.untrained is False
    inner = DualHeadUNet(**CONFIG)
    around = torch.nn.ModuleDict({"model": inner})  # as a checkpoint of a training module is loaded
    around.load_state_dict(torch.nn.ModuleDict({"model": trained}).state_dict())
    assert inner.untrained is False
    assert pickle.loads(pickle.dumps(model)).untrained is False
    assert DualHeadUNet(**CONFIG).untrained
    copied = copy.deepcopy(DualHeadUNet(**CONFIG))
    assert copied.untrained
    copied.load_state_dict(trained.state_dict())
    assert not copied.untrained


def test_metadata_that_json_cannot_hold_writes_nothing(tmp_path):
    with pytest.raises(WeightsError, match="JSON"):
        DualHeadUNet("unet_small").save_pretrained(tmp_path / "m", metadata={"x": object()})
    assert not (tmp_path / "m").exists()
