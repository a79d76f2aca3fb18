import functools
import json
import subprocess
import sys

import huggingface_hub.constants
import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from fgbgnet.errors import InvalidArgumentError, MissingExtraError, MissingFileError, UnknownNameError, WeightsError
from fgbgnet.synth import load_teacher
from fgbgnet.synth.teachers.huggingface import meaning_of
from tests.synth.teachers.tiny_models import depth_anything, dpt, glpn, save, zoedepth

METRIC = {"unit": "metres", "direction": "near_small"}
INVERSE = {"unit": "relative", "direction": "near_large"}


def pictures(count=2, height=20, width=28):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def red(batch):
    return batch[:, 0].float() + 1


class Green:
    def __call__(self, batch):
        return batch[:, 1:2].float()


# Functions


@pytest.mark.parametrize(
    "convert", [lambda x: x, lambda x: x[:, None], lambda x: x.numpy(), lambda x: x.half(), lambda x: x.double()]
)
def test_a_function_is_a_teacher(convert):
    batch = pictures()
    depth = load_teacher(lambda x: convert(red(x)), unit="metres")(batch)
    assert depth.dtype == torch.float32
    assert depth.shape == (2, 20, 28)
    assert torch.equal(depth, batch[:, 0].float() + 1)


def test_integers_and_reversed_arrays_are_taken():
    batch = pictures()
    flipped = load_teacher(lambda x: x[:, 0].numpy()[:, :, ::-1], unit="relative", direction="near_small")(batch)
    assert torch.equal(flipped, batch[:, 0].flip(2).float())


def test_an_estimate_of_another_size_is_resized():
    ramp = torch.arange(1.0, 8.0).expand(2, 5, 7)
    depth = load_teacher(lambda _: ramp, unit="metres")(pictures(2, 10, 14))
    # Bilinear at half-pixel positions: x / 2 + 3 / 4, ends kept.
    expected = (torch.arange(14.0) / 2 + 0.75).clamp(1, 7)
    assert torch.allclose(depth, expected.expand(2, 10, 14))


def test_what_comes_out_can_be_a_training_target():
    depth = load_teacher(lambda x: x[:, 0].float(), unit="metres")(pictures())
    weight = torch.ones((), requires_grad=True)
    (weight * depth).sum().backward()
    assert weight.grad == depth.sum()


def test_a_network_computes_no_gradient():
    network = torch.nn.Conv2d(3, 1, 3, padding=1)
    seen = []
    teacher = load_teacher(lambda x: seen.append(torch.is_grad_enabled()) or network(x.float()), unit="metres")
    assert not teacher(pictures()).requires_grad
    assert seen == [False]


def test_a_teacher_stays_what_it_is():
    teacher = load_teacher(red, unit="relative", direction="near_large", name="mine")
    assert load_teacher(teacher) is teacher
    assert load_teacher(teacher, "cpu", "relative", "near_large", name="mine") is teacher
    for wanted in ({"unit": "metres"}, {"direction": "near_small"}, {"name": "other"}, {"revision": "main"}):
        key = next(iter(wanted))
        with pytest.raises(InvalidArgumentError, match=f"^{key} is .*but the source is the Teacher.*leave {key} out"):
            load_teacher(teacher, **wanted)


def test_names_and_fingerprints_of_functions():
    named = load_teacher(red, unit="metres", name="the red one")
    assert named.name == "the red one"
    partial = functools.partial(red)
    plain = [load_teacher(f, unit="metres") for f in (red, partial, Green())]
    assert plain[0].name.endswith("test_teacher.red")
    assert plain[1].fingerprint == plain[0].fingerprint
    assert plain[2].name.endswith("test_teacher.Green")
    assert len({named.fingerprint, *(teacher.fingerprint for teacher in plain)}) == 3
    assert [(t.unit, t.direction) for t in plain] == [("metres", "near_small")] * 3


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, InvalidArgumentError, "unit is not given.*unit='metres'"),
        ({"direction": "near_small"}, InvalidArgumentError, "unit is not given"),
        ({"unit": "relative"}, InvalidArgumentError, "direction is not given.*'near_large'"),
        ({"unit": "metres", "direction": "near_large"}, InvalidArgumentError, "inverse metric depth is not supported"),
        ({"unit": "meters"}, UnknownNameError, "unknown unit 'meters'.*'metres'"),
        ({"unit": "relative", "direction": "near_big"}, UnknownNameError, "unknown direction 'near_big'"),
        ({"unit": "metres", "device": "cuda:99"}, InvalidArgumentError, "device 'cuda:99' cannot be used"),
        ({"unit": "metres", "device": "abacus"}, InvalidArgumentError, "device 'abacus' cannot be used"),
    ],
)
def test_what_a_function_does_not_say_has_to_be_given(arguments, error, text):
    with pytest.raises(error, match=text):
        load_teacher(red, **arguments)


