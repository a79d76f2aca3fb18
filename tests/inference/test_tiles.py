import math

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from fgbgnet import evaluate
from fgbgnet.errors import InvalidArgumentError
from fgbgnet.evaluation import Difference
from fgbgnet.inference import FlipAveraged, TiledModel
from fgbgnet.inference.tiles import spans
from fgbgnet.models import PredictMixin
from fgbgnet.synth import SceneDataset
from tests.inference.networks import speaking


def receptive_radius(model):
    """How far from a pixel the pictures can still change it: every weight is made positive, so that nothing cancels."""
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.fill_(1 / layer.weight[0].numel())
            elif isinstance(layer, nn.BatchNorm2d):
                layer.reset_running_stats()
    model = model.double()
    pictures = torch.ones(1, 3, model.stride, 512, dtype=torch.float64)
    radius = 0
    with torch.no_grad():
        before = model(pictures, pictures)["mask"]
        for column in range(256, 256 + model.stride):
            changed = pictures.clone()
            changed[..., column] += 0.01
            moved = (model(pictures, changed)["mask"] != before).any(dim=-2).flatten().nonzero().flatten()
            radius = max(radius, column - int(moved[0]), int(moved[-1]) - column)
    assert radius < 240
    return radius


@pytest.mark.parametrize(("arguments", "tile"), [({"encoder_depth": 3}, 480), ({"fusion": "siamese"}, 1024)], ids=str)
def test_tiles_give_what_the_whole_picture_gives(arguments, tile):
    """Everywhere, and not only away from the picture's borders, where the overlap covers the receptive field."""
    radius = receptive_radius(speaking(**arguments))
    overlap = tile // 2
    assert radius <= overlap // 4
    model = speaking(**arguments)
    for size in ((37, 1501), (1501, 37)) if tile == 480 else ((37, 1501),):
        tiled = TiledModel(model, tile, overlap, batch_size=2)
        bg, frame = torch.rand(2, 1, 3, *size)
        with torch.no_grad():
            expected = model(bg, frame)
        for key, layer in tiled(bg, frame).items():
            assert expected[key].std() > 0.1
            torch.testing.assert_close(layer, expected[key], atol=1e-3, rtol=0)


def test_both_axes_batches_and_tasks():
    model = speaking(encoder_depth=2)
    bg, frame = torch.rand(2, 3, 3, 130, 150)
    with torch.no_grad():
        expected = model(bg, frame)
    results = [TiledModel(model, 96, 48, batch_size)(bg, frame) for batch_size in (1, 5)]
    for key in expected:
        torch.testing.assert_close(*(result[key] for result in results), atol=1e-4, rtol=1e-4)
        assert (results[0][key] - expected[key]).abs().mean() < 0.02 * expected[key].std()
    assert list(TiledModel(model, 96)(bg, frame, "depth")) == ["depth"]
    assert list(TiledModel(model, 96)(bg, frame)) == list(expected)


def test_pictures_of_one_tile_pass_untouched():
    model = speaking()
    bg, frame = torch.rand(2, 2, 3, 60, 64)
    with torch.no_grad():
        expected = model(bg, frame)
    outputs = TiledModel(model, 64)(bg, frame)
    assert all(torch.equal(outputs[key], expected[key]) for key in expected)


@given(
    length=st.integers(1, 700),
    cells=st.integers(2, 12),
    stride=st.sampled_from([1, 2, 8, 32]),
    share=st.floats(0, 0.5),
)
def test_every_pixel_is_divided_among_its_tiles(length, cells, stride, share):
    tile = cells * stride
    overlap = min(math.floor(share * tile), tile - stride)
    total = torch.zeros(length)
    end = 0
    for span in spans(length, tile, overlap, stride):
        first, last = span.start + span.used, span.start + span.used + len(span.weights)
        assert span.start % stride == 0
        assert last <= min(length, span.start + tile)
        assert span.weights.min() > 0
        if span.start:
            assert end - span.start >= overlap
            assert span.used >= overlap // 4
        if last < length:
            assert span.start + tile - last >= overlap // 4
        total[first:last] += span.weights
        end = span.start + tile
    assert end >= length
    torch.testing.assert_close(total, torch.ones(length), atol=1e-6, rtol=0)


