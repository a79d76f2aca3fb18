"""Files that `export_model` writes, and what runs them."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from fgbgnet import evaluate, load_model
from fgbgnet.errors import (
    ExportError,
    InvalidArgumentError,
    MissingExtraError,
    MissingFileError,
    UnknownNameError,
    WeightsError,
)
from fgbgnet.inference import ExportedModel, OnnxModel, export_model
from fgbgnet.inference.export.graph import not_exportable
from tests.inference.exportable import SIZES, ContentDependent, SizeDependent, apart, pair, trained

FORMATS = ("onnx", "pt2")
OPTIONS = {
    "whole.onnx": {},
    "whole.pt2": {},
    "camera.onnx": {"tasks": "mask", "probabilities": True, "byte_pictures": True},
    "camera.pt2": {"tasks": "mask", "probabilities": True, "byte_pictures": True},
    "fixed.onnx": {"size": (24, 40), "tasks": ("depth",)},
    "int8.onnx": {"precision": "int8"},
}


@pytest.fixture(scope="module")
def model():
    return trained("unet_small", encoder_depth=1, fusion="early_diff", uncertainty=("depth",), input_size=32)


@pytest.fixture(scope="module")
def reports(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return {name: export_model(model, folder / name, progress=False, **options) for name, options in OPTIONS.items()}


@pytest.fixture(scope="module")
def files(reports):
    return reports["whole.onnx"].path.parent


@pytest.mark.parametrize("name", ["whole.onnx", "whole.pt2"])
def test_files_say_what_the_model_says_for_pictures_of_any_size(model, files, name):
    runner = load_model(files / name)
    for size in SIZES:
        with torch.no_grad():
            expected = model(*pair(*size))
        assert set(expected) == {"mask", "depth", "depth_uncertainty"}
        ordered = {key: expected[key] for key in ("mask", "depth", "depth_uncertainty")}
        assert apart(runner(*pair(*size)), ordered) < 1e-4, size


def test_the_report_says_what_was_measured(reports, files):
    for name, report in reports.items():
        assert report.path == files / name
        assert report.megabytes * 1e6 == (files / name).stat().st_size
        assert name in report.summary()
        assert list(report.differences) == list(report.facts.outputs)
        assert max(report.differences.values()) < (0.1 if name == "int8.onnx" else 1e-4)
    assert sorted(path.name for path in files.iterdir()) == sorted(OPTIONS)


def test_an_onnx_file_needs_nothing_of_ours(model, files):
    session = onnxruntime.InferenceSession(str(files / "whole.onnx"), providers=["CPUExecutionProvider"])
    assert [(value.name, value.type, value.shape) for value in session.get_inputs()] == [
        (name, "tensor(float)", ["batch", 3, "height", "width"]) for name in ("bg", "fg_bg")
    ]
    assert [value.name for value in session.get_outputs()] == ["mask", "depth", "depth_uncertainty"]
    assert all(value.shape == ["batch", 1, "height", "width"] for value in session.get_outputs())
    bg, fg_bg = pair(2, 21, 34)
    mask, depth, _ = session.run(None, {"bg": bg.numpy(), "fg_bg": fg_bg.numpy()})
    with torch.no_grad():
        expected = model(bg, fg_bg)
    assert np.abs(mask - expected["mask"].numpy()).max() < 1e-4
    assert np.abs(depth - expected["depth"].numpy()).max() < 1e-4


def test_a_pt2_file_needs_nothing_of_ours(model, files):
    program = torch.export.load(files / "whole.pt2")
    bg, fg_bg = pair(2, 53, 74)
    with torch.no_grad():
        assert torch.equal(program.module()(bg=bg, fg_bg=fg_bg)["mask"], model(bg, fg_bg)["mask"])


@pytest.mark.parametrize("name", ["camera.onnx", "camera.pt2"])
def test_bytes_in_and_probabilities_out(model, files, name):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 1, 30, 45, 3), dtype=np.uint8)
    floats = [torch.from_numpy(picture).permute(0, 3, 1, 2).float() / 255 for picture in pictures]
    with torch.no_grad():
        expected = model(*floats)["mask"]
    if name.endswith("onnx"):
        session = onnxruntime.InferenceSession(str(files / name), providers=["CPUExecutionProvider"])
        assert [value.name for value in session.get_outputs()] == ["mask"]
        (mask,) = session.run(None, {"bg": pictures[0], "fg_bg": pictures[1]})
        assert np.abs(mask - expected.sigmoid().numpy()).max() < 1e-5
    runner = load_model(files / name)
    outputs = runner(*floats)  # the contract of a model: logits, whatever the file holds
    assert list(outputs) == ["mask"]
    assert torch.allclose(outputs["mask"], expected, atol=1e-3)


@pytest.mark.parametrize("name", ["whole.onnx", "whole.pt2", "camera.onnx"])
def test_predict_and_evaluate_as_the_model(model, files, name, quadruples):
    from fgbgnet import PairedFgBgDataset, eval_transform

    runner = load_model(files / name)
    folder = quadruples.parent
    for_model, for_file = (m.predict(folder / "bg/bg_0.png", folder / "fg_bg/000.png") for m in (model, runner))
    # Pictures that were resized and come as bytes are rounded.
    tolerance = 0.02 if name == "camera.onnx" else 1e-4
    assert torch.allclose(for_file.mask_probability, for_model.mask_probability, atol=tolerance)
    assert for_file.depth_unit == for_model.depth_unit
    if name != "camera.onnx":
        assert torch.allclose(for_file.depth, for_model.depth, atol=1e-4)
        assert torch.allclose(for_file.depth_uncertainty, for_model.depth_uncertainty, atol=1e-4)
        data = PairedFgBgDataset(quadruples, eval_transform(32))
        one, other = (evaluate(m, data, floors=False, progress=False) for m in (model, runner))
        assert other.mask["iou"] == pytest.approx(one.mask["iou"], abs=1e-3)
        assert other.depth["abs_rel"] == pytest.approx(one.depth["abs_rel"], abs=1e-3)


@pytest.mark.parametrize("name", ["whole.onnx", "whole.pt2"])
def test_one_task_of_a_file(files, name):
    runner = load_model(files / name)
    both = runner(*pair(1, 20, 20))
    assert list(runner(*pair(1, 20, 20), tasks="mask")) == ["mask"]
    alone = runner(*pair(1, 20, 20), tasks=("depth",))
    assert list(alone) == ["depth", "depth_uncertainty"]
    assert torch.equal(alone["depth"], both["depth"])


def test_a_file_of_one_size_and_one_task(model, files):
    runner = load_model(files / "fixed.onnx")
    with torch.no_grad():
        expected = model(*pair(3, 24, 40), tasks="depth")
    assert apart(runner(*pair(3, 24, 40)), expected) < 1e-4
    assert runner.predict(*pair(1, 50, 60)[0].expand(2, -1, -1, -1)).depth.shape == (50, 60)
    with pytest.raises(InvalidArgumentError, match=r"\(24, 40\) only"):
        runner(*pair(1, 24, 41))
    with pytest.raises(InvalidArgumentError, match="exported without 'mask'"):
        runner(*pair(1, 24, 40), tasks="mask")


def test_weights_in_bytes(model, files, reports):
    runner, whole = load_model(files / "int8.onnx"), load_model(files / "whole.onnx")
    assert (runner.facts.precision, whole.facts.precision) == ("int8", "fp32")
    outputs, expected = runner(*pair(2, 40, 60)), whole(*pair(2, 40, 60))
    for name, layer in expected.items():
        assert 0 < (outputs[name] - layer).abs().max() < 0.1 * (1 + layer.abs().max())
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    saved = (reports["whole.onnx"].megabytes - reports["int8.onnx"].megabytes) * 1e6
    assert saved == pytest.approx(3 * weights, rel=0.15)


def test_the_model_stays_as_it_is(tmp_path):
    model = trained("unet_small", encoder_depth=1, tasks="mask").train()
    model.mask_branch.eval()
    modes = [part.training for part in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    export_model(model, tmp_path / "a.pt2", progress=False)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_floor_becomes_a_file(tmp_path, suffix):
    floor = load_model("difference")
    export_model(floor, tmp_path / f"floor.{suffix}", progress=False)
    runner = load_model(tmp_path / f"floor.{suffix}")
    assert apart(runner(*pair(2, 9, 14)), floor(*pair(2, 9, 14))) < 1e-4


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_does_not_agree_is_not_left(tmp_path, suffix):
    words = r"does not say what the model says.*mask|does not take pictures of shape \(1, 3, 48, 32\)"
    with pytest.raises(ExportError, match=words):
        export_model(SizeDependent(), tmp_path / f"a.{suffix}", progress=False)
    assert not list(tmp_path.iterdir())
    export_model(SizeDependent(), tmp_path / f"a.{suffix}", size=40, progress=False)


def test_a_model_without_a_graph(tmp_path):
    with pytest.raises(ExportError, match=r"ContentDependent cannot be exported.*torch\.export says.*encoder"):
        export_model(ContentDependent(), tmp_path / "a.onnx", progress=False)
    assert not list(tmp_path.iterdir())


def test_the_error_names_the_root_of_a_failure(reports):
    try:
        try:
            raise AttributeError("no such operation\nand more")
        except AttributeError as error:
            raise RuntimeError("\na pass failed") from error
    except RuntimeError as error:
        text = str(not_exportable("It", "torch.onnx", error, reports["whole.onnx"].facts))
        fixed = str(not_exportable("It", "torch.onnx", error, reports["fixed.onnx"].facts))
    assert "any size: torch.onnx says: a pass failed (at its root: no such operation). Fix the size" in text
    assert "24 x 40 pixels" in fixed
    assert "size=224" not in fixed


def test_a_file_that_is_there_is_kept(model, tmp_path):
    path = tmp_path / "a.pt2"
    path.write_text("mine")
    with pytest.raises(InvalidArgumentError, match="overwrite"):
        export_model(model, path, progress=False)
    with pytest.raises(ExportError):
        export_model(ContentDependent(), path, overwrite=True, progress=False)
    assert path.read_text() == "mine"
    export_model(load_model("difference"), path, overwrite=True, progress=False)
    assert isinstance(load_model(path), ExportedModel)


WRONG = [
    ("a.tflite", {}, UnknownNameError, "'onnx'"),
    ("a", {}, UnknownNameError, "end with .onnx or .pt2"),
    ("a.onnx", {"format": "onx"}, UnknownNameError, "'onnx'"),
    ("a.onnx", {"format": "pt2"}, InvalidArgumentError, "end with '.pt2'"),
    ("a.onnx", {"precision": "int4"}, UnknownNameError, "'int8'"),
    ("a.pt2", {"precision": "fp16"}, InvalidArgumentError, "format='onnx'"),
    ("a.pt2", {"tasks": "masks"}, UnknownNameError, "'mask'"),
    ("a.pt2", {"tasks": ()}, InvalidArgumentError, "no task"),
    ("a.pt2", {"size": 0}, InvalidArgumentError, "size=0"),
    ("a.pt2", {"size": (8, -1)}, InvalidArgumentError, "size=-1"),
]


@pytest.mark.parametrize(("name", "options", "error", "words"), WRONG)
def test_wrong_options(model, tmp_path, name, options, error, words):
    with pytest.raises(error, match=words):
        export_model(model, tmp_path / name, progress=False, **options)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_that_name(model, tmp_path):
    (tmp_path / "a.onnx").mkdir()
    with pytest.raises(InvalidArgumentError, match="is a folder"):
        export_model(model, tmp_path / "a.onnx", progress=False)


def test_what_is_exported_is_not_exported_again(files, tmp_path):
    with pytest.raises(InvalidArgumentError, match="exported already"):
        export_model(load_model(files / "whole.onnx"), tmp_path / "b.onnx")


def test_files_that_are_none(files, tmp_path):
    for name in ("a.onnx", "a.pt2"):
        with pytest.raises(MissingFileError, match=name):
            load_model(tmp_path / name)
        (tmp_path / name).write_text("no model")
        with pytest.raises(WeightsError, match="cannot be read"):
            load_model(tmp_path / name)
    whole = (files / "whole.pt2").read_bytes()
    (tmp_path / "cut.pt2").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="cannot be read"):
        load_model(tmp_path / "cut.pt2")


def test_files_of_others(files, tmp_path):
    proto = onnx.load(files / "whole.onnx")
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "other.onnx")
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), tmp_path / "other.pt2")
    for name in ("other.onnx", "other.pt2"):
        with pytest.raises(WeightsError, match="says nothing of itself"):
            load_model(tmp_path / name)
    for text in ('{"mask": "logits"}', "[]", "{"):
        entry = onnx.load(files / "whole.onnx")
        entry.metadata_props[0].value = text
        onnx.save(entry, tmp_path / "odd.onnx")
        with pytest.raises(WeightsError, match=r"odd\.onnx"):
            load_model(tmp_path / "odd.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_without_the_extra(model, files, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert importlib.util.find_spec("torch")
    with pytest.raises(MissingExtraError, match=r"fgbgnet\[export\]"):
        export_model(model, tmp_path / "a.onnx", progress=False)
    if package == "onnxruntime":
        with pytest.raises(MissingExtraError, match=r"fgbgnet\[export\]"):
            load_model(files / "whole.onnx")
    assert not list(tmp_path.iterdir())


def test_too_old_a_torch(model, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(MissingExtraError, match=r"torch 2\.5\.1"):
        export_model(model, tmp_path / "a.pt2", progress=False)


@pytest.mark.parametrize("name", ["whole.onnx", "whole.pt2"])
def test_wrong_pictures(files, name):
    runner = load_model(files / name)
    good = torch.rand(1, 3, 16, 16)
    for wrong, words in ((torch.rand(1, 3, 16, 17), "shape"), (good * 255, "Divide"), (good > 0.5, "floats")):
        for pictures in ((good, wrong), (wrong, good)):
            with pytest.raises(InvalidArgumentError, match=words):
                runner(*pictures)
    with pytest.raises(UnknownNameError, match="'mask'"):
        runner(good, good, tasks="masks")


def test_options_of_the_runtime(files):
    path: Path = files / "whole.onnx"
    assert torch.equal(OnnxModel(path, threads=1)(*pair(1, 9, 9))["mask"], OnnxModel(path)(*pair(1, 9, 9))["mask"])
    for threads in (0, -1):
        with pytest.raises(InvalidArgumentError, match=f"threads={threads}"):
            OnnxModel(path, threads=threads)
    with pytest.raises(InvalidArgumentError, match="CPUExecutionProvider"):
        OnnxModel(path, providers=["AbacusExecutionProvider"])