@pytest.mark.parametrize("source", [None, 3, b"folder"])
def test_a_source_of_another_type_is_named(source):
    with pytest.raises(InvalidArgumentError, match=f"source is a {type(source).__name__}"):
        load_teacher(source)


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (pictures()[0], r"shape \(3, 20, 28\)"),
        (pictures().float(), "float32"),
        (pictures()[:, :1], r"\(2, 1, 20, 28\)"),
        (pictures()[:0], r"\(0, 3, 20, 28\)"),
        (pictures().numpy(), "an array"),
        ("room.jpg", "a str"),
    ],
)
def test_wrong_pictures_are_named(batch, text):
    with pytest.raises(InvalidArgumentError, match=rf"pictures is .*{text}.*uint8 tensor \(B, 3, H, W\)"):
        load_teacher(red, unit="metres")(batch)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (torch.full((2, 20, 28), torch.nan), "NaN or infinity in picture 0"),
        (torch.tensor([1.0, torch.inf]).view(2, 1, 1).expand(2, 20, 28), "NaN or infinity in picture 1"),
        (torch.ones(3, 20, 28), r"shape \(3, 20, 28\)"),
        (torch.ones(20, 28), r"shape \(20, 28\)"),
        (torch.ones(2, 3, 20, 28), r"shape \(2, 3, 20, 28\)"),
        (torch.ones(2, 0, 28), r"shape \(2, 0, 28\)"),
        (torch.ones(2, 20, 28, dtype=torch.complex64), "complex64"),
        (np.full((2, 20, 28), "far"), "an array"),
        ([[1.0]], "a list"),
        (None, "a NoneType"),
    ],
)
def test_wrong_estimates_are_named(estimate, text):
    teacher = load_teacher(lambda _: estimate, unit="metres", name="a liar")
    with pytest.raises(InvalidArgumentError, match=rf"'a liar' returned .*{text}.*\(2, H, W\)"):
        teacher(pictures())


# Models of Hugging Face


@pytest.mark.parametrize(
    ("make", "arguments", "meaning"),
    [
        (dpt, {}, INVERSE),
        (depth_anything, {"kind": "relative"}, INVERSE),
        (depth_anything, {"kind": "metric"}, METRIC),
        (glpn, {}, METRIC),
        (zoedepth, {}, METRIC),
    ],
)
def test_a_model_gives_what_its_own_pipeline_gives(tmp_path, make, arguments, meaning):
    folder = str(save(tmp_path / "tiny", make, **arguments))
    teacher = load_teacher(folder)
    assert {"unit": teacher.unit, "direction": teacher.direction} == meaning
    assert teacher.name == "tiny"
    batch = pictures(3, 40, 56)
    depth = teacher(batch)
    assert depth.std() > 0.01
    pipeline = transformers.pipeline("depth-estimation", model=folder, image_processor=folder, device="cpu")
    for picture, guessed in zip(batch, depth, strict=True):
        expected = pipeline(Image.fromarray(picture.permute(1, 2, 0).numpy()))["predicted_depth"]
        assert torch.allclose(guessed, expected, rtol=1e-3, atol=1e-3)  # its batches have one picture


def test_pictures_of_a_single_row_keep_their_shape(tmp_path):
    assert load_teacher(save(tmp_path))(pictures(2, 1, 9)).shape == (2, 1, 9)


def test_half_precision_weights_are_used_in_single_precision(tmp_path):
    model, processor = dpt()
    model.half().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert load_teacher(tmp_path)(pictures()).dtype == torch.float32


def test_the_fingerprint_is_that_of_weights_and_preprocessing(tmp_path):
    save(tmp_path / "a")
    save(tmp_path / "b")
    save(tmp_path / "other", seed=1)
    first, same, other = (load_teacher(tmp_path / name).fingerprint for name in ("a", "b", "other"))
    assert first == same != other
    path = tmp_path / "b" / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "size": {"height": 24, "width": 24}}))
    assert load_teacher(tmp_path / "b").fingerprint != first


def test_what_the_caller_says_wins(tmp_path):
    save(tmp_path)
    assert load_teacher(tmp_path, unit="metres").direction == "near_small"
    assert load_teacher(tmp_path, direction="near_small").unit == "relative"
    assert load_teacher(tmp_path, name="mine").name == "mine"


