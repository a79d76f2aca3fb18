import pytest
import torch

from fgbgnet.evaluation import Difference
from fgbgnet.inference import FlipAveraged
from fgbgnet.models import PredictMixin
from tests.inference.networks import speaking


class Fixed(PredictMixin):
    """Says the same of every picture, wherever something is in it."""

    def __init__(self, mask, depth):
        super().__init__()
        self.layers = {
            "mask": torch.tensor(mask).reshape(1, 1, 1, -1),
            "depth": torch.tensor(depth).reshape(1, 1, 1, -1),
        }

    def forward(self, bg, fg_bg, tasks=("mask", "depth")):
        return {key: layer for key, layer in self.layers.items() if key in tasks}


@pytest.mark.parametrize("size", [(32, 48), (45, 71)])
@pytest.mark.parametrize("arguments", [{}, {"fusion": "siamese", "uncertainty": ("mask", "depth")}], ids=str)
def test_a_mirrored_pair_gives_the_mirrored_result_exactly(arguments, size):
    model = speaking(**arguments)
    averaged = FlipAveraged(model)
    bg, frame = torch.rand(2, 2, 3, *size)
    straight, mirrored = averaged(bg, frame), averaged(bg.flip(-1), frame.flip(-1))
    with torch.no_grad():
        alone = model(bg, frame)
    assert list(straight) == list(alone)
    for key in straight:
        assert torch.equal(mirrored[key].flip(-1), straight[key])
        assert not torch.allclose(straight[key], alone[key], atol=1e-2)


def test_the_mean_of_the_two():
    logits, depth = [-3.0, 0.5, 2.0, 8.0], [1.0, 2.0, 3.0, -5.0]
    pictures = torch.zeros(1, 3, 1, 4)
    outputs = FlipAveraged(Fixed(logits, depth))(pictures, pictures)
    probability = torch.tensor(logits).double().sigmoid()
    expected = (probability + probability.flip(0)) / 2
    torch.testing.assert_close(outputs["mask"].flatten().double().sigmoid(), expected, atol=1e-7, rtol=0)
    assert outputs["depth"].flatten().tolist() == [-2.0, 2.5, 2.5, -2.0]


def test_large_logits_stay_finite():
    outputs = FlipAveraged(Fixed([300.0, -300.0, 300.0, 300.0], [1.0] * 4))(
        torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4)
    )
    assert outputs["mask"].flatten().tolist() == pytest.approx([300.0, 0.0, 0.0, 300.0])


def test_tasks_and_floors():
    bg, frame = torch.rand(2, 1, 3, 40, 40)
    assert list(FlipAveraged(speaking())(bg, frame, "depth")) == ["depth"]
    torch.testing.assert_close(
        FlipAveraged(Difference())(bg, frame)["mask"], Difference()(bg, frame)["mask"], rtol=1e-4, atol=1e-4
    )
    assert FlipAveraged(speaking(input_size=32)).input_size == 32