class Position(PredictMixin):
    """Says how bright the frame is, and counts what it is given; bad values at the borders of a tile stay there."""

    stride = 8

    def __init__(self, border=0):
        super().__init__()
        self.border, self.shapes = border, []

    def forward(self, bg, fg_bg, tasks=None):
        self.shapes.append(tuple(fg_bg.shape))
        depth = fg_bg[:, :1].clone()
        if self.border:
            depth[..., : self.border], depth[..., -self.border :] = float("nan"), float("inf")
        return {"depth": depth, "mask": depth.half()}


def test_where_nothing_is_blended_nothing_is_rounded():
    model = Position()
    frame = torch.rand(1, 3, 50, 300)
    outputs = TiledModel(model, 64, 0)(frame, frame)
    assert torch.equal(outputs["depth"], frame[:, :1])
    assert outputs["mask"].dtype == torch.float32
    assert set(model.shapes) == {(4, 3, 56, 64), (1, 3, 56, 64)}
    shades = torch.linspace(0, 1, 300).expand(1, 3, 50, 300)
    torch.testing.assert_close(TiledModel(model, 64)(shades, shades)["depth"], shades[:, :1])


def test_what_is_wrong_at_a_tiles_border_stays_there():
    frame = torch.rand(1, 3, 64, 200)
    depth = TiledModel(Position(border=8), (64, 96), 32)(frame, frame)["depth"]
    assert torch.equal(depth.isfinite().all(-2).flatten().nonzero().flatten(), torch.arange(8, 192))


def test_memory_holds_whole_pictures_of_the_outputs_alone():
    model, frame = Position(), torch.rand(1, 3, 100, 3000)
    TiledModel(model, 64, batch_size=3)(frame, frame)
    assert max(math.prod(shape) for shape in model.shapes) == 3 * 3 * 64 * 64


def test_stands_where_a_model_can():
    model = speaking(input_size=32, depth_unit="relative").train()
    scenes = SceneDataset(3, size=48)
    tiled = TiledModel(FlipAveraged(model), 32, overlap=16)  # the stride of the model within: 16
    assert (tiled.depth_unit, tiled.input_size) == ("relative", None)
    prediction = tiled.predict(scenes[0]["bg"], scenes[0]["fg_bg"])
    assert prediction.depth.shape == (48, 48)
    evaluation = evaluate(FlipAveraged(TiledModel(model, 32)), scenes, progress=False)
    assert evaluation.mask is not None
    assert evaluation.depth is not None
    assert model.training
    floors = Difference(), TiledModel(Difference(), 40, 8, stride=4)
    results = [evaluate(floor, scenes, floors=False, progress=False) for floor in floors]
    assert results[0].mask["iou"] == results[1].mask["iou"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"tile": 0}, "tile=0"),
        ({"tile": (64, -1)}, "tile=-1"),
        ({"tile": 64.5}, "tile"),
        ({"tile": 64, "overlap": 33}, "0 to 32 pixels"),
        ({"tile": 64, "overlap": -1}, "overlap=-1"),
        ({"tile": 64, "overlap": 0.5}, "overlap=0.5"),
        ({"tile": 16, "overlap": 8}, "overlap=8 leaves less than the model's stride of 16"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"stride": 0}, "stride=0"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(InvalidArgumentError, match=words):
        TiledModel(speaking(), **arguments)


@pytest.mark.parametrize("wrapper", [TiledModel, FlipAveraged])
def test_pictures_that_differ_in_size_are_told(wrapper):
    model = wrapper(speaking())
    with pytest.raises(InvalidArgumentError, match="expected the same"):
        model(torch.rand(1, 3, 1024, 1024), torch.rand(1, 3, 1024, 1025))