def test_a_model_that_does_not_say_what_it_means_is_asked_about(tmp_path):
    """DPT on DINOv2 exists in metres, with a configuration like that of any other."""
    backbone = {"model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
    config = transformers.DPTConfig(backbone_config=backbone)
    assert meaning_of(config) is None
    assert meaning_of(transformers.PretrainedConfig()) is None
    save(tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text())
    backbone |= {"out_features": ["stage1", "stage2", "stage3", "stage4"], "reshape_hidden_states": False}
    backbone |= {"patch_size": 8, "image_size": 32}
    config = transformers.DPTConfig(**{**content, "backbone_config": backbone})
    transformers.DPTForDepthEstimation(config).save_pretrained(tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"type 'dpt' does not say it.*unit='metres'"):
        load_teacher(tmp_path)
    with pytest.raises(InvalidArgumentError, match="direction='near_small'"):
        load_teacher(tmp_path, unit="relative")
    assert load_teacher(tmp_path, unit="metres").direction == "near_small"


def test_missing_weights_are_refused_but_for_the_layer_that_nothing_uses(tmp_path):
    """Published weights of DPT lack the first residual layer; transformers fills it with random numbers."""
    save(tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    unused = [key for key in whole if key.startswith("neck.fusion_stage.layers.0.residual_layer1.")]
    assert unused
    expected = load_teacher(tmp_path)(pictures())
    save_file(
        {key: value for key, value in whole.items() if key not in unused}, tmp_path / "model.safetensors",
        {"format": "pt"},
    )  # fmt: skip
    first, second = load_teacher(tmp_path), load_teacher(tmp_path)
    assert first.fingerprint == second.fingerprint
    assert torch.equal(first(pictures()), expected)
    save_file(
        {key: value for key, value in whole.items() if not key.startswith("head.")}, tmp_path / "model.safetensors",
        {"format": "pt"},
    )  # fmt: skip
    with pytest.raises(WeightsError, match=r"lacks \d+ weights.*first is head\."):
        load_teacher(tmp_path)


def _other_model(folder):
    save(folder)
    transformers.ViTModel(
        transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ).save_pretrained(folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: folder.mkdir(exist_ok=True),
        lambda folder: (save(folder) / "config.json").unlink(),
        lambda folder: (save(folder) / "config.json").write_text("{"),
        lambda folder: (save(folder) / "preprocessor_config.json").unlink(),
        lambda folder: (save(folder) / "model.safetensors").unlink(),
        lambda folder: (save(folder) / "model.safetensors").write_bytes(b"half"),
        _other_model,
    ],
)
def test_a_folder_that_holds_no_such_model_is_named(tmp_path, spoil):
    spoil(tmp_path)
    with pytest.raises(WeightsError, match=r"is not a depth-estimation model.*expected config\.json") as caught:
        load_teacher(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["./nowhere", "/no/such/folder", "a/b/c", "~/nowhere", "not an id", "no\\where"])
def test_a_path_that_leads_nowhere_is_not_looked_for_on_the_network(source):
    with pytest.raises(MissingFileError, match="no folder of a model at"):
        load_teacher(source)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(InvalidArgumentError, match=r"is a file; expected the folder of a model"):
        load_teacher(tmp_path / "model.bin")


def test_without_a_network_a_folder_is_asked_for(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingFileError, match=r"huggingface\.co cannot be reached.*give its folder"):
        load_teacher("nobody/no-such-model")


def test_an_id_that_the_hub_does_not_know_is_named(monkeypatch):
    def refuse(*arguments, **named):
        raise OSError("404 Client Error.\nRepository Not Found")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(MissingFileError, match=r"no model 'a/typo' with revision 'v9' can be fetched.*404 .*Not Found"):
        load_teacher("a/typo", revision="v9")


def test_a_fetched_model_is_loaded_from_the_cache(tmp_path, monkeypatch):
    """The folders that huggingface_hub leaves behind, and no network."""
    commit = "c" * 40
    home = tmp_path / "models--some--tiny"
    save(home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    teacher = load_teacher("some/tiny")
    assert teacher.name == "some/tiny"
    local = load_teacher(home / "snapshots" / commit)
    assert teacher.fingerprint == local.fingerprint
    assert torch.equal(teacher(pictures()), local(pictures()))


def test_without_transformers_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra 'depth': .*fgbgnet\[depth\]"):
        load_teacher(tmp_path)


def test_functions_need_no_transformers():
    code = (
        "import sys; from fgbgnet.synth import load_teacher; load_teacher(lambda x: x[:, 0], unit='metres');"
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
